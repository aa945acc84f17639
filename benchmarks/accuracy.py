"""`python -m benchmarks accuracy`: how well densities are estimated, by this library and by the rivals, in one run.

A task is a sample: a density, a data size and a seed. Every estimator sees the same sample. The results of a task are
one file, written anew after each estimator, so that a killed run goes on where it was; a result is redone when the code
it depends on has changed, which for a rival is not this library's.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from . import accuracy_real, environment, estimators
from .accuracy_losses import Reference, distances, log_likelihood, reference
from .accuracy_report import Table, write_report
from .config import ConfigError
from .densities import FAMILIES, entries, generators
from .files import remove_leftovers, write_json
from .report import progress_bar

SIZES = (200, 1000, 5000, 50_000)
SEEDS = 20
HELD_OUT = 20_000

QUICK_DENSITIES = ("gaussian", "claw", "paper's normal", "uniform", "lognormal", "wine: alcohol")
QUICK_SIZES = (200, 1000)
QUICK_SEEDS = 2
SLOW = ("EM, K by BIC", "Bayesian mixture")

REAL = "real"

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
"""For the workers: they share the cores among themselves, and seconds are those of one core."""


class Task(NamedTuple):
    """One sample. A real one has size 0: half of what there is."""

    name: str
    size: int
    seed: int


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
            pdf = fit(x)
            seconds = time.process_time() - started
        losses = {"log_likelihood": log_likelihood(pdf, held_out, x)}
        if known is not None:
            losses |= distances(known, pdf)._asdict()
        if not all(math.isfinite(loss) for loss in losses.values()):
            raise ValueError("the density is not finite")
    except (ValueError, ArithmeticError, AssertionError, RuntimeError) as error:
        return {"losses": None, "seconds": None, "error": f"{type(error).__name__}: {error}"}
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


def path_of(folder: Path, task: Task) -> Path:
    readable = re.sub(r"[^a-z0-9]+", "-", task.name.lower()).strip("-")
    return folder / f"{readable}_N{task.size}_seed{task.seed}.json"


def read_records(folder: Path, task: Task) -> dict[str, dict[str, Any]]:
    """The results of a task by estimator, those that today's code would give again; empty if there are none.

    Those of estimators that are not installed here are kept as they are: another run may have taken hours for them.
    """
    try:
        file = json.loads(path_of(folder, task).read_text(encoding="utf-8"))
        records = file["records"] if file["task"] == list(task) else {}
        known = estimators.names()
        return {
            name: record
            for name, record in records.items()
            if record.keys() >= {"identity", "losses", "seconds", "error"}
            and (name not in known or record["identity"] == estimators.identity(name))
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def run_task(folder: Path, task: Task, names: Sequence[str]) -> int:
    """Adds the results of these estimators to a task's file; returns how many."""
    records = read_records(folder, task)
    for name in names:
        records[name] = {"identity": estimators.identity(name), **measure(task, name)}
        write_json(path_of(folder, task), {"task": list(task), "records": records})
    return len(names)


def missing(folder: Path, task: Task, names: Sequence[str], first_seed: int) -> list[str]:
    """The estimators that a task still needs: those without a result, save slow ones on later seeds."""
    wanted = [name for name in names if task.seed - first_seed < estimators.seeds_allowed(name, task.size)]
    done = read_records(folder, task)
    return [name for name in wanted if name not in done]


@contextmanager
def one_thread() -> Iterator[None]:
    """Processes started inside compute on one core each."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run_all(folder: Path, todo: dict[Task, list[str]], jobs: int) -> None:
    """Computes what is missing, over `jobs` processes of one thread each."""
    with progress_bar() as progress, one_thread():
        bar = progress.add_task("accuracy", total=sum(map(len, todo.values())))
        # spawn: JAX's threads do not survive a fork
        pool = ProcessPoolExecutor(jobs, get_context("spawn"), environment.enable_compilation_cache)
        try:
            for done in as_completed([pool.submit(run_task, folder, *item) for item in todo.items()]):
                progress.advance(bar, done.result())
        finally:
            pool.shutdown(cancel_futures=True)


def collect(folder: Path, grid: Sequence[Task], names: Sequence[str]) -> Table:
    """All results of the grid: by density, size and estimator, then by seed."""
    table: Table = {}
    for task in grid:
        for name, record in read_records(folder, task).items():
            if name in names:
                table.setdefault((task.name, task.size, name), {})[task.seed] = record
    return table


def chosen(asked: Sequence[str] | None, known: dict[str, list[str]], what: str) -> list[str]:
    """Names, or names of groups, as the names they stand for, each once; all where nothing was asked.

    Raises:
        ConfigError: a name that is not known.
    """
    if asked is None:
        return list(dict.fromkeys(name for group in known.values() for name in group))
    single = {name: [name] for group in known.values() for name in group}
    unknown = [name for name in asked if name not in known and name not in single]
    if unknown:
        raise ConfigError(f"{what}: {unknown[0]!r} is not known; there are {', '.join([*known, *single])}")
    return list(dict.fromkeys(name for each in asked for name in (known.get(each) or single[each])))


def known_densities() -> dict[str, list[str]]:
    by_family: dict[str, list[str]] = {
        family: [e.name for e in entries().values() if e.family == family] for family in FAMILIES
    }
    return {**by_family, REAL: list(accuracy_real.samples())}


def known_estimators() -> dict[str, list[str]]:
    names = estimators.names()
    ours = [name for name in names if name in estimators.OURS]
    return {"ours": ours, "rivals": [name for name in names if name not in ours]}


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
    names = chosen(arguments.estimators or asked, known_estimators(), "--estimators")
    sizes = arguments.sizes or (QUICK_SIZES if quick else SIZES)
    number = arguments.seeds if arguments.seeds is not None else QUICK_SEEDS if quick else SEEDS
    for what, value in (("--sizes", min(sizes)), ("--seeds", number), ("--jobs", arguments.jobs)):
        if value < (2 if what == "--sizes" else 1):
            raise ConfigError(f"{what}: {value} is too small")
    if arguments.first_seed < 0:
        raise ConfigError(f"--first-seed: {arguments.first_seed} is negative")
    seeds = range(arguments.first_seed, arguments.first_seed + number)

    folder = arguments.out / "accuracy-cells"
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    grid = tasks(densities, sizes, seeds)
    todo = {task: left for task in grid if (left := missing(folder, task, names, arguments.first_seed))}
    if todo and not arguments.report:
        run_all(folder, todo, arguments.jobs)
    elif not todo:
        console.print(f"all results were there already, in {folder}")
    table = collect(folder, grid, names)
    missing_packages = [*estimators.absent(), *(f"data of {package}" for package in accuracy_real.absent())]
    write_report(arguments.out, table, names, missing_packages, console)
