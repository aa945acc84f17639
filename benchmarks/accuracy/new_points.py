"""`python -m benchmarks new_points`: how good a density is for points that it has not seen.

The regret of an estimate is what it loses by not being the truth: the mean over new points of log f(x) − log g(x), in
nats. No density is cut off below: where an estimate holds a new point impossible, its regret is infinite. Many new
points lie beyond the data, so that the tails decide.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from scipy import stats

from ..methods import registry
from ..methods.fitted import Fitted, Function, of_normals
from . import request
from .cells import Cells, Task, scored
from .densities import generators
from .losses import log_likelihood
from .new_points_report import REFERENCE, report
from .request import Defaults

NEW = 20_000

DEFAULTS = Defaults(
    targets="densities",
    sizes=(50, 300, 3000),
    quick_sizes=(50, 300),
    seeds=5,
    quick_seeds=2,
    quick_targets=("normal", "exponential", "Student-t, 3 degrees"),
    estimators=(registry.AUTO, REFERENCE, "EM, K ≤ 8 by BIC"),
)


class SampledDensity(NamedTuple):
    """A distribution as its log density and how to draw from it."""

    log_pdf: Function
    draw: Callable[[np.random.Generator, int], np.ndarray]


def of_scipy(law: Any) -> SampledDensity:
    return SampledDensity(law.logpdf, lambda rng, number: law.rvs(number, random_state=rng))


def _two_bells(rng: np.random.Generator, number: int) -> np.ndarray:
    return np.where(rng.random(number) < 0.5, -2.0, 2.0) + rng.normal(size=number)


LAWS: dict[str, SampledDensity] = {
    "normal": of_scipy(stats.norm()),
    "skew-normal": of_scipy(stats.skewnorm(5)),
    "two normals": SampledDensity(of_normals(np.full(2, 0.5), np.array([-2.0, 2.0]), np.ones(2)).log_pdf, _two_bells),
    "gamma(9)": of_scipy(stats.gamma(9)),
    "gamma(2)": of_scipy(stats.gamma(2)),
    "Weibull(1.5)": of_scipy(stats.weibull_min(1.5)),
    "Gumbel": of_scipy(stats.gumbel_r()),
    "exponential": of_scipy(stats.expon()),
    "Laplace": of_scipy(stats.laplace()),
    "logistic": of_scipy(stats.logistic()),
    "lognormal(0, .5)": of_scipy(stats.lognorm(0.5)),
    "Student-t, 5 degrees": of_scipy(stats.t(5)),
    "Student-t, 3 degrees": of_scipy(stats.t(3)),
    "Student-t, 2.5 degrees": of_scipy(stats.t(2.5)),
    "beta(2, 5)": of_scipy(stats.beta(2, 5)),
    "uniform": of_scipy(stats.uniform()),
}
"""Bell-shaped, skewed and one-sided densities with tails of all kinds, by name."""


@lru_cache(maxsize=1)  # every estimator of a task asks for it
def sample(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The points to fit and the new ones, as they follow from the task alone."""
    first, second = generators(*task, streams=2)
    law = LAWS[task.name]
    return law.draw(first, task.size), law.draw(second, NEW)


def measure(task: Task, estimator: str) -> dict[str, Any]:
    """The regret of one estimator on one sample; NaN is a failure."""
    x, new = sample(task)

    def losses(fitted: Fitted) -> dict[str, float]:
        mean, impossible = log_likelihood(fitted.log_pdf, new)
        if math.isnan(mean) or mean == math.inf:
            raise ValueError("the log density is not a number")
        return {"regret": float(np.mean(LAWS[task.name].log_pdf(new))) - mean, "impossible": impossible}

    return scored(x, estimator, losses)


def cells(out: Path) -> Cells:
    """Where the results are kept in a folder of output."""
    return Cells(out / "new-points-cells", measure)


add_arguments = partial(request.add_arguments, defaults=DEFAULTS)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks new_points`."""
    grid, results = request.requested(arguments, DEFAULTS, {"all": list(LAWS)}), cells(arguments.out)
    table = results.complete(grid.tasks(), grid.estimators, grid.seeds.start, arguments.jobs)
    report(arguments.out, table, grid.estimators, console)
