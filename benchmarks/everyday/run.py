"""`python -m benchmarks everyday`: whether a fitted distribution is that of the data, on everyday data.

The misfit of an estimate is the greatest difference of its cdf from the data's own distribution function at the middle
of each gap between neighbouring values, so that it does not matter how an estimate spreads a value that many points
share. It is held against an allowance; nothing is left out, and an estimator that fails has missed.
"""

from __future__ import annotations

import argparse
import math
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from ..accuracy import request
from ..accuracy.cells import Cells, Task, scored
from ..accuracy.request import Defaults
from ..methods import registry
from ..methods.fitted import Fitted
from ..methods.names import ConfigError
from .kinds import KINDS, draw
from .misfit import allowed, misfit
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


def measure(task: Task, estimator: str) -> dict[str, Any]:
    """The misfit of one estimator on one sample; NaN is a failure."""
    x = draw(*task)

    def losses(fitted: Fitted) -> dict[str, float]:
        found, at = misfit(fitted.cdf, x)
        if not math.isfinite(found):
            raise ValueError(f"the cdf is not finite at {at}")
        return {"misfit": found, "at": at, "allowed": allowed(x)}

    return scored(x, estimator, losses)


def cells(out: Path) -> Cells:
    """Where the results are kept in a folder of output."""
    return Cells(out / "everyday-cells", measure)


add_arguments = partial(request.add_arguments, defaults=DEFAULTS)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks everyday`."""
    grid = request.requested(arguments, DEFAULTS, {"all": list(KINDS)})
    if any(size % 2 for size in grid.sizes):
        raise ConfigError(f"--sizes: {grid.sizes}; a table of two columns has an even number of points")
    tasks, results = grid.tasks(), cells(arguments.out)
    table = results.complete(tasks, grid.estimators, grid.seeds.start, arguments.jobs)
    report(arguments.out, table, tasks, grid.estimators, console)
