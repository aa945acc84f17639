"""Means with confidence intervals, and tables as Markdown, CSV and on the screen."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from scipy.special import stdtrit

from .files import write_json, write_text


class Estimate(NamedTuple):
    """A mean over experiments and its 95 % interval; None where the mean is not finite."""

    mean: float | None
    ci95: tuple[float, float] | None

    def interval(self) -> str:
        return "" if self.ci95 is None else f"[{digits(self.ci95[0])}, {digits(self.ci95[1])}]"

    def __str__(self) -> str:
        return f"{digits(self.mean)} {self.interval()}".rstrip()


def estimate(values: np.ndarray) -> Estimate:
    """Mean and Student-t interval over independent experiments.

    Args:
        values: one number for each experiment, shape (experiments,), at least two.
    """
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        return Estimate(None, None)
    number = values.size
    mean = float(values.mean())
    half = float(stdtrit(number - 1, 0.975) * values.std(ddof=1) / math.sqrt(number))
    return Estimate(mean, (mean - half, mean + half))


def ratio_estimate(over: np.ndarray, under: np.ndarray) -> Estimate:
    """Ratio of two means over the same experiments, and its interval to first order in the deviations.

    Args:
        over, under: one number for each experiment, shape (experiments,), at least two.
    """
    ratio, under = float(np.mean(over) / np.mean(under)), np.asarray(under, np.float64)
    mean, ci95 = estimate(ratio + (over - ratio * under) / under.mean())
    return Estimate(mean, ci95)


def median_estimate(values: np.ndarray) -> Estimate:
    """Median and its 95 % interval between order statistics, free of any distribution (Conover 1999, section 3.2).

    Args:
        values: one number for each experiment, shape (experiments,), at least two.
    """
    values = np.sort(np.asarray(values, np.float64))
    number, reach = values.size, 0.98 * math.sqrt(values.size)
    low = max(math.floor(number / 2 - reach), 1)
    high = min(math.ceil(number / 2 + 1 + reach), number)
    return Estimate(float(np.median(values)), (float(values[low - 1]), float(values[high - 1])))


def digits(value: float | None) -> str:
    """A loss about as the paper prints it: four digits after the point, or significant ones where that is too few."""
    if value is None:
        return "not finite"
    if abs(value) < 5e-5:
        return f"{value:.1e}" if value else "0"
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"


class Sheet(NamedTuple):
    """A table of text."""

    title: str
    header: Sequence[str]
    lines: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        def line(cells: Sequence[str]) -> str:
            return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", "<br>") for cell in cells) + " |\n"

        body = "".join(map(line, [self.header, ["---"] * len(self.header), *self.lines]))
        return f"# {self.title}\n\n{body}" + (f"\n{self.note}\n" if self.note else "")

    def show(self, console: Console) -> None:
        table = Table(title=self.title, title_justify="left", caption=self.note or None, caption_justify="left")
        for name in self.header:
            table.add_column(name, overflow="fold")
        for line in self.lines:
            table.add_row(*map(escape, line))
        console.print(table)


def publish(
    out: Path,
    name: str,
    record: dict[str, Any],
    sheets: Sequence[Sheet],
    console: Console,
    rows: Sequence[dict[str, Any]] = (),
    head: str = "",
    shown: Callable[[Sheet], bool] = lambda sheet: True,
) -> None:
    """Writes NAME.json and NAME.md, and shows some of the tables.

    Args:
        rows: for NAME.csv.
        head: of the page, with a title above those of the tables.
    """
    write_json(out / f"{name}.json", record)
    if rows:
        write_csv(out / f"{name}.csv", rows)
    level = "#" if head else ""
    write_text(out / f"{name}.md", "\n".join([*filter(None, [head]), *(level + each.markdown() for each in sheets)]))
    for sheet in filter(shown, sheets):
        sheet.show(console)


def grid_sheet(title: str, grid: dict[str, list[str]], found: dict[str, list[str]], note: str = "") -> Sheet:
    """A table of the columns of a grid and of what was found there; what is the same all over is said in the title."""
    same = {name: values[0] for name, values in grid.items() if len(set(values)) == 1}
    columns = {name: values for name, values in (grid | found).items() if name not in same}
    if same:
        title += f" ({', '.join(f'{name} = {value}' for name, value in same.items())})"
    return Sheet(title, list(columns), list(zip(*columns.values(), strict=True)), note)


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of equal keys as CSV, atomically; an interval becomes the columns `…_low` and `…_high`."""
    flat = []
    for row in rows:
        low, high = row["ci95"] or (None, None)
        flat.append({key: value for key, value in row.items() if key != "ci95"} | {"ci95_low": low, "ci95_high": high})
    text = io.StringIO()
    writer = csv.DictWriter(text, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    write_text(path, text.getvalue())


def progress_bar() -> Progress:
    """A bar over experiments, on standard error: standard output is for results."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("experiments"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
