"""What a drawing is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from .style_transfer.options import StyleOptions


@dataclass(frozen=True)
class Request:
    """The options of the command line that a drawing may need.

    Attributes:
        seed: of the samples; the targets shown are fixed.
        quick: fewer experiments.
        results: folder of finished tables to draw instead of computing them; None: compute.
        style: of the style transfer.
    """

    seed: int = 0
    quick: bool = False
    results: Path | None = None
    style: StyleOptions = StyleOptions()  # noqa: RUF009 - immutable


class RequestError(ValueError):
    """A request that cannot be met; the message says what was found and what is allowed."""


Drawing = Callable[[Request], Figure]
"""What each family of figures offers, by name, in its dictionary FIGURES."""
