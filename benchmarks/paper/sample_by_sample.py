"""Cells of a sweep that no compiled program measures: any method, target and metric, one sample after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from ..methods import registry
from ..methods.fitted import Fitted
from ..methods.names import ConfigError, Name, described
from ..methods.own import on_basis
from . import metrics, target_registry
from .config import Cell
from .metrics import Experiment


class SameFits(NamedTuple):
    """What cells have in common that are measured on the same fits. n and t are None where the method has its own."""

    kind: str
    data_size: int
    seed: int
    algorithm: Name
    n: int | None
    t: float | None


def same_fits(cell: Cell) -> SameFits:
    """The fits that a cell needs."""
    on_given_basis = registry.find(cell.algorithm)[1].algorithm is not None
    n, t = (cell.n, cell.t) if on_given_basis else (None, None)
    return SameFits(cell.kind, cell.data_size, cell.seed, cell.algorithm, n, t)


def measure(
    fits: SameFits, cells: Sequence[Cell], advance: Callable[[float], None]
) -> tuple[dict[Cell, np.ndarray], float]:
    """Losses of cells that share their fits, shape (experiments,) each, and the seconds that all of them took.

    Raises:
        ConfigError: a fit or a metric raises; the message says where.
    """
    started = time.perf_counter()
    _, method = registry.find(fits.algorithm)
    fit = registry.fit_of(fits.algorithm)
    if method.algorithm is not None and fits.n is not None and fits.t is not None:
        fit = on_basis(method.algorithm, fits.n, fits.t)
    _, target = target_registry.find(fits.kind)
    losses: dict[Cell, list[float]] = {cell: [] for cell in cells}
    for i in range(cells[0].experiments):
        try:
            drawn = target.draw(fits.data_size, (fits.seed, i))
            judge = _judge(fit(drawn.x.copy()), drawn)
            for cell in cells:
                losses[cell].append(judge(cell.metric, cell.n))
        except Exception as error:
            where = f"{fits.algorithm!r} on {fits.kind!r}, {fits.data_size} points, seed {fits.seed}, experiment {i}"
            said = str(error) if isinstance(error, ConfigError) else described(error)
            raise ConfigError(f"{where}: {said}") from error
        advance(1)
    return {cell: np.array(found) for cell, found in losses.items()}, time.perf_counter() - started


def _judge(estimate: Fitted, drawn: target_registry.Drawn) -> Callable[[str, int], float]:
    """By metric and n; what cells of several t have in common is measured once."""
    experiment = cache(lambda n: Experiment(drawn, n))
    return cache(lambda metric, n: metrics.find(metric)[1].measure(estimate, experiment(n)))
