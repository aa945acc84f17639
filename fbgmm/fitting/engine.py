"""The fit on a given n and t, in JAX: from examined data to a mixture. Pure; one data set or a batch."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._typing import Array
from ..algorithms import Algorithm
from ..basis import Basis
from ..binning import in_blocks, rows_at_a_time
from ..counts import Counts, total
from ..mixture import Mixture
from ..status import Status
from .prepare import Data, Points, examine


class Options(NamedTuple):
    """The static part of a fit."""

    capacity: int
    t_max: int | None
    algorithm: Algorithm
    drop_outside: bool = False


def fit_points(points: Points, n: Array, t: Array, options: Options, devices: tuple[str, ...] = ()) -> Mixture:
    """Examines the data, shape (N,) or (B, N), and fits them; arguments as those of `fit_data`."""
    return fit_data(examine(points, options.drop_outside, options.capacity, devices), n, t, options, devices)


def fit_data(data: Data, n: Array, t: Array, options: Options, devices: tuple[str, ...] = ()) -> Mixture:
    """Fits examined data with every n and t (scalars or one axis each).

    Args:
        devices: names of mesh axes over which the points are spread; what each device counted is added over them.
    """
    core = partial(_fit_one, options=options, devices=devices)
    if t.ndim:
        core = jax.vmap(core, in_axes=(None, None, 0))  # counts do not depend on t: vmap makes them once for all
    if n.ndim:
        core = jax.vmap(core, in_axes=(None, 0, None))
    shape = data.pieces[0][0].shape
    if len(shape) == 1:
        return core(data, n, t)

    def rows(data: Data) -> Mixture:
        return jax.vmap(lambda row: core(row, n, t))(data)

    def blocks(data: Data) -> Mixture:
        size = rows_at_a_time(shape[1], options.capacity)
        return rows(data) if shape[0] <= size else in_blocks(rows, data, size)

    return jax.lax.platform_dependent(data, cpu=blocks, default=rows)


def _fit_one(data: Data, n: Array, t: Array, options: Options, devices: tuple[str, ...]) -> Mixture:
    """One data set on one n and t."""
    capacity, t_max, algorithm, _ = options
    r = (data.high - data.low) / n
    basis = Basis(data.low, data.high, r, t * r, capacity, t_max)
    state: Any = algorithm.init(basis)
    for x, weights in data.pieces:
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
