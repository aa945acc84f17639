"""The report of `python -m benchmarks new_points`: regrets, their ratios to scipy's estimate, the worst cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from ..harness.report import Sheet, digits
from .cells import Table, plain
from .estimator_report import failure_sheet, standard_error, write_report

REFERENCE = "KDE Scott (scipy)"
"""The estimator that the others' regrets are divided by: scipy's `gaussian_kde`."""

WORSE, BY = 1.25, 0.01
"""A cell counts as worse than the reference if its regret is above 1.25 times the reference's by .01 nats."""

NOTE = """\
Regret: truth minus mean log density of 20,000 new points, in nats, nothing cut off; mean ± standard error over samples.
"inf" where an estimate holds new points impossible, with their share; "failed" where a fit raised."""


class Regret(NamedTuple):
    """The mean over samples, its standard error (None for one sample, or where it is not finite), and the share of new
    points that the estimate holds impossible."""

    mean: float
    error: float | None
    impossible: float


def regret(records: dict[int, dict[str, Any]]) -> Regret | None:
    """Of one estimator at one density and size; None where there is nothing, or any fit failed."""
    losses = [record["losses"] for record in records.values()]
    if not losses or any(each is None for each in losses):
        return None
    values = np.array([each["regret"] for each in losses])
    impossible = float(np.mean([each["impossible"] for each in losses]))
    return Regret(float(values.mean()), standard_error(values), impossible)


def entry(table: Table, key: tuple[str, int, str]) -> str:
    if key not in table:
        return "–"
    found = regret(table[key])
    if found is None:
        return "failed"
    if found.impossible:
        return f"{found.mean} ({100 * found.impossible:.2g} %)"
    return digits(found.mean) + ("" if found.error is None else f" ± {found.error:.1g}")


class Comparison(NamedTuple):
    """One estimator beside the reference at one density and size: their mean regrets."""

    density: str
    size: int
    value: float
    reference: float

    @property
    def ratio(self) -> float | None:
        """None where one of the two is not above zero: new points are few, and the regret is near zero."""
        return self.value / self.reference if self.value > 0 and 0 < self.reference < math.inf else None

    @property
    def worse(self) -> bool:
        return self.value > WORSE * self.reference + BY


def comparisons(table: Table, name: str) -> list[Comparison]:
    """At all densities and sizes where neither failed."""
    found = []
    for density, size in dict.fromkeys((density, size) for density, size, _ in table):
        ours, theirs = (regret(table.get((density, size, each), {})) for each in (name, REFERENCE))
        if ours is not None and theirs is not None:
            found.append(Comparison(density, size, ours.mean, theirs.mean))
    return found


def geometric_mean(found: Sequence[Comparison]) -> float | None:
    """Of the ratios that there are; infinite if one is; None without any."""
    logs = [math.log(each.ratio) for each in found if each.ratio is not None]
    return math.exp(sum(logs) / len(logs)) if logs else None


def rivals_of(table: Table, names: Sequence[str]) -> list[str]:
    return [name for name in names if name != REFERENCE and comparisons(table, name)]


def regret_sheet(table: Table, names: Sequence[str], size: int) -> Sheet:
    densities = dict.fromkeys(density for density, at, _ in table if at == size)
    lines = [[density, *(entry(table, (density, size, name)) for name in names)] for density in densities]
    return Sheet(f"Regret, N = {size}", ["density", *names], lines, NOTE)


def ratio_sheet(table: Table, names: Sequence[str]) -> Sheet | None:
    """Geometric means of the regret over the reference's, over all sizes and at each."""
    sizes = sorted({size for _, size, _ in table})
    lines = []
    for name in rivals_of(table, names):
        found = comparisons(table, name)
        means = [geometric_mean(found), *(geometric_mean([c for c in found if c.size == size]) for size in sizes)]
        without = [f"{c.density} ({c.size})" for c in found if c.ratio is None]
        worse = sum(c.worse for c in found)
        texts = ["–" if mean is None else f"{mean:.3g}" for mean in means]
        lines.append([name, *texts, f"{worse} of {len(found)}", ", ".join(without)])
    header = ["estimator", "all", *(f"N = {size}" for size in sizes), "worse", "no ratio (a regret ≤ 0)"]
    note = f"Geometric means over densities. Worse: above {WORSE} of {REFERENCE} by more than {BY} nats."
    return Sheet(f"Regret over that of {REFERENCE}", header, lines, note) if lines else None


def worst_sheet(table: Table, names: Sequence[str]) -> Sheet | None:
    """All cells that are worse than the reference, the worst first."""
    lines = []
    for name in rivals_of(table, names):
        worse = [each for each in comparisons(table, name) if each.worse]
        for each in sorted(worse, key=lambda c: c.value - WORSE * c.reference, reverse=True):
            ratio = "" if each.ratio is None else f"{each.ratio:.3g}"
            lines.append([name, each.density, str(each.size), digits(each.value), digits(each.reference), ratio])
    header = ["estimator", "density", "N", "regret", REFERENCE, "ratio"]
    return Sheet("Cells that are worse", header, lines) if lines else None


def rows(table: Table) -> list[dict[str, Any]]:
    """A row for each density, size and estimator, for JSON."""
    found = []
    for (density, size, name), records in table.items():
        mean = regret(records)
        row: dict[str, Any] = {"density": density, "data_size": size, "estimator": name, "seeds": len(records)}
        row["failures"] = sum(record["losses"] is None for record in records.values())
        row["regret"] = None if mean is None else plain(mean.mean)
        row |= dict(zip(("regret_error", "impossible"), (None, None) if mean is None else mean[1:], strict=True))
        found.append(row)
    return found


def report(out: Path, table: Table, names: Sequence[str], console: Console) -> None:
    """Writes new_points.json and new_points.md, and shows the tables."""
    means = {name: geometric_mean(comparisons(table, name)) for name in rivals_of(table, names)}
    ratios = {name: mean if mean is None else plain(mean) for name, mean in means.items()}
    regrets = [regret_sheet(table, names, size) for size in sorted({size for _, size, _ in table})]
    sheets = [*regrets, ratio_sheet(table, names), worst_sheet(table, names), failure_sheet(table)]
    write_report(out, "new_points", "New points", {"rows": rows(table), "ratios": ratios}, sheets, console)
