"""`python -m benchmarks everyday`: whether a fitted distribution is that of the data, on everyday data.

The misfit of an estimate is the greatest difference of its cdf from the data's own distribution function at the middle
of each gap between neighbouring values, so that it does not matter how an estimate spreads a value that many points
share. It is held against an allowance; nothing is left out, and an estimator that fails has missed.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..accuracy.cells import FAILURES, Cells, Task, chosen, failed
from ..methods import estimators
from ..methods.fitted import Function
from ..paper.config import ConfigError
from .kinds import KINDS, draw
from .report import write_report

SIZES = (50, 500, 5000)
QUICK_SIZES = (500,)
SEED = 0

ALLOWED, ALLOWED_TIED = 0.05, 0.08
"""Beside 1/√N. The second where more than `TIED` of the points share their value with another one."""
TIED = 0.3

DEFAULT = (
    estimators.AUTO,
    "Algorithm 2, 3r",
    "KDE Scott (scipy)",
    "KDE Silverman",
    "KDE ISJ (KDEpy)",
    "EM, K ≤ 8 by BIC",
    "khisto",
    "DEFT (suftware)",
)


def misfit(cdf: Function, x: np.ndarray) -> tuple[float, float]:
    """The greatest difference between a cdf and the data's, over the middles of the gaps, and where it is.

    NaN if the cdf is NaN at any of them.
    """
    values, counts = np.unique(x, return_counts=True)
    middles = (values[:-1] + values[1:]) / 2
    off = np.abs(np.asarray(cdf(middles), np.float64) - np.cumsum(counts)[:-1] / x.size)
    worst = int(np.argmax(off))  # the first NaN, if there is one
    return float(off[worst]), float(middles[worst])


def allowed(x: np.ndarray) -> float:
    """How much of a misfit is none."""
    counts = np.unique(x, return_counts=True)[1]
    tied = counts[counts > 1].sum() / x.size
    return (ALLOWED_TIED if tied > TIED else ALLOWED) + 1 / math.sqrt(x.size)


def measure(task: Task, estimator: str) -> dict[str, Any]:
    """The misfit of one estimator on one sample; a fit that raises or is NaN is recorded as such, in `error`."""
    x = draw(*task)
    started = time.process_time()
    try:
        found, at = misfit(estimators.fit_of(estimator)(x.copy()).cdf, x)
        if not math.isfinite(found):
            raise ValueError(f"the cdf is not finite at {at}")
    except FAILURES as error:
        return failed(error)
    losses = {"misfit": found, "at": at, "allowed": allowed(x)}
    return {"losses": losses, "seconds": time.process_time() - started, "error": None}


def cells(out: Path) -> Cells:
    """Where the results are kept in a folder of output."""
    return Cells(out / "everyday-cells", measure)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of all that is written (results)")
    parser.add_argument("--kinds", nargs="+", metavar="NAME", help="kinds of data (all)")
    parser.add_argument("--estimators", nargs="+", metavar="NAME", help=f"names, ours or rivals ({', '.join(DEFAULT)})")
    parser.add_argument("--sizes", nargs="+", type=int, metavar="N", help=f"data sizes ({' '.join(map(str, SIZES))})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one for each core)")
    parser.add_argument("--quick", action="store_true", help=f"N = {QUICK_SIZES[0]} only")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks everyday`."""
    kinds = chosen(arguments.kinds, {"all": list(KINDS)}, "--kinds")
    there = [name for name in DEFAULT if name not in estimators.absent()]
    names = chosen(arguments.estimators or there, estimators.by_group(), "--estimators")
    sizes = tuple(dict.fromkeys(arguments.sizes or (QUICK_SIZES if arguments.quick else SIZES)))
    for what, value, least in (("--sizes", min(sizes), 10), ("--jobs", arguments.jobs, 1)):
        if value < least:
            raise ConfigError(f"{what}: {value} is too small; the least is {least}")
    if any(size % 2 for size in sizes):
        raise ConfigError(f"--sizes: {list(sizes)}; a table of two columns has an even number of points")
    tasks = [Task(kind, size, SEED) for size in sorted(sizes) for kind in kinds]
    results = cells(arguments.out)
    results.complete(tasks, names, SEED, arguments.jobs)
    write_report(arguments.out, results.collect(tasks, names), tasks, names, console)
