"""`python -m benchmarks accuracy`: how well densities are estimated, by this library and by the rivals, in one run.

A task is a sample: a density, a data size and a seed. Every estimator sees the same sample; `cells` keeps the results.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..methods import estimators
from ..paper.config import ConfigError
from . import real_samples as accuracy_real
from .cells import FAILURES, Cells, Task, chosen, failed
from .densities import FAMILIES, entries, generators
from .losses import Reference, distances, log_likelihood, reference
from .report import write_report

SIZES = (200, 1000, 5000, 50_000)
SEEDS = 20
HELD_OUT = 20_000

QUICK_DENSITIES = ("gaussian", "claw", "paper's normal", "uniform", "lognormal", "wine: alcohol")
QUICK_SIZES = (200, 1000)
QUICK_SEEDS = 2
SLOW = ("EM, K by BIC", "Bayesian mixture")

REAL = "real"


def tasks(names: Sequence[str], sizes: Sequence[int], seeds: Sequence[int]) -> list[Task]:
    """The grid, small sizes first, and all densities at one seed before the next seed."""
    real = [name for name in names if name not in entries()]
    made = [name for name in names if name in entries()]
    found = [Task(name, 0, seed) for seed in seeds for name in real]
    return found + [Task(name, size, seed) for size in sorted(sizes) for seed in seeds for name in made]


def measure(task: Task, estimator: str) -> dict[str, Any]:
    """The losses of one estimator on one sample, and the seconds of its fit (of the processor: other work adds none).

    A fit that raises is recorded as such, in `error`; its losses are None.
    """
    x, held_out, known = sample(task)
    fit = estimators.fit_of(estimator)
    try:
        for _ in range(estimators.calls(estimator)):
            started = time.process_time()
            fitted = fit(x)
            seconds = time.process_time() - started
        mean, impossible = log_likelihood(fitted.log_pdf, held_out)
        losses = {"log_likelihood": mean, "impossible": impossible}
        if known is not None:
            losses |= distances(known, fitted.pdf)._asdict()
        # −∞ is a likelihood, if a bad one; nothing else that is not finite is a result.
        if not all(math.isfinite(loss) or loss == losses["log_likelihood"] == -math.inf for loss in losses.values()):
            raise ValueError("the density is not finite")
    except FAILURES as error:
        return failed(error)
    return {"losses": losses, "seconds": seconds, "error": None}


@lru_cache(maxsize=1)  # every estimator of a task asks for it
def sample(task: Task) -> tuple[np.ndarray, np.ndarray, Reference | None]:
    """The sample to fit, the points to score, and what is known of the density, which of real data is nothing."""
    first, second = generators(task.name, task.size, task.seed, 2)
    if task.name not in entries():
        return *accuracy_real.split(accuracy_real.samples()[task.name], first), None
    density = entries()[task.name].make(task.seed)
    x = density.sample(first, task.size)
    return x, density.sample(second, HELD_OUT), reference(density, x)


def cells(out: Path) -> Cells:
    """Where the results are kept in a folder of output."""
    return Cells(out / "accuracy-cells", measure)


def known_densities() -> dict[str, list[str]]:
    by_family: dict[str, list[str]] = {
        family: [e.name for e in entries().values() if e.family == family] for family in FAMILIES
    }
    return {**by_family, REAL: list(accuracy_real.samples())}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of all that is written (results)")
    groups = f"{', '.join(FAMILIES)} or {REAL}"
    parser.add_argument("--densities", nargs="+", metavar="NAME", help=f"names, or {groups} (all)")
    parser.add_argument("--estimators", nargs="+", metavar="NAME", help="names, or ours or rivals (all)")
    parser.add_argument("--sizes", nargs="+", type=int, metavar="N", help=f"data sizes ({' '.join(map(str, SIZES))})")
    parser.add_argument("--seeds", type=int, help=f"samples of each density and size ({SEEDS})")
    parser.add_argument("--first-seed", type=int, default=0, help="of these; tune on other seeds than you report (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one for each core)")
    parser.add_argument("--report", action="store_true", help="compute nothing: tables of what is there")
    quick = f"few densities, N = {', '.join(map(str, QUICK_SIZES))}, {QUICK_SEEDS} seeds, no EM"
    parser.add_argument("--quick", action="store_true", help=quick)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks accuracy`."""
    quick = arguments.quick
    known = known_densities()
    asked = [n for n in QUICK_DENSITIES if any(n in group for group in known.values())] if quick else None
    densities = chosen(arguments.densities or asked, known, "--densities")
    asked = [name for name in estimators.names() if name not in SLOW] if quick else None
    names = chosen(arguments.estimators or asked, estimators.by_group(), "--estimators")
    sizes = arguments.sizes or (QUICK_SIZES if quick else SIZES)
    number = arguments.seeds if arguments.seeds is not None else QUICK_SEEDS if quick else SEEDS
    for what, value in (("--sizes", min(sizes)), ("--seeds", number), ("--jobs", arguments.jobs)):
        if value < (2 if what == "--sizes" else 1):
            raise ConfigError(f"{what}: {value} is too small")
    if arguments.first_seed < 0:
        raise ConfigError(f"--first-seed: {arguments.first_seed} is negative")
    seeds = range(arguments.first_seed, arguments.first_seed + number)

    grid, results = tasks(densities, sizes, seeds), cells(arguments.out)
    if not arguments.report and not results.complete(grid, names, arguments.first_seed, arguments.jobs):
        console.print(f"all results were there already, in {results.folder}")
    table = results.collect(grid, names)
    missing_packages = [*estimators.absent(), *(f"data of {package}" for package in accuracy_real.absent())]
    write_report(arguments.out, table, names, missing_packages, console)
