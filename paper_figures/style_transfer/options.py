"""Command-line options of `python -m paper_figures style`; read before anything of the application is loaded."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


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


def of_words(words: Sequence[str] = ()) -> argparse.Namespace:
    """The options in words of a command line; None stands for a default that `--quick` makes smaller."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)
