"""The results of a benchmark of estimators: a task is a sample, and a file holds what every estimator made of it.

A file is written anew after each estimator, so that a killed run goes on where it was; a result is redone when the code
it depends on has changed, which for a rival is not this library's. Results of estimators that are not installed here
stay: another run may have taken hours for them.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fbgmm.compiling import keep_programs

from ..harness import cells
from ..harness.files import remove_leftovers
from ..harness.report import progress_bar
from ..methods import registry
from ..methods.fitted import Fitted
from ..methods.names import FILE, is_own
from ..paper import target_registry

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
"""For the workers: they share the cores among themselves, and seconds are those of one core."""

FAILURES = (ValueError, ArithmeticError, AssertionError, RuntimeError, LookupError, TypeError)
"""What an estimator may raise on a sample: such a fit is recorded as failed, and the run goes on."""


class Task(NamedTuple):
    """One sample. A real one has size 0: half of what there is."""

    name: str
    size: int
    seed: int


Measure = Callable[[Task, str], dict[str, Any]]
Table = dict[tuple[str, int, str], dict[int, dict[str, Any]]]
"""Results by (name, size, estimator), then by seed."""


@dataclass(frozen=True)
class Cells:
    """The results of one benchmark.

    Attributes:
        folder: of the files.
        measure: from a task and an estimator's name to a result: a function of a module, since other processes call it.
    """

    folder: Path
    measure: Measure

    def path(self, task: Task) -> Path:
        return self.folder / f"{cells.slug(task.name)}_N{task.size}_seed{task.seed}.json"

    def identity(self, task: Task, name: str) -> str:
        own = is_own(task.name) or task.name.startswith(FILE)
        target = cells.identity(*target_registry.find(task.name)[1].roots) if own else None
        return cells.digest([_identity(self.measure, name), *task, target])

    def read(self, task: Task, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The results of a task by estimator, those that today's code would give again; empty if there are none."""
        found = cells.read_all(self.path(task), {name: self.identity(task, name) for name in names})
        return {name: record | {"losses": _each(float, record["losses"])} for name, record in found.items()}

    def compute(self, task: Task, names: Sequence[str]) -> int:
        """Adds the results of these estimators to a task's file; returns how many."""
        for name in names:
            record = self.measure(task, name)
            kept = record | {"losses": _each(plain, record["losses"])}
            cells.write(self.path(task), self.identity(task, name), kept, name)
        return len(names)

    def missing(self, task: Task, names: Sequence[str], first_seed: int = 0) -> list[str]:
        """The estimators that a task still needs: those without a result, save slow ones on later seeds."""
        methods = {name: registry.find(name)[1] for name in names}
        wanted = [name for name in names if task.seed - first_seed < methods[name].seeds_allowed(task.size)]
        done = self.read(task, wanted)
        return [name for name in wanted if name not in done]

    def complete(self, tasks: Sequence[Task], names: Sequence[str], first_seed: int, jobs: int) -> Table:
        """All results, after computing those that are missing over `jobs` processes of one thread each."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        todo = {task: left for task in tasks if (left := self.missing(task, names, first_seed))}
        if todo:
            self.compute_all(todo, sum(map(len, todo.values())), jobs)
        return self.collect(tasks, names)

    def compute_all(self, todo: dict[Task, list[str]], total: int, jobs: int) -> None:
        with progress_bar() as progress, one_thread():
            bar = progress.add_task(self.folder.name, total=total)
            # spawn: JAX's threads do not survive a fork
            pool = ProcessPoolExecutor(jobs, get_context("spawn"), keep_programs)
            try:
                for done in as_completed([pool.submit(self.compute, *item) for item in todo.items()]):
                    progress.advance(bar, done.result())
            finally:
                pool.shutdown(cancel_futures=True)

    def collect(self, tasks: Sequence[Task], names: Sequence[str]) -> Table:
        """All results of these tasks and estimators."""
        table: Table = {}
        for task in tasks:
            for name, record in self.read(task, names).items():
                table.setdefault((task.name, task.size, name), {})[task.seed] = record
        return table


@cache
def _identity(measure: Measure, name: str) -> str:
    """Of an estimator and what measures it, on whatever task.

    The versions are those of the estimator's packages: what measures needs JAX for two of the densities, and a new
    version of it would throw away results of rivals that took hours.
    """
    code = cells.code_alone(measure, without=(registry.find,))
    return cells.identity(code, *registry.roots(name))


def _each(change: Callable[[Any], Any], losses: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if losses is None else {name: change(loss) for name, loss in losses.items()}


def plain(number: float) -> float | str:
    """A number as JSON can hold it: "-inf" for −∞."""
    return number if math.isfinite(number) else str(number)


def scored(
    x: np.ndarray, estimator: str, losses: Callable[[Fitted], dict[str, float]], compiled: bool = False
) -> dict[str, Any]:
    """The result of an estimator on a sample: losses, seconds of its fit (of the processor: other work adds none).

    A fit that raises, or whose losses do, is recorded as such, in `error`; its losses are None.

    Args:
        compiled: whether the seconds are those of a second fit where it is one of ours, which compile in the first.
    """
    fit = registry.fit_of(estimator)
    try:
        for _ in range(2 if compiled and registry.find(estimator)[1].group != "rivals" else 1):
            started = time.process_time()
            fitted = fit(x.copy())
            seconds = time.process_time() - started
        return {"losses": losses(fitted), "seconds": seconds, "error": None}
    except FAILURES as error:
        return {"losses": None, "seconds": None, "error": f"{type(error).__name__}: {error}"}


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
