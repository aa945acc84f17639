"""Common style of all figures, and their files as PDF and PNG.

Colours are Okabe and Ito's, which people with any colour vision tell apart. They are never alone: each curve also has
its own line style or marker, so that a grey print says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fbgmm.atomic import whole

COLUMN, PAGE = 3.5, 7.1
"""Widths in inches: one column of a printed page, and both. Figures are drawn at the size they are printed at."""

GREEN, ORANGE, BLUE, BLACK, GREY = "#009E73", "#E69F00", "#0072B2", "#000000", "#7F7F7F"

TARGET: dict[str, Any] = {"color": GREEN, "linestyle": "-", "linewidth": 2.4, "alpha": 0.6}
"""The target density: wide and pale, so that estimates stay visible on top of it."""

ESTIMATE: dict[int, dict[str, Any]] = {
    1: {"color": ORANGE, "linestyle": "-", "linewidth": 1.3},
    2: {"color": BLUE, "linestyle": (0, (3, 1)), "linewidth": 1.0},
}
"""The mixtures learned by Algorithms 1 and 2: dashes on a line, so that both show where they coincide."""

SETTINGS: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.5,
    "figure.constrained_layout.use": True,
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,  # TrueType: fonts stay text, as journals ask
}


def settings() -> Any:
    """The context in which figures are made and written; outside it matplotlib is as it was."""
    return rc_context(SETTINGS)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, outside pyplot: no global state, no window."""
    return Figure(figsize=(width, height))


def name_panels(axes: Sequence[Axes], names: Sequence[str]) -> None:
    """Puts a panel's name at its upper left, above the data."""
    for ax, name in zip(axes, names, strict=True):
        ax.set_title(name, loc="left")


def legend_above(figure: Figure, ax: Axes, columns: int) -> None:
    """The legend of one panel above all of them, where it covers no data."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, columnspacing=1.5)


def write(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Writes `name.pdf` and `name.png`, each there whole or not at all; the same figure gives the same bytes."""
    dpi = 200 if figure.get_figwidth() <= COLUMN else 130  # legible on a screen, and small enough for a README
    options: dict[str, dict[str, Any]] = {
        "pdf": {"metadata": {"CreationDate": None}},
        "png": {"dpi": dpi, "pil_kwargs": {"optimize": True}},
    }
    paths = []
    for extension, option in options.items():
        path = folder / f"{name}.{extension}"
        with whole(path) as file:
            figure.savefig(file, format=extension, **option)
        paths.append(path)
    return paths
