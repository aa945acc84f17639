"""Runs a grid of cells; each finished cell is a file, so that a killed sweep goes on where it was.

A cell's file is named after everything that determines its numbers: the grid point, number of experiments, precision,
platform, versions and the code itself. A changed config therefore never meets another cell's file.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
from rich.console import Console
from rich.progress import Progress

from ..harness import cells as kept
from ..harness import environment
from ..harness.files import remove_leftovers
from ..harness.report import digits, estimate, grid_sheet, progress_bar, publish
from ..methods import registry
from ..methods.names import Name
from . import metrics, target_registry
from .config import Cell, Config, read_config
from .experiment import Program, Shape, map_experiments
from .metrics import INFORMATION_LOSS
from .sample_by_sample import SameFits, measure, same_fits
from .targets import KINDS, Kind


@dataclass(frozen=True)
class Result:
    """A finished cell.

    Attributes:
        losses: one for each experiment, shape (experiments,).
        compile_seconds, run_seconds: this cell's share of what its group took, when it was computed.
    """

    cell: Cell
    losses: np.ndarray
    compile_seconds: float
    run_seconds: float


def run_config(config: Config, out: Path, progress: Progress, name: str) -> list[Result]:
    """All cells of a config, in its order: those finished earlier read from `out/cells`, the others computed.

    Args:
        name: what the progress bar calls it.
    """
    folder = out / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    cells = list(config.cells())
    done = {cell: result for cell in cells if (result := read_cell(folder, cell)) is not None}
    if done:
        progress.console.print(f"{name}: {len(done)} of {len(cells)} cells were finished already, in {folder}")
    todo = [cell for cell in cells if cell not in done]
    compiled, alone = _groups(config, filter(is_compiled, todo)), _fits(cell for cell in todo if not is_compiled(cell))
    calls = sum(map(len, compiled.values())) + len(alone)
    advance = partial(progress.advance, progress.add_task(name, total=config.experiments * calls))
    with environment.use_precision(config.precision):
        for result in chain(_compute_compiled(compiled, advance), _compute_alone(alone, advance)):
            write_cell(folder, result)
            done[result.cell] = result
    return [done[cell] for cell in cells]


def is_compiled(cell: Cell) -> bool:
    """Whether one compiled program measures many experiments at once: Eq. 9 of an Algorithm on a random target."""
    algorithm = registry.find(cell.algorithm)[1].algorithm
    return cell.kind in KINDS and cell.metric == INFORMATION_LOSS and algorithm is not None


Groups = dict[tuple[int, int], list[Cell]]
"""Cells by seed and n: those of one group differ in algorithm and t, and come from one call on the same samples."""


def _groups(config: Config, cells: Iterable[Cell]) -> dict[Shape, Groups]:
    """The cells by the compiled program they share, and within it by group.

    The paper's readings are measured together; any other algorithm has a program of its own, so that it changes nothing
    about theirs.
    """
    readings = tuple(name for name in config.algorithm if registry.find(name)[1].group == "readings")
    todo: dict[Shape, Groups] = {}
    for cell in cells:
        together = readings if cell.algorithm in readings else (cell.algorithm,)
        kind = cast(Kind, cell.kind)
        shape = Shape(kind, cell.data_size, together, config.t, max(config.n), config.experiments, config.precision)
        todo.setdefault(shape, {}).setdefault((cell.seed, cell.n), []).append(cell)
    return todo


def _fits(cells: Iterable[Cell]) -> dict[SameFits, list[Cell]]:
    """The cells by the fits that they need."""
    todo: dict[SameFits, list[Cell]] = {}
    for cell in cells:
        todo.setdefault(same_fits(cell), []).append(cell)
    return todo


def _compute_alone(todo: dict[SameFits, list[Cell]], advance: Callable[[float], None]) -> Iterator[Result]:
    for fits, cells in todo.items():
        found, seconds = measure(fits, cells, advance)
        for cell, losses in found.items():
            yield Result(cell, losses, 0.0, seconds / len(cells))


def _compute_compiled(todo: dict[Shape, Groups], advance: Callable[[float], None]) -> Iterator[Result]:
    for shape, groups in todo.items():
        program = Program(shape)
        compile_seconds = program.compile_seconds
        for (seed, n), cells in groups.items():
            started, blocks = time.perf_counter(), []
            for block in program.blocks(seed, n):
                blocks.append(block)
                advance(len(block))
            losses = np.concatenate(blocks)
            run_seconds = time.perf_counter() - started
            for cell in cells:
                column = losses[:, shape.t.index(cell.t), shape.algorithm.index(cell.algorithm)]
                yield Result(cell, column, compile_seconds / len(cells), run_seconds / len(cells))
            compile_seconds = 0.0  # counted with the first group that used the program


def write_cell(folder: Path, result: Result) -> None:
    """Writes a finished cell, atomically. Losses that are not finite become null."""
    losses = [float(loss) if np.isfinite(loss) else None for loss in result.losses]
    seconds = {"compile_seconds": result.compile_seconds, "run_seconds": result.run_seconds}
    kept.write(cell_path(folder, result.cell), identity(result.cell), {"losses": losses, **seconds})


def read_cell(folder: Path, cell: Cell) -> Result | None:
    """A finished cell; None if there is none, or if its file is not what was written."""
    found = kept.read(cell_path(folder, cell), identity(cell))
    if found is None:
        return None
    losses = np.array([np.nan if loss is None else loss for loss in found["losses"]], np.float64)
    return Result(cell, losses, found["compile_seconds"], found["run_seconds"])


def cell_path(folder: Path, cell: Cell) -> Path:
    """Where a cell is kept: a readable name and a digest of everything that determines its numbers."""
    name = f"{cell.kind}_alg{cell.algorithm}_n{cell.n}_t{cell.t:g}_N{cell.data_size}_seed{cell.seed}"
    return folder / f"{kept.slug(name)}_{identity(cell)}.json"


def identity(cell: Cell) -> str:
    """A digest of everything that determines a cell's numbers."""
    return kept.digest([_code(cell.kind, cell.algorithm, cell.metric, is_compiled(cell)), *cell])


@cache
def _code(kind: str, algorithm: Name, metric: str, compiled: bool) -> str:
    """A digest of the code behind the names of a cell."""
    finders = (registry.find, target_registry.find, metrics.find)
    method = registry.roots(algorithm)
    if compiled:
        return kept.identity(map_experiments, method, kept.code_alone(Program, finders))
    others = target_registry.find(kind)[1].roots, metrics.roots(metric)
    return kept.identity(method, others, kept.code_alone(measure, finders))


def surroundings(config: Config, results: Sequence[Result]) -> dict[str, Any]:
    """What stands beside the rows in a file of results. The seconds are those of the cells, whenever computed."""
    return {
        **environment.description(config.precision),
        "compile_seconds": round(sum(result.compile_seconds for result in results), 3),
        "run_seconds": round(sum(result.run_seconds for result in results), 3),
    }


def summary_row(result: Result) -> dict[str, Any]:
    """A cell's numbers by name, for JSON and CSV."""
    cell = result.cell._asdict()
    del cell["precision"]
    mean, ci95 = estimate(result.losses)
    return {**cell, "mean": mean, "ci95": None if ci95 is None else list(ci95)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="the grid; docs/extend.md shows one")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks sweep CONFIG.toml`."""
    config = read_config(arguments.config)
    with progress_bar() as progress:
        results = run_config(config, arguments.out, progress, arguments.config.stem)
    rows = [summary_row(result) for result in results]
    names = {"kind": "kind", "algorithm": "algorithm", "n": "n", "t": "t", "data_size": "points"}
    names |= {"seed": "seed", "experiments": "experiments", "metric": "metric"}
    grid = {shown: [str(row[key]) for row in rows] for key, shown in names.items()}
    losses = [estimate(result.losses) for result in results]
    found = {"mean": [digits(loss.mean) for loss in losses], "95 % interval": [loss.interval() for loss in losses]}
    sheet = grid_sheet(f"Sweep {arguments.config.name}", grid, found)
    publish(arguments.out, "results", {"rows": rows, **surroundings(config, results)}, [sheet], console, rows)
