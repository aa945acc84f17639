"""Beyond the paper: its tables as pictures, the loss of Eq. 9 against n (Table 3) and against t = σ/r (Tables 1, 2).

Computed as `python -m benchmarks tables` computes them: the same seed gives the same experiments and the same losses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter
from rich.progress import Progress

from benchmarks.paper.sweep import run_config
from benchmarks.paper.tables import QUICK_EXPERIMENTS, table_config, table_row
from benchmarks.paper.targets import FAMILIES

from .. import style
from ..request import Drawing, Request, RequestError

WIDTHS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, *(1 + i / 4 for i in range(21)))
"""The values of t, 0.4 … 6; the paper has 1, 2 and 3."""


Row = dict[str, Any]
"""A row of a table's JSON: a mean loss with its 95 % interval, and the paper's value where it has one."""


def rows_of(number: int, request: Request, **changed: Any) -> list[Row]:
    """A table's rows, with some keys of its config changed."""
    changed |= {"experiments": QUICK_EXPERIMENTS} if request.quick else {}
    precision = "float64" if jnp.result_type(float) == jnp.float64 else "float32"
    config = table_config(number, seed=request.seed, precision=precision, **changed)
    with TemporaryDirectory() as folder, Progress(disable=True) as silent:
        return [table_row(result) for result in run_config(config, Path(folder), silent, "")]


def read_rows(path: Path) -> list[Row]:
    """The rows of a table's JSON.

    Raises:
        RequestError: no such file, or not a table's JSON.
    """
    keys = "n", "data_size", "experiments", "mean", "ci95", "paper"
    try:
        return [{key: row[key] for key in keys} for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    except (OSError, KeyError, TypeError, ValueError) as error:
        wanted = "a table written by `python -m benchmarks tables`"
        raise RequestError(f"{path} must be {wanted}; found {error!r}") from error


def draw_over_n(request: Request) -> Figure:
    """Loss against n for each data size, with the paper's values."""
    rows = read_rows(request.results / "table3.json") if request.results else rows_of(3, request)
    figure = style.new_figure(style.COLUMN, 2.9)
    ax = figure.subplots()
    looks: Any = ({"color": style.ORANGE, "marker": "o"}, {"color": style.BLUE, "marker": "s"})
    for data_size, look, line in zip(sorted({row["data_size"] for row in rows}), looks, ("--", "-"), strict=False):
        chosen = [row for row in rows if row["data_size"] == data_size]
        n, mean, low, high = _columns(chosen, "n")
        ends, label = (mean - low, high - mean), f"{data_size:,} points"
        ax.errorbar(n, mean, ends, label=label, linestyle=line, markersize=3.5, linewidth=1.2, capsize=2, **look)
        _draw_paper(ax, chosen, "n", label=f"{data_size:,} points, the paper", **look)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(sorted({row["n"] for row in rows}))
    ax.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5])
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_locator(NullLocator())
    ax.set_xlabel("number of components $n$")
    ax.set_ylabel("loss $L$ (Eq. 9)")
    handles, labels = ax.get_legend_handles_labels()
    order = np.argsort(labels)  # by data size, the paper's values beside ours
    ax.legend([handles[i] for i in order], [labels[i] for i in order], loc="upper right")
    note = f"mean and 95 % interval\nof {rows[0]['experiments']} experiments"
    ax.annotate(note, (0.03, 0.04), xycoords="axes fraction", size=7)
    return figure


def draw_over_t(request: Request) -> Figure:
    """Loss against t for both algorithms, one panel for each family, with the paper's values."""
    rows = [row for number in (1, 2) for row in rows_of(number, request, t=list(WIDTHS))]
    figure = style.new_figure(style.PAGE, 2.9)
    panels = figure.subplots(1, 2)
    markers = {1: "o", 2: "s"}
    for ax, kind in zip(panels, FAMILIES, strict=True):
        for algorithm, look in style.ESTIMATE.items():
            chosen = [row for row in rows if (row["kind"], row["algorithm"]) == (kind, algorithm)]
            t, mean, low, high = _columns(chosen, "t")
            ax.plot(t, mean, label=f"Algorithm {algorithm}", **look | {"linewidth": 1.5})
            ax.fill_between(t, low, high, color=look["color"], alpha=0.2, linewidth=0)
            name = f"Algorithm {algorithm}, the paper"
            _draw_paper(ax, chosen, "t", color=look["color"], marker=markers[algorithm], label=name)
        ax.set_ylim(bottom=0)
        ax.set_xlabel(r"$t = \sigma / r$")
    panels[0].set_ylabel("loss $L$ (Eq. 9)")
    note = f"mean and 95 % interval of {rows[0]['experiments']} experiments"
    panels[0].annotate(note, (0.97, 0.05), xycoords="axes fraction", size=7, ha="right")
    style.name_panels(panels, ["8 Normal components", "8 Normal, Student-t or Uniform components"])
    style.legend_above(figure, panels[0], columns=4)
    return figure


def _draw_paper(ax: Axes, rows: Sequence[Row], over: str, color: str, marker: str, label: str) -> None:
    """The paper's values: the same marker, larger and hollow."""
    known = [row for row in rows if row["paper"] is not None]
    x, values = ([row[key] for row in known] for key in (over, "paper"))
    ax.plot(x, values, marker, color=color, markersize=6.5, markerfacecolor="none", markeredgewidth=0.9, label=label)


def _columns(rows: Sequence[Row], over: str) -> np.ndarray:
    """The abscissa, the mean and the ends of its interval, shape (4, rows)."""
    finite = [(row[over], row["mean"], *row["ci95"]) for row in rows if row["mean"] is not None]
    return np.array(finite).reshape(-1, 4).T


FIGURES: dict[str, Drawing] = {"loss_n": draw_over_n, "loss_t": draw_over_t}
