"""`python -m benchmarks everyday`: whether a fitted distribution is that of the data, on everyday data.

The misfit of an estimate is the greatest difference of its cdf from the data's own distribution function at the middle
of each gap between neighbouring values, so that it does not matter how an estimate spreads a value that many points
share. It is held against an allowance; nothing is left out, and an estimator that fails has missed.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..accuracy import request
from ..accuracy.cells import FAILURES, Cells, Task, failed
from ..accuracy.request import Defaults
from ..methods import registry
from ..methods.fitted import Function
from ..methods.names import ConfigError
from .kinds import KINDS, draw
from .report import report

DEFAULTS = Defaults(
    targets="kinds",
    sizes=(50, 500, 5000),
    quick_sizes=(500,),
    estimators=(
        registry.AUTO,
        "Algorithm 2, 3r",
        "KDE Scott (scipy)",
        "KDE Silverman",
        "KDE ISJ (KDEpy)",
        "EM, K ≤ 8 by BIC",
        "khisto",
        "DEFT (suftware)",
    ),
    least_size=10,
)

ALLOWED, ALLOWED_TIED = 0.05, 0.08
"""Beside 1/√N. The second where more than `TIED` of the points share their value with another one."""
TIED = 0.3

MODULES = ("everyday/run.py", "everyday/kinds.py")


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
        found, at = misfit(registry.fit_of(estimator)(x.copy()).cdf, x)
        if not math.isfinite(found):
            raise ValueError(f"the cdf is not finite at {at}")
    except FAILURES as error:
        return failed(error)
    losses = {"misfit": found, "at": at, "allowed": allowed(x)}
    return {"losses": losses, "seconds": time.process_time() - started, "error": None}


def cells(out: Path) -> Cells:
    """Where the results are kept in a folder of output."""
    return Cells(out / "everyday-cells", measure, MODULES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    request.add_arguments(parser, DEFAULTS)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks everyday`."""
    grid = request.requested(arguments, DEFAULTS, {"all": list(KINDS)})
    if any(size % 2 for size in grid.sizes):
        raise ConfigError(f"--sizes: {grid.sizes}; a table of two columns has an even number of points")
    tasks, results = grid.tasks(), cells(arguments.out)
    results.complete(tasks, grid.estimators, grid.seeds.start, arguments.jobs)
    report(arguments.out, results.collect(tasks, grid.estimators), tasks, grid.estimators, console)
