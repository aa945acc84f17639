"""`python -m benchmarks accuracy`: how well densities are estimated, by this library and by the rivals, in one run.

A task is a sample: a density, a data size and a seed. Every estimator sees the same sample; `cells` keeps the results.
"""

from __future__ import annotations

import argparse
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..methods import registry
from ..methods.fitted import Fitted
from ..paper import target_registry
from . import real_samples, request
from .cells import Cells, Task, scored
from .densities import FAMILIES, entries
from .losses import Reference, distances, log_likelihood, reference
from .report import report
from .request import Defaults, Request

SLOW = ("EM, K by BIC", "Bayesian mixture")

REAL = "real"

DEFAULTS = Defaults(
    targets="densities",
    sizes=(200, 1000, 5000, 50_000),
    quick_sizes=(200, 1000),
    seeds=20,
    quick_seeds=2,
    quick_targets=("gaussian", "claw", "paper's normal", "uniform", "lognormal", "wine: alcohol"),
    quick_estimators=tuple(name for name in registry.in_group("ours", "rivals") if name not in SLOW),
)


def tasks(grid: Request) -> list[Task]:
    """The grid; data come first, once for each seed, since each time a half of them is fitted."""
    data = [name for name in grid.targets if target_registry.find(name)[1].most is not None]
    found = [Task(name, 0, seed) for seed in grid.seeds for name in data]
    return found + [task for task in grid.tasks() if task.name not in data]


def measure(task: Task, estimator: str) -> dict[str, Any]:
    """The losses of one estimator on one sample, and the seconds of its fit."""
    x, held_out, known = sample(task)

    def losses(fitted: Fitted) -> dict[str, float]:
        mean, impossible = log_likelihood(fitted.log_pdf, held_out)
        found = {"log_likelihood": mean, "impossible": impossible}
        if known is not None:
            found |= distances(known, fitted.pdf)._asdict()
        # −∞ is a likelihood, if a bad one; nothing else that is not finite is a result.
        if not all(math.isfinite(loss) or loss == mean == -math.inf for loss in found.values()):
            raise ValueError("the density is not finite")
        return found

    return scored(x, estimator, losses, compiled=True)


@lru_cache(maxsize=1)  # every estimator of a task asks for it
def sample(task: Task) -> tuple[np.ndarray, np.ndarray, Reference | None]:
    """The sample to fit, the points to score, and what is known of the density, which of real data is nothing."""
    drawn = target_registry.find(task.name)[1].draw(task.size, (task.seed,))
    return drawn.x, drawn.draw_new(), None if drawn.density is None else reference(drawn.density, drawn.x)


def cells(out: Path) -> Cells:
    """Where the results are kept in a folder of output."""
    return Cells(out / "accuracy-cells", measure)


def known_densities() -> dict[str, list[str]]:
    by_family: dict[str, list[str]] = {
        family: [e.name for e in entries().values() if e.family == family] for family in FAMILIES
    }
    return {**by_family, REAL: list(real_samples.samples())}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    request.add_arguments(parser, DEFAULTS)
    parser.add_argument("--report", action="store_true", help="compute nothing: tables of what is there")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks accuracy`."""
    grid = request.requested(arguments, DEFAULTS, known_densities(), target_registry.find)
    wanted, results = tasks(grid), cells(arguments.out)
    if arguments.report:
        table = results.collect(wanted, grid.estimators)
    else:
        table = results.complete(wanted, grid.estimators, grid.seeds.start, arguments.jobs)
    absent = [f"data of {package}" for package in real_samples.absent()]
    report(arguments.out, table, grid.estimators, absent, console)
