"""The report of `python -m benchmarks accuracy`: tables by family and size, paired ratios, a heat map."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from ..harness.files import as_columns
from ..harness.report import Sheet, digits
from ..methods.registry import AUTO
from ..methods.rivals import ISJ
from .cells import Table, plain
from .densities import FAMILIES, HALVES, entries
from .estimator_report import failure_sheet, losses_of, standard_error, write_report

LOSSES = {"l1": "L1", "hellinger": "Hellinger distance", "paper_loss": "L of Eq. 9", "log_likelihood": "log-likelihood"}

SETS = {"marron-wand and paper": ("marron-wand", "paper"), "berlinet-devroye": ("berlinet-devroye",)}
BEST_ISJ = "the best ISJ"
OTHER = "other targets"

NOTES = """\
L1 is ∫|f − g|, in [0, 2]; L of Eq. 9 is taken on 200 cells over the range of the data for every estimator;
log-likelihood is the mean log density of 20,000 fresh points, nothing cut off: "-inf" where an estimate holds some of
them impossible, with their share.
± is the standard error over the samples. ms is the median time of a fit on one core, after compilation; of a kernel
estimate it includes the density on a grid of at least 8192 points, which sets the time of kde-diffusion.
A ratio is the geometric mean over cells (density and size) of the ratio of mean L1 on the same samples.
Each family is split in two halves of densities, "tune" and "hold-out"; constants may have been chosen on the first.
"""


class Ratio(NamedTuple):
    """One estimator's mean L1 over another's at one cell (density and size), on the seeds that both have.

    Attributes:
        error: standard error of log(value); NaN for a single seed.
    """

    density: str
    size: int
    value: float
    error: float


def cell_ratio(table: Table, density: str, size: int, ours: str, theirs: str) -> Ratio | None:
    """The paired ratio at a cell; None where they share no seed."""
    a, b = (losses_of(table.get((density, size, name), {}), "l1") for name in (ours, theirs))
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None
    first, second = np.array([a[s] for s in seeds]), np.array([b[s] for s in seeds])
    error = standard_error(first / first.mean() - second / second.mean())
    return Ratio(density, size, float(first.mean() / second.mean()), math.nan if error is None else error)


def ratios(table: Table, ours: str, theirs: str, densities: Sequence[str]) -> list[Ratio]:
    """The paired ratios of all cells. Against "the best ISJ" each cell takes the largest."""
    found = []
    for density, size in dict.fromkeys((density, size) for density, size, _ in table):
        if density in densities and size:
            pair = [
                ratio
                for rival in (ISJ if theirs == BEST_ISJ else (theirs,))
                if (ratio := cell_ratio(table, density, size, ours, rival)) is not None
            ]
            if pair:
                found.append(max(pair, key=lambda ratio: ratio.value))
    return found


def geometric_mean(found: Sequence[Ratio]) -> tuple[float, float]:
    """The mean over cells, and the standard error of its logarithm, from the seeds alone."""
    logs = np.log([ratio.value for ratio in found])
    errors = np.array([ratio.error for ratio in found])
    return float(np.exp(logs.mean())), float(np.sqrt(np.sum(errors**2)) / len(found))


def ratio_row(table: Table, ours: str, theirs: str, families: Sequence[str]) -> dict[str, Any] | None:
    """The comparison with one rival over some families: both halves, each half, wins and the worst cell."""
    by_half = {half: names_of(families, half) for half in HALVES}
    found = ratios(table, ours, theirs, [name for names in by_half.values() for name in names])
    if not found:
        return None
    mean, error = geometric_mean(found)
    row: dict[str, Any] = {"rival": theirs, "cells": len(found), "ratio": mean}
    row["log_error"] = error if math.isfinite(error) else None
    for half, names in by_half.items():
        part = [ratio for ratio in found if ratio.density in names]
        row[half] = geometric_mean(part)[0] if part else None
    worst = max(found, key=lambda ratio: ratio.value)
    row |= {"wins": sum(ratio.value < 1 for ratio in found), "losses": sum(ratio.value > 1 for ratio in found)}
    return row | {"worst": worst.value, "worst_density": worst.density, "worst_size": worst.size}


def names_of(families: Sequence[str], half: str | None = None) -> list[str]:
    return [e.name for e in entries().values() if e.family in families and half in (None, e.half)]


def ratio_sheet(title: str, rows: Sequence[dict[str, Any]]) -> Sheet:
    lines = []
    for row in rows:
        mean = f"{row['ratio']:.3f}"
        if row["log_error"] is not None:
            low, high = (row["ratio"] * math.exp(sign * 1.96 * row["log_error"]) for sign in (-1, 1))
            mean += f" [{low:.2f}, {high:.2f}]"
        worst = f"{row['worst']:.2f} ({row['worst_density']}, {row['worst_size']})"
        halves = ["" if row[half] is None else f"{row[half]:.2f}" for half in HALVES]
        lines.append([row["rival"], mean, *halves, f"{row['wins']} : {row['losses']}", worst])
    return Sheet(title, ["rival", "ratio [95 %]", *HALVES, "won : lost", "worst cell"], lines)


class Mean(NamedTuple):
    """A mean over the densities of a family of the mean over seeds.

    Attributes:
        error: its standard error over seeds; None where a density has one seed only, or the mean is not finite.
        seeds: the fewest of any density.
    """

    value: float
    error: float | None
    seeds: int


def family_mean(table: Table, densities: Sequence[str], size: int, estimator: str, loss: str) -> Mean | None:
    """None where a density of the family that has results at this size has none for this estimator."""
    there = {density for density, at, _ in table if at == size and density in densities}
    columns = [np.array(list(losses_of(table.get((d, size, estimator), {}), loss).values())) for d in sorted(there)]
    if not columns or any(column.size == 0 for column in columns):
        return None
    value = float(np.mean([column.mean() for column in columns]))
    seeds = min(column.size for column in columns)
    if seeds < 2 or not math.isfinite(value):
        return Mean(value, None, seeds)
    variance = sum(column.var(ddof=1) / column.size for column in columns)
    return Mean(value, float(math.sqrt(variance) / len(columns)), seeds)


def median_ms(table: Table, densities: Sequence[str], size: int, estimator: str) -> float | None:
    seconds = [
        record["seconds"]
        for (density, at, name), records in table.items()
        if density in densities and at == size and name == estimator
        for record in records.values()
        if record["seconds"] is not None
    ]
    return 1000 * float(np.median(seconds)) if seconds else None


def family_sheet(
    table: Table, title: str, densities: Sequence[str], names: Sequence[str], loss: str, times: bool
) -> Sheet | None:
    """Mean ± standard error by estimator and size, the time of a fit beside it; None without results."""
    sizes = sorted({size for density, size, _ in table if density in densities})
    if not sizes:
        return None
    most = max(len(records) for (density, _, _), records in table.items() if density in densities)
    header, lines = ["estimator"], []
    for size in sizes:
        header += [f"N = {size}", "ms"] if times else [f"N = {size}"]
    for name in names:
        line = [name]
        for size in sizes:
            mean = family_mean(table, densities, size, name, loss)
            text = mean_text(mean, most)
            if mean is not None and mean.value == -math.inf:
                share = family_mean(table, densities, size, name, "impossible")
                text += "" if share is None else f" ({100 * share.value:.2g} % impossible)"
            line.append(text)
            if times:
                ms = median_ms(table, densities, size, name)
                line.append("" if ms is None else f"{ms:.3g}" if ms < 1000 else f"{ms:.0f}")
        lines.append(line)
    return Sheet(title, header, lines)


def mean_text(mean: Mean | None, most: int) -> str:
    if mean is None:
        return "–"
    error = "" if mean.error is None else f" ± {mean.error:.1g}"
    return f"{digits(mean.value)}{error}" + ("" if mean.seeds == most else f" ({mean.seeds} seeds)")


def real_sheet(table: Table, names: Sequence[str]) -> Sheet | None:
    """Held-out log-likelihood on real data: that of the first estimator, and the paired differences of the others."""
    found = sorted({density for density, size, _ in table if size == 0})
    if not found or not names:
        return None
    reference = AUTO if AUTO in names else names[0]
    lines = []
    for name in dict.fromkeys([reference, *names]):
        line = [name if name == reference else f"{name} − {reference}"]
        for density in found:
            values, base = (
                losses_of(table.get((density, 0, each), {}), "log_likelihood") for each in (name, reference)
            )
            if name != reference:
                both = sorted(values.keys() & base.keys())
                values = {seed: values[seed] - base[seed] for seed in both if base[seed] > -math.inf}
            line.append(split_text(np.array(list(values.values()))))
        lines.append(line)
    note = (
        "Mean held-out log-likelihood over random halves, and paired differences: above zero is better than the first "
        "line. The standard errors allow for the overlap of the halves (Nadeau and Bengio 2003, Machine Learning 52)."
    )
    return Sheet("Real data: held-out log-likelihood", ["estimator", *found], lines, note)


def split_text(values: np.ndarray) -> str:
    if not values.size:
        return "–"
    if values.size == 1 or np.isinf(values).any():
        return f"{values.mean():+.3f}"
    error = math.sqrt((1 / values.size + 1) * values.var(ddof=1))  # 1: as many points score as fit
    return f"{values.mean():+.3f} ± {error:.1g}"


def summary_rows(table: Table) -> list[dict[str, Any]]:
    """A row for each density, size and estimator, for JSON."""
    rows = []
    for (density, size, estimator), records in table.items():
        entry = entries().get(density)
        other = OTHER if size else "real"
        where = {"family": entry.family, "half": entry.half} if entry else {"family": other, "half": None}
        row: dict[str, Any] = {"density": density, **where, "data_size": size, "estimator": estimator}
        row |= {"seeds": len(records), "failures": sum(record["losses"] is None for record in records.values())}
        for loss in (*LOSSES, "impossible", "mass") if size else ("log_likelihood", "impossible"):
            values = np.array(list(losses_of(records, loss).values()))
            row[loss] = plain(float(values.mean())) if values.size else None
            row[f"{loss}_error"] = standard_error(values)
        row["median_ms"] = median_ms(table, [density], size, estimator)
        rows.append(row)
    return rows


def sheets_of(table: Table, names: Sequence[str]) -> list[Sheet]:
    """All tables, in the order of the report."""
    others = list(dict.fromkeys(density for density, size, _ in table if size and density not in entries()))
    families = {family: names_of([family]) for family in FAMILIES} | {OTHER: others}
    found: list[Sheet | None] = []
    for title, compared in SETS.items():
        rows = ratio_rows(table, names, compared)
        if rows:
            found.append(ratio_sheet(f"L1 of {AUTO} over that of the others: {title}", rows))
    for loss, title in LOSSES.items():
        for family, densities in families.items():
            found.append(family_sheet(table, f"{title}: {family}", densities, names, loss, loss == "l1"))
    for family in FAMILIES:
        for half in HALVES:
            title = f"L1: {family}, {half} half"
            found.append(family_sheet(table, title, names_of([family], half), names, "l1", False))
    found += [real_sheet(table, names), failure_sheet(table)]
    return [sheet for sheet in found if sheet is not None]


def ratio_rows(table: Table, names: Sequence[str], families: Sequence[str]) -> list[dict[str, Any]]:
    if AUTO not in names:
        return []
    rivals = [name for name in names if name != AUTO]
    if set(ISJ) <= set(rivals):
        rivals.append(BEST_ISJ)
    return [row for rival in rivals if (row := ratio_row(table, AUTO, rival, families)) is not None]


def heat_map(table: Table, theirs: str) -> Any:
    """The ratios of auto to a rival as a figure: densities by sizes, blue where auto is better; None without ratios."""
    from matplotlib.figure import Figure

    found = ratios(table, AUTO, theirs, names_of(FAMILIES))
    if not found:
        return None
    value = {(ratio.density, ratio.size): ratio.value for ratio in found}
    densities = [name for name in entries() if any(density == name for density, _ in value)]
    sizes = sorted({size for _, size in value})
    cells = np.array([[value.get((density, size), math.nan) for size in sizes] for density in densities])
    figure = Figure(figsize=(2.6 + 0.8 * len(sizes), 1.4 + 0.22 * len(densities)), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(np.log2(cells), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    axes.set_yticks(range(len(densities)), densities)
    axes.set_xlabel("data size")
    axes.set_title(f"L1: {AUTO} / {theirs}", fontsize=9)
    axes.tick_params(labelsize=7)
    for (i, j), ratio in np.ndenumerate(cells):
        if math.isfinite(ratio):
            dark = abs(math.log2(ratio)) > 0.6
            axes.text(j, i, f"{ratio:.2f}", ha="center", va="center", fontsize=6, color="white" if dark else "black")
    bar = figure.colorbar(picture, ax=axes, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.ax.set_yticklabels(["½", "0.71", "1", "1.41", "2"], fontsize=7)
    return figure


def report(out: Path, table: Table, names: Sequence[str], absent: Sequence[str], console: Console) -> None:
    """Writes accuracy.json, accuracy.md and, where matplotlib is there, accuracy.png; shows the main tables."""
    record = {
        "columns": as_columns(summary_rows(table)),
        "ratios": {t: ratio_rows(table, names, f) for t, f in SETS.items()},
    }
    picture = draw(out / "accuracy.png", table, names)
    note = f"{NOTES}\n![{picture}](accuracy.png)\n" if picture else NOTES

    def is_main(sheet: Sheet) -> bool:
        return sheet.title.startswith(("L1", "Real")) and "half" not in sheet.title

    write_report(out, "accuracy", "Accuracy", record, sheets_of(table, names), console, note, absent, is_main)


def draw(path: Path, table: Table, names: Sequence[str]) -> str | None:
    """Writes the heat map; returns its title, or None where there is nothing to draw or nothing to draw with."""
    rivals = [name for name in ISJ if name in names]
    if AUTO not in names or not rivals or importlib.util.find_spec("matplotlib") is None:
        return None
    theirs = BEST_ISJ if len(rivals) == len(ISJ) else rivals[0]
    figure = heat_map(table, theirs)
    if figure is None:
        return None
    figure.savefig(path, dpi=160)
    return f"L1 of {AUTO} over that of {theirs}"
