"""The results of a benchmark of estimators: a task is a sample, and a file holds what every estimator made of it.

A file is written anew after each estimator, so that a killed run goes on where it was; a result is redone when the code
it depends on has changed, which for a rival is not this library's.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from fbgmm.compiling import keep_programs

from ..harness.files import remove_leftovers, write_json
from ..harness.report import progress_bar
from ..methods import registry
from ..methods.names import ConfigError

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
        modules: files of this package that any result depends on.
    """

    folder: Path
    measure: Measure
    modules: tuple[str, ...]

    def identity(self, task: Task, name: str) -> str:
        """A digest of all that the numbers of an estimator on a task depend on."""
        return registry.identity(name, self.modules, task.name)

    def path(self, task: Task) -> Path:
        readable = re.sub(r"[^a-z0-9]+", "-", task.name.lower()).strip("-")
        return self.folder / f"{readable}_N{task.size}_seed{task.seed}.json"

    def read(self, task: Task) -> dict[str, dict[str, Any]]:
        """The results of a task by estimator, those that today's code would give again; empty if there are none.

        Those of estimators that are not installed here are kept as they are: another run may have taken hours for them.
        """
        try:
            file = json.loads(self.path(task).read_text(encoding="utf-8"))
            records = file["records"] if file["task"] == list(task) else {}
            return {
                name: record | {"losses": _numbers(record["losses"])}
                for name, record in records.items()
                if record.keys() >= {"identity", "losses", "seconds", "error"}
                and (not _installed(name) or record["identity"] == self.identity(task, name))
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def compute(self, task: Task, names: Sequence[str]) -> int:
        """Adds the results of these estimators to a task's file; returns how many."""
        records = self.read(task)
        for name in names:
            records[name] = {"identity": self.identity(task, name), **self.measure(task, name)}
            plain = {name: record | {"losses": _plain(record["losses"])} for name, record in records.items()}
            write_json(self.path(task), {"task": list(task), "records": plain})
        return len(names)

    def missing(self, task: Task, names: Sequence[str], first_seed: int = 0) -> list[str]:
        """The estimators that a task still needs: those without a result, save slow ones on later seeds."""
        methods = {name: registry.find(name)[1] for name in names}
        wanted = [name for name in names if task.seed - first_seed < methods[name].seeds_allowed(task.size)]
        done = self.read(task)
        return [name for name in wanted if name not in done]

    def complete(self, tasks: Sequence[Task], names: Sequence[str], first_seed: int, jobs: int) -> int:
        """Computes what is missing, over `jobs` processes of one thread each; returns how many results that were."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        todo = {task: left for task in tasks if (left := self.missing(task, names, first_seed))}
        total = sum(map(len, todo.values()))
        if todo:
            self.compute_all(todo, total, jobs)
        return total

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
            for name, record in self.read(task).items():
                if name in names:
                    table.setdefault((task.name, task.size, name), {})[task.seed] = record
        return table


def _installed(name: str) -> bool:
    try:
        registry.find(name)
    except ConfigError:
        return False
    return True


def _plain(losses: dict[str, float] | None) -> dict[str, float | str] | None:
    return None if losses is None else {name: plain(loss) for name, loss in losses.items()}


def _numbers(losses: dict[str, float | str] | None) -> dict[str, float] | None:
    return None if losses is None else {name: float(loss) for name, loss in losses.items()}


def plain(number: float) -> float | str:
    """A number as JSON can hold it: "-inf" for −∞."""
    return number if math.isfinite(number) else str(number)


def failed(error: BaseException) -> dict[str, Any]:
    """The result of an estimator that raised."""
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
