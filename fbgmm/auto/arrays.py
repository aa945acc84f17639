"""From points to the choice: on the host one program for all lengths; traced, or in batches, one for each shape."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import checks
from .._typing import Array
from ..algorithms import algorithm2
from ..basis import Basis
from ..compiling import is_tracing, quick_jit
from ..counts import count, total
from ..engine import Options, examine
from ..mixture import Mixture
from ..status import Status
from .bins import count_sample
from .choose import Prepared, choose, prepare
from .coordinate import u_of
from .octaves import BINS
from .sample import SIZE, drawn, sorted_sample

_BLOCK = 1 << 16  # points of one data set that are counted at a time
_ROWS = 16  # data sets whose candidates are held at a time


def fit_host(x: np.ndarray, weights: Any, low: Any, high: Any, drop_outside: bool, support: int) -> Mixture:
    """One data set that numpy can read, shape (N,). What is compiled does not depend on N.

    Args:
        low, high: given ends of the range, or None.
        support: as `fbgmm.auto.choose.choose` takes it.
    """
    dtype = x.dtype
    w = np.ones(x.shape, dtype) if weights is None else np.asarray(weights)
    status = Status.NEGATIVE_WEIGHT if (w < 0).any() else Status.OK
    fine = np.abs(x) <= checks.largest(dtype)
    if not (fine | (w == 0)).all() or not (np.abs(w) <= checks.largest(np.float32)).all():
        status |= Status.NOT_FINITE
    used = fine & (w > 0)
    outside = 0
    ends = tuple(None if end is None else dtype.type(end) for end in (low, high))
    if low is not None or high is not None:
        clipped = np.clip(x, *ends)
        out = used & (clipped != x)
        outside = int(out.sum())
        used, x = (used & ~out, x) if drop_outside else (used, clipped)
    if not used.all():
        x, w = x[used], w[used]
    if not x.size:
        return _nothing(status | Status.EMPTY, outside, dtype)
    first, last = (found if end is None else end for found, end in zip((x.min(), x.max()), ends, strict=True))
    if status or not (last - first) / BINS > np.finfo(dtype).tiny:
        return _nothing(status or Status.NO_WIDTH, outside, dtype)
    number = float(w.sum(dtype=np.float64))
    given = int(low is not None) + 2 * int(high is not None)
    sample = _padded(SIZE, *_drawn(x, w.astype(dtype)))
    found, counts = _prepare(*sample, *np.asarray([first, last, number], dtype), np.int32(given))
    if x.size > SIZE:
        counts = jnp.zeros(BINS, dtype)
        for start in range(0, x.size, _BLOCK):
            block = _padded(_BLOCK, x[start : start + _BLOCK], w[start : start + _BLOCK].astype(dtype))
            counts = _count(counts, found.at, *block)
    basis, pi, choice = _choose_one(counts, found, np.int32(support))
    far = choice.misfit > choice.allowed
    return Mixture(basis, pi, _scalar(Status.MISFIT if far else status), _scalar(outside), choice)


def _nothing(status: int, outside: int, dtype: Any) -> Mixture:
    one = jnp.ones((), dtype)
    return Mixture(Basis(0 * one, one, one, one, 1, 4), jnp.ones(1, dtype), _scalar(status), _scalar(outside))


def _scalar(value: int) -> Array:
    return jnp.asarray(int(value), jnp.int32)


def _drawn(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if x.size <= SIZE:
        return x, w
    i = drawn(x.size)
    return x[i], w[i]


def _padded(size: int, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if x.size == size:
        return x, w
    room = np.zeros((2, size), x.dtype)
    room[0, : x.size], room[1, : x.size] = x, w
    return room[0], room[1]


def _prepared(x: Array, w: Array, low: Array, high: Array, number: Array, given: Array) -> tuple[Prepared, Array]:
    sample = sorted_sample(x, w)
    found = prepare(sample, low, high, given, number)
    return found, count_sample(found.edges, sample)


def _counted(counts: Array, at: Any, x: Array, w: Array) -> Array:
    one = jnp.ones((), x.dtype)
    bins = Basis(0 * one, one, one / BINS, one / BINS, BINS, 4)
    return counts + total(count(bins, u_of(at, x), w))


_prepare = quick_jit(_prepared)
_count = quick_jit(_counted, donate_argnums=0)
_choose_one = quick_jit(choose)


def fit_rows(x: Any, weights: Any, low: Any, high: Any, drop_outside: bool, support: int) -> Mixture:
    """One data set, shape (N,), or a batch, (B, N), in JAX alone: traced, or on any device."""
    x = jnp.asarray(x)
    if x.ndim == 1:
        one = fit_rows(
            x[None], None if weights is None else weights[None], _row(low), _row(high), drop_outside, support
        )
        return jax.tree.map(lambda a: a[0], one)
    given = int(low is not None) + 2 * int(high is not None)
    binned = _binned(x, weights, low, high, drop_outside, given)
    status, outside, counts, found = binned
    basis, pi, choice = _in_blocks((counts, found, jnp.full(status.shape, support, jnp.int32)))
    status = status | jnp.where(choice.misfit > choice.allowed, int(Status.MISFIT), 0)
    return Mixture(basis, pi, status, outside, choice)


def _row(end: Any) -> Any:
    return None if end is None else jnp.asarray(end)[None]


@partial(jax.jit, static_argnames=("drop_outside", "given"))
def _binned(x: Array, weights: Any, low: Any, high: Any, drop_outside: bool, given: int) -> tuple[Any, ...]:
    data = examine(((x, weights),), low, high, Options(BINS, None, algorithm2(), drop_outside), ())
    ((x, weights),) = data.parts
    used = jnp.abs(x) <= checks.largest(x.dtype)
    w = jnp.where(used, 1 if weights is None else jnp.maximum(weights, 0), 0).astype(x.dtype)
    x = jnp.clip(jnp.where(used, x, data.low[:, None]), data.low[:, None], data.high[:, None])
    number, length = jnp.sum(w, axis=-1), x.shape[1]
    i = drawn(length) if length > SIZE else np.arange(length)
    found, counts = jax.vmap(partial(_prepared, given=jnp.int32(given)))(x[:, i], w[:, i], data.low, data.high, number)
    if length > SIZE:
        counts = jax.vmap(_counted)(jnp.zeros_like(counts), found.at, x, w)
    return data.status, data.outside, counts, found


_choose_block = quick_jit(jax.vmap(choose))


def _in_blocks(rows: Any) -> Any:
    """The choice for each row, in blocks of one size: compiled once for all numbers of rows, and few held at a time."""
    number = rows[0].shape[0]
    size = min(_ROWS, 1 << (number - 1).bit_length())
    blocks = -(-number // size)
    take = jnp.minimum(jnp.arange(blocks * size), number - 1).reshape(blocks, size)
    cut = jax.tree.map(lambda a: a[take], rows)
    if checks.is_concrete(cut) and not is_tracing():
        each = [_choose_block(*jax.tree.map(lambda a, i=i: a[i], cut)) for i in range(blocks)]
        found = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *each)
    else:
        found = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), jax.lax.map(lambda b: jax.vmap(choose)(*b), cut))
    return jax.tree.map(lambda a: a[:number], found)
