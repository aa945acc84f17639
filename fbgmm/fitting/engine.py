"""The compiled call behind `fit` and `fit_batch`: from checked arrays to a mixture, without a word to the host."""

from __future__ import annotations

from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .. import checks
from .._typing import Array
from ..algorithms import Algorithm
from ..basis import Basis, data_range
from ..binning import in_blocks, rows_at_a_time
from ..counts import Counts, total
from ..mixture import Mixture
from ..status import Status


class Options(NamedTuple):
    """The static part of a fit. `seen`: low and high are known to be the ends of the data, and those to be finite."""

    capacity: int
    t_max: int | None
    algorithm: Algorithm
    drop_outside: bool = False
    seen: bool = False


Parts = tuple[tuple[Any, Any], ...]
"""The points of a data set in parts, each with its data weights, or None for 1 each. Counts add up over them."""


class Data(NamedTuple):
    """One data set with its range and status, or a batch of them: leaves with a leading axis."""

    parts: Parts
    low: Array
    high: Array
    status: Array
    outside: Array


def fit_arrays(
    parts: Parts,
    low: Array | None,
    high: Array | None,
    n: Array,
    t: Array,
    options: Options,
    devices: tuple[str, ...] = (),
) -> Mixture:
    """Fits one data set, parts of shape (N,), or a batch, (B, N), with every n and t (scalars or one axis each). Pure.

    Args:
        devices: names of mesh axes over which the points are spread; what each device counted is added over them.
    """
    core = partial(_fit_core, options=options, devices=devices)
    if t.ndim:
        core = jax.vmap(core, in_axes=(None, None, 0))  # counts do not depend on t: vmap makes them once for all
    if n.ndim:
        core = jax.vmap(core, in_axes=(None, 0, None))
    data = examine(parts, low, high, options, devices)
    shape = parts[0][0].shape
    if len(shape) == 1:
        return core(data, n, t)

    def rows(data: Data) -> Mixture:
        return jax.vmap(lambda row: core(row, n, t))(data)

    def blocks(data: Data) -> Mixture:
        size = rows_at_a_time(shape[1], options.capacity)
        return rows(data) if shape[0] <= size else in_blocks(rows, data, size)

    return jax.lax.platform_dependent(data, cpu=blocks, default=rows)


class _Facts(NamedTuple):
    """What the points of a data set say about its range and status; shape (*batch,)."""

    low: Array
    high: Array
    bad: Array
    negative: Array


def _facts(x: Array, weights: Array | None) -> _Facts:
    low, high, bad = data_range(x, weights)
    negative = jnp.zeros(x.shape[:-1], bool) if weights is None else jnp.any(weights < 0, axis=-1)
    if weights is not None and jnp.issubdtype(weights.dtype, jnp.floating):
        bad = bad | ~jnp.all(jnp.abs(weights) <= checks.largest(weights.dtype), axis=-1)
    return _Facts(low, high, bad, negative)


def examine(parts: Parts, low: Array | None, high: Array | None, options: Options, devices: tuple[str, ...]) -> Data:
    """The data with a range that has a width, and the status; parts of shape (*batch, N)."""
    if options.seen and low is not None and high is not None:
        no = jnp.zeros(low.shape, bool)
        first, last, bad, negative = _Facts(low, high, no, no)
    else:
        first, last, bad, negative = reduce(_join, (_facts(*part) for part in parts))
    if devices:
        first, last = jax.lax.pmin(first, devices), jax.lax.pmax(last, devices)
        bad, negative = jax.lax.pmax((bad, negative), devices)
    empty = first > last
    low_ = first if low is None else jnp.broadcast_to(low, first.shape)
    high_ = last if high is None else jnp.broadcast_to(high, last.shape)
    # A range too small to divide into n cells has no width either: the quotient would be 0 or denormal.
    tiny = jnp.finfo(first.dtype).tiny
    width = jnp.isfinite(low_) & jnp.isfinite(high_) & ((high_ - low_) / options.capacity > tiny)
    centre = jnp.where(jnp.isfinite(low_), low_, 0)
    half = jnp.maximum(0.5, jnp.abs(centre) / 64)
    low_, high_ = jnp.where(width, low_, centre - half), jnp.where(width, high_, centre + half)
    outside = jnp.zeros(first.shape, jnp.int32)
    if (low is not None or high is not None) and not options.seen:  # else there are none
        out = [points_outside(low_[..., None], high_[..., None], *part) for part in parts]
        outside = sum((jnp.sum(o, axis=-1, dtype=jnp.int32) for o in out), start=outside)
        outside = jax.lax.psum(outside, devices) if devices else outside
        if options.drop_outside:
            parts = tuple((x, ~o if w is None else jnp.where(o, 0, w)) for (x, w), o in zip(parts, out, strict=True))
            kept = reduce(jnp.logical_or, (_any_kept(*part) for part in parts))
            empty = empty | ~(jax.lax.pmax(kept, devices) if devices else kept)
    flags = (
        (empty, Status.EMPTY),
        (bad, Status.NOT_FINITE),
        (~width & ~empty, Status.NO_WIDTH),
        (negative, Status.NEGATIVE_WEIGHT),
    )
    status = sum((jnp.where(flag, int(code), 0) for flag, code in flags), start=jnp.zeros(first.shape, jnp.int32))
    return Data(parts, low_, high_, status, outside)


def _join(a: _Facts, b: _Facts) -> _Facts:
    return _Facts(jnp.minimum(a.low, b.low), jnp.maximum(a.high, b.high), a.bad | b.bad, a.negative | b.negative)


def _any_kept(x: Array, weights: Array | None) -> Array:
    used = jnp.abs(x) <= checks.largest(x.dtype)
    return jnp.any(used if weights is None else used & (weights > 0), axis=-1)


def points_outside(low: Array, high: Array, x: Array, weights: Array | None) -> Array:
    """Which points that count lie outside [low, high]."""
    out = ((x < low) | (x > high)) & (jnp.abs(x) <= checks.largest(x.dtype))
    return out if weights is None else out & (weights > 0)


def _fit_core(data: Data, n: Array, t: Array, options: Options, devices: tuple[str, ...]) -> Mixture:
    """One fit on one n and t."""
    capacity, t_max, algorithm, *_ = options
    r = (data.high - data.low) / n
    basis = Basis(data.low, data.high, r, t * r, capacity, t_max)
    state: Any = algorithm.init(basis)
    for x, weights in data.parts:
        state = algorithm.update(state, basis, x, weights)
    if devices:
        state = jax.tree.map(lambda leaf: jax.lax.psum(leaf, devices), state)
    status = data.status
    if isinstance(state, Counts) and capacity >= _FEW_CELLS:
        c = total(state)
        status = status | jnp.where(_crowded(c) & (status == 0), int(Status.MISFIT), 0)
    return Mixture(basis, algorithm.weights(state, basis), status, data.outside)


def _crowded(c: Array) -> Array:
    """Whether more than half of the points lie in one cell, beyond the 1/√N that is chance."""
    number = jnp.sum(c)
    return jnp.max(c) > number / 2 + jnp.sqrt(number)


_FEW_CELLS = 8  # below that half of the points may well lie in one
