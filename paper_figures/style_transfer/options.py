"""Command-line options of `python -m paper_figures style`; read before anything of the application is loaded."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class StyleOptions:
    """The options of the command line; None stands for the default, which `--quick` makes smaller.

    Attributes:
        target, style1, style2: paths of pictures; the two paintings if None.
        shares: of the second style, each from 0 to 1.
        size: pixels of an image's longer side.
        samples: images of each share.
        steps: evaluations of the network for each image.
        sampler: of the Gram matrices.
    """

    target: Path | None = None
    style1: Path | None = None
    style2: Path | None = None
    shares: Sequence[float] | None = None
    size: int | None = None
    samples: int | None = None
    steps: int | None = None
    sampler: str = "copula"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("style")
    group.add_argument("--target", type=Path, help="picture that gives the content (The Starry Night)")
    group.add_argument("--style1", type=Path, help="first style (The Starry Night)")
    group.add_argument("--style2", type=Path, help="second style (Sunflowers)")
    group.add_argument("--shares", type=float, nargs="+", help="of the second style, each from 0 to 1 (0 0.1 0.2 0.8)")
    group.add_argument("--size", type=int, help="pixels of the longer side (256; 128 with --quick)")
    group.add_argument("--samples", type=int, help="images of each share (10; 2 with --quick)")
    group.add_argument("--steps", type=int, help="evaluations of the network for each image (150; 24 with --quick)")
    group.add_argument(
        "--sampler",
        choices=["independent", "projected", "copula"],
        default="copula",
        help="of the Gram matrices: entry by entry, as in the paper; that, made positive semi-definite; or as they "
        "hang together (copula)",
    )


def chosen(arguments: argparse.Namespace) -> StyleOptions:
    """The options that were given."""
    return StyleOptions(**{field.name: getattr(arguments, field.name) for field in fields(StyleOptions)})
