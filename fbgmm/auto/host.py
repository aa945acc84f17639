"""What `fit(x)` does: the data choose the coordinate, the widths and the smoothing.

    x ──sample──▶ prepare: coordinate, tails ──bins──▶ counts ──split──▶ folds ──choose──▶ average ──answer──▶ one basis

For data on the host all but the choice is done in numpy, so that one program serves data of any length.
`fbgmm.auto.traced` does the same in JAX alone.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import checks
from .._typing import Array
from ..basis import Basis
from ..mixture import Mixture
from ..status import Status
from .bins import count_points
from .choose import choose_on_host, split
from .final_basis import Cells, answer
from .octaves import BINS
from .prepare import prepare
from .report import Choice
from .subsample import SIZE, Sample, drawn, sorted_sample


def fit_host(x: np.ndarray, weights: Any, low: Any, high: Any, drop_outside: bool, support: int) -> Mixture:
    """One data set that numpy can read, shape (N,).

    Args:
        low, high: given ends of the range, or None.
        support: as `fbgmm.auto.choose.split` takes it.
    """
    data = _examined(x, weights, low, high, drop_outside)
    if data.status:  # nothing need be compiled to say so
        zero, one = jnp.zeros((), x.dtype), jnp.ones((), x.dtype)
        nothing = Basis(zero, one, one, one, 1, 4), jnp.ones(1, x.dtype)
        return Mixture(*nothing, jnp.asarray(data.status, jnp.int32), jnp.asarray(data.outside))
    return _mixture(*jax.tree.map(jnp.asarray, _fit_one(data, support)))


def fit_host_rows(x: Any, weights: Any, low: Any, high: Any, drop_outside: bool, support: int) -> Mixture:
    """Many data sets that numpy can read, shape (B, N), as many at a time as there are processors."""
    x, weights, low, high = (None if a is None else np.asarray(a) for a in (x, weights, low, high))

    def fit_row(i: int) -> Any:
        w, first, last = (None if a is None else a[i] for a in (weights, low, high))
        data = _examined(x[i], w, first, last, drop_outside)
        if data.status:  # something finite in its place
            x_ = np.array([0, 1], x.dtype)
            data = data._replace(x=x_, w=None, low=x_[0], high=x_[1])
        return _fit_one(data, support)

    first = fit_row(0)  # compiles, once
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        rows = [first, *threads.map(fit_row, range(1, len(x)))]
    return _mixture(*jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *rows))


def _mixture(cells: Cells, pi: Array, status: Array, outside: Array, choice: Choice) -> Mixture:
    return Mixture(cells.basis(), pi, status, outside, choice)


def _fit_one(data: _Examined, support: int) -> tuple[Cells, np.ndarray, Any, Any, Choice]:
    dtype, support_ = data.x.dtype, np.int32(support)
    with np.errstate(all="ignore"):  # what is not needed may be infinite, as in JAX
        number = dtype.type(data.x.size if data.w is None else data.w.sum(dtype=np.float64))
        found = prepare(_sampled(data), data.low, data.high, data.given, number)
        counts = count_points(found.edges, data.x, data.w).astype(dtype)
        parts = jax.tree.map(partial(_as, dtype), split(counts, found, support_))
        chosen = jax.tree.map(np.asarray, choose_on_host(parts))
        cells, pi, choice = jax.tree.map(partial(_as, dtype), answer(chosen, parts, found, support_))
    status = np.int32(data.status or Status.MISFIT * bool(choice.misfit > choice.allowed))
    return cells, pi, status, data.outside, choice


class _Examined(NamedTuple):
    """One data set without what does not count.

    Attributes:
        w: None where every point counts once.
        low, high: its range.
        outside: how many points were outside a given range.
        given: which of the ends were given: 1 low, 2 high, 3 both.
    """

    x: np.ndarray
    w: np.ndarray | None
    low: Any
    high: Any
    status: int
    outside: Any
    given: np.int32


def _examined(x: np.ndarray, weights: Any, low: Any, high: Any, drop_outside: bool) -> _Examined:
    used = np.abs(x) <= checks.largest(x.dtype)
    w, status = None, Status.OK if used.all() else Status.NOT_FINITE
    if weights is not None:
        w = np.asarray(weights)
        status = Status.NEGATIVE_WEIGHT if (w < 0).any() else Status.OK
        if not (used | (w == 0)).all() or not (np.abs(w) <= checks.largest(np.float32)).all():
            status |= Status.NOT_FINITE
        used = used & (w > 0)
    low, high = (None if end is None else x.dtype.type(end) for end in (low, high))
    given = np.int32((low is not None) + 2 * (high is not None))
    clipped = np.clip(x, low, high) if given else x
    out = used & (clipped != x)
    outside = np.int32(np.count_nonzero(out))
    used, x = (used & ~out, x) if drop_outside else (used, clipped)
    if not used.all():
        x, w = x[used], None if w is None else w[used]
    if not x.size:
        return _Examined(x, w, low, high, status | Status.EMPTY, outside, given)
    first, last = (found if end is None else end for found, end in zip((x.min(), x.max()), (low, high), strict=True))
    if not status and not (last - first) / BINS > np.finfo(x.dtype).tiny:
        status = Status.NO_WIDTH
    return _Examined(x, None if w is None else w.astype(x.dtype, copy=False), first, last, status, outside, given)


def _as(dtype: Any, leaf: Any) -> np.ndarray:
    """In the precision of the data, or as a 32-bit integer: numpy mixes precisions upwards."""
    array = np.asarray(leaf)
    return array.astype(dtype if array.dtype.kind == "f" else np.int32 if array.dtype.kind == "i" else bool, copy=False)


def _sampled(data: _Examined) -> Sample:
    x, w = data.x, data.w
    if x.size > SIZE:
        i = drawn(x.size)
        x, w = x[i], None if w is None else w[i]
    return sorted_sample(x, np.ones_like(x) if w is None else w)
