"""`fit(x)` for data on the host: the data choose the coordinate, the widths and the smoothing.

    x ──sample──▶ coordinate, tails ──bins──▶ counts ──folds──▶ choose: average ──answer──▶ one basis

For data on the host all but the choice is done in numpy, so that one program serves data of any length.
`fbgmm.auto.traced` does the same in JAX alone.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import AnyArray, Array
from ..fitting.prepare import Data, Request, examine_on_host
from ..mixture import Mixture
from ..status import Status
from .bins import count_points
from .choose import choose_on_host
from .final_basis import Cells, answer
from .folded_counts import fold_counts
from .octaves import BINS
from .read_sample import read_sample
from .report import Choice
from .subsample import SIZE, Sample, drawn, sorted_sample


def fit_host(data: Data, asked: Request) -> Mixture:
    """One data set that numpy can read, examined, without anything wrong."""
    return _mixture(*jax.tree.map(jnp.asarray, _fit_one(data, asked)))


def fit_host_rows(asked: Request) -> Mixture:
    """Many data sets that numpy can read, shape (B, N), as many at a time as there are processors."""
    rows = jax.tree.map(np.asarray, asked.points)

    def fit_row(i: int) -> Any:
        data = examine_on_host(jax.tree.map(lambda a: a[i], rows), asked.drop_outside, BINS)
        if data.status:  # something finite in its place
            x = np.array([0, 1], rows.x.dtype)
            data = data._replace(pieces=((x, None),), low=x[0], high=x[1])
        return _fit_one(data, asked)

    first = fit_row(0)  # compiles, once
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = [first, *threads.map(fit_row, range(1, len(rows.x)))]
    return _mixture(*jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *found))


def _mixture(cells: Cells, pi: Array, status: Array, outside: Array, choice: Choice) -> Mixture:
    return Mixture(cells.basis(), pi, status, outside, choice)


def _fit_one(data: Data, asked: Request) -> tuple[Cells, np.ndarray, Any, Any, Choice]:
    ((x, w),) = data.pieces
    dtype, given, support = x.dtype, np.int32(asked.points.given), np.int32(asked.support)
    x = np.clip(x, data.low, data.high) if data.outside else x
    w = None if w is None else w.astype(dtype, copy=False)
    with np.errstate(all="ignore"):  # what is not needed may be infinite, as in JAX
        number = dtype.type(x.size if w is None else w.sum(dtype=np.float64))
        found = read_sample(_sampled(x, w), data.low, data.high, given, number)
        counts = count_points(found.edges, x, w).astype(dtype)
        folded = jax.tree.map(partial(_as, dtype), fold_counts(counts, found, support))
        chosen = jax.tree.map(np.asarray, choose_on_host(folded))
        cells, pi, choice = jax.tree.map(partial(_as, dtype), answer(chosen, folded, found, support))
    status = np.int32(data.status or Status.MISFIT * bool(choice.misfit > choice.allowed))
    return cells, pi, status, data.outside, choice


def _as(dtype: np.dtype, leaf: AnyArray) -> np.ndarray:
    """In the precision of the data, or as a 32-bit integer: numpy mixes precisions upwards."""
    array = np.asarray(leaf)
    return array.astype(dtype if array.dtype.kind == "f" else np.int32 if array.dtype.kind == "i" else bool, copy=False)


def _sampled(x: np.ndarray, w: np.ndarray | None) -> Sample:
    if x.size > SIZE:
        i = drawn(x.size)
        x, w = x[i], None if w is None else w[i]
    return sorted_sample(x, np.ones_like(x) if w is None else w)
