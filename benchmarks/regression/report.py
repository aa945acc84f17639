"""Tables of `python -m benchmarks regression`: means over splits with standard errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy.special import stdtr

from ..harness.report import Sheet, publish

HOMO = "Gaussian"
HETERO = "Gaussian, heteroscedastic"
MDN = "MDN"
KMN = "KMN"
HL = "HL-Gauss"
PLAIN = "ours, plain"
RESIDUAL = "ours, residual"
LOCATIONS = "ours, two locations"
OURS = "ours"
RIVALS = "rivals, stacked"
BOOSTED = "boosted quantiles"

DROPOUT, XGB = "MC-dropout, published", "XGBDist, published"
SETS = "boston", "concrete", "energy", "kin8nm", "naval", "power", "protein", "wine", "yacht"
PUBLISHED: dict[str, tuple[float | None, ...]] = {
    DROPOUT: (2.40, 2.93, 1.21, -1.14, -4.45, 2.80, 2.87, 0.93, 1.25),
    XGB: (2.62, 3.14, 0.58, None, -5.11, 2.77, 2.81, 0.98, 0.89),
}
"""Test negative log-likelihood in nats, in the order of SETS, as the literature on these splits quotes them."""

Records = Mapping[tuple[str, str], dict[str, Any]]
"""(data set, method) → measures, each a list with one number for each split."""

TABLES = {
    "nll": ("Test negative log-likelihood, nats", "The members of each ensemble averaged; less is better."),
    "single": (
        "Test negative log-likelihood of single networks, nats",
        "Mean over the members of each ensemble; of a stack, one network of each kind.",
    ),
    "nll_cells": (
        "Test negative log-probability of rounding cells over their width, nats",
        "Bounded where targets are rounded (wine, naval): −log(P(y ± δ/2)/δ), with δ the least distance of targets.",
    ),
    "crps": ("Continuous ranked probability score", "In units of the targets; less is better."),
    "rmse": ("Root mean squared error", "Of the mean, in units of the targets."),
    "coverage": ("Coverage of 90 % intervals", "Between the quantiles .05 and .95, as predicted."),
    "width": ("Width of these intervals", "In units of the targets."),
    "conformal_coverage": ("Coverage of 90 % intervals, conformal", "Corrected by the rows left out of training."),
    "conformal_width": ("Width of the conformal intervals", "In units of the targets."),
}


def write_report(out: Path, records: Records, made: dict[str, Any], console: Console, quick: bool) -> None:
    """Writes regression.json and regression.md (regression-quick… for a quick run), and shows the tables."""
    rows = [{"set": data_set, "method": method, **found} for (data_set, method), found in records.items()]
    record = {**made, "quick": quick, "records": rows}
    publish(out, "regression-quick" if quick else "regression", record, sheets(records), console)


def sheets(records: Records) -> list[Sheet]:
    """A table for each measure, with sets as rows and methods as columns; then comparisons, failures and seconds."""
    sets = [name for name in SETS if any(key[0] == name for key in records)]
    methods = list(dict.fromkeys(method for _, method in records))
    found = []
    for key, (title, note) in TABLES.items():
        having = [m for m in methods if any(key in records.get((s, m), {}) for s in sets)]
        published = PUBLISHED if key == "nll" else {}
        lines = []
        for s in sets:
            line = [cell(records.get((s, m), {}).get(key)) for m in having]
            lines.append([s, *line, *(_plain(values[SETS.index(s)]) for values in published.values())])
        found.append(Sheet(f"{title}, mean ± standard error over splits", ["set", *having, *published], lines, note))
    return [*found, comparisons(records, sets), failures(records, sets, methods), seconds(records, sets, methods)]


def comparisons(records: Records, sets: Sequence[str]) -> Sheet:
    """What is best, and how ours stands to it, to all rivals stacked, and to published figures."""
    rivals = HOMO, HETERO, MDN, KMN, HL
    lines = []
    for s in sets:
        ours = records.get((s, OURS), {}).get("nll")
        others = {m: records[s, m]["nll"] for m in rivals if (s, m) in records}
        if ours is None or not others:
            continue
        means = {m: float(np.mean(values)) for m, values in others.items()}
        best = min(means, key=means.__getitem__)
        published = PUBLISHED[DROPOUT][SETS.index(s)]
        below = "" if published is None else "yes" if np.mean(ours) < published else "no"
        against = paired(ours, others[HETERO]) if HETERO in others else ""
        together = records.get((s, RIVALS), {}).get("nll")
        stacked = "" if together is None else paired(ours, together)
        lines.append([s, best, paired(ours, others[best]), stacked, against, below])
    head = ["set", "best rival", "ours − best rival", f"ours − {RIVALS}", "ours − heteroscedastic", "below MC-dropout"]
    note = (
        "Differences of negative log-likelihoods, paired by split, ± standard error (p of a two-sided t test, as if "
        "the splits, which overlap, were independent)."
    )
    return Sheet("Ours against the others", head, lines, note)


def paired(ours: Sequence[float], other: Sequence[float]) -> str:
    """Mean difference, standard error and p, as text."""
    difference = np.asarray(ours, np.float64) - np.asarray(other, np.float64)
    if len(difference) < 2:
        return f"{difference.mean():+.3f}"
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    t = difference.mean() / error if error > 0 else 0.0
    p = 2 * float(stdtr(len(difference) - 1, -abs(t)))
    return f"{difference.mean():+.3f} ± {error:.3f} (p {p:.2g})"


def failures(records: Records, sets: Sequence[str], methods: Sequence[str]) -> Sheet:
    """Trainings whose loss was not finite at some step, and chosen networks that are worse than no features at all."""
    having = [m for m in methods if any("trainings" in records.get((s, m), {}) for s in sets)]
    lines = []
    for s in sets:
        line = [s]
        for m in having:
            one = records.get((s, m))
            worse = 0 if one is None else int(sum(one["worse_than_no_features"]))
            line.append("" if one is None else f"{one['not_finite']} of {one['trainings']}; {worse}")
        lines.append(line)
    note = (
        "Trainings with a loss that was not finite, of all; and chosen networks whose test likelihood is below that of "
        "the training targets' normal density."
    )
    return Sheet("Failures", ["set", *having], lines, note)


def seconds(records: Records, sets: Sequence[str], methods: Sequence[str]) -> Sheet:
    lines = [[s, *(_plain(records.get((s, m), {}).get("seconds"), 1) for m in methods)] for s in sets]
    note = "All splits, all trials, compiling included; near 0 where another method had trained the networks already."
    return Sheet("Seconds", ["set", *methods], lines, note)


def cell(values: Sequence[float] | None) -> str:
    """Mean ± standard error; empty where the method does not have it, "inf" where some value is not finite."""
    if values is None:
        return ""
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        return "not finite"
    places = 4 if abs(array.mean()) < 0.1 else 3 if abs(array.mean()) < 10 else 2
    error = f" ± {array.std(ddof=1) / np.sqrt(array.size):.{places}f}" if array.size > 1 else ""
    return f"{array.mean():.{places}f}{error}"


def _plain(value: float | None, places: int = 2) -> str:
    return "" if value is None else f"{value:.{places}f}"
