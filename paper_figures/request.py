"""Options of a drawing."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from .style_transfer import options


@dataclass(frozen=True)
class Request:
    """The options of the command line that a drawing may need.

    Attributes:
        seed: of the samples; the targets shown are fixed.
        quick: fewer experiments.
        results: folder of results of the benchmarks, to draw instead of computing them; None: compute.
        pretrained: networks of the repository for the digits, instead of training them.
        style: options of the style transfer, those of `style_transfer.options`.
    """

    seed: int = 0
    quick: bool = False
    results: Path | None = None
    pretrained: bool = False
    style: Namespace = field(default_factory=options.of_words)

    def kept(self, folder_of: Callable[[Path, bool], Path], out: Path) -> Path:
        """The folder of trainings and fits: that among the results if there is one, else the one below `out`."""
        here = None if self.results is None else folder_of(self.results, self.quick)
        return here if here is not None and here.is_dir() else folder_of(out, self.quick)


class RequestError(ValueError):
    """A request that cannot be met; the message says what was found and what is allowed."""


Drawing = Callable[[Request], Figure]
"""What each family of figures offers, by name, in its dictionary FIGURES."""
