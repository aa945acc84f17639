"""`fit(x)` in JAX alone, inside a transformation or on an accelerator: as `fbgmm.auto.host`, one program a shape."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import checks
from .._typing import Array
from ..basis import Basis
from ..compiling import exact_products, is_tracing
from ..counts import count, total
from ..fitting.prepare import Points, Request, examine
from ..mixture import Mixture
from ..status import Status
from .bins import count_sample
from .choose import choose
from .coordinate import Coordinate, u_of
from .final_basis import Cells, answer
from .folded_counts import fold_counts
from .octaves import BINS
from .read_sample import SampleFacts, read_sample
from .report import Choice
from .subsample import SIZE, drawn, sorted_sample

_ROWS = 16  # data sets whose candidates a CPU holds at a time
_ROWS_ON_ACCELERATOR = 256


def fit_rows(asked: Request) -> Mixture:
    """One data set, shape (N,), or a batch, (B, N), in JAX alone: traced, or on any device."""
    if asked.points.x.ndim == 1:
        one = jax.tree.map(lambda a: jnp.asarray(a)[None], asked.points)
        return jax.tree.map(lambda a: a[0], fit_rows(asked._replace(points=one)))
    status, outside, counts, found = _binned(asked.points, asked.drop_outside)
    cells, pi, choice = _in_blocks((counts, found, jnp.full(status.shape, asked.support, jnp.int32)))
    status = status | jnp.where(choice.misfit > choice.allowed, int(Status.MISFIT), 0)
    return Mixture(cells.basis(), pi, status, outside, choice)


@partial(jax.jit, static_argnames="drop_outside")
def _binned(points: Points, drop_outside: bool) -> tuple[Any, ...]:
    data = examine(points, drop_outside, BINS)
    ((x, weights),) = data.pieces
    used = checks.usable(x, weights)
    w = jnp.where(used, 1 if weights is None else weights, 0).astype(x.dtype)
    x = jnp.clip(jnp.where(used, x, data.low[:, None]), data.low[:, None], data.high[:, None])
    number, length = jnp.sum(w, axis=-1), x.shape[1]
    i = drawn(length) if length > SIZE else np.arange(length)
    read = jax.vmap(lambda *row: _read(*row, jnp.int32(points.given)))
    found, counts = read(x[:, i], w[:, i], data.low, data.high, number)
    if length > SIZE:
        counts = jax.vmap(_counted)(found.at, x, w)
    return data.status, data.outside, counts, found


@exact_products
def _read(x: Array, w: Array, low: Array, high: Array, number: Array, given: Array) -> tuple[SampleFacts, Array]:
    sample = sorted_sample(x, w)
    found = read_sample(sample, low, high, given, number)
    return found, count_sample(found.edges, sample)


def _counted(at: Coordinate, x: Array, w: Array) -> Array:
    one = jnp.ones((), x.dtype)
    bins = Basis(0 * one, one, one / BINS, one / BINS, BINS, 4)
    return total(count(bins, u_of(at, x), w))


@exact_products
def _one(counts: Array, found: SampleFacts, support: Array) -> tuple[Cells, Array, Choice]:
    data = fold_counts(counts, found, support)
    return answer(choose(data), data, found, support)


_block = jax.jit(jax.vmap(_one))


def _in_blocks(rows: Any) -> Any:
    """The choice for each row, in blocks of one size: compiled once for all numbers of rows, and few held at a time."""
    number = rows[0].shape[0]
    most = _ROWS if jax.default_backend() == "cpu" else _ROWS_ON_ACCELERATOR
    size = min(most, 1 << (number - 1).bit_length())
    blocks = -(-number // size)
    take = jnp.minimum(jnp.arange(blocks * size), number - 1).reshape(blocks, size)
    cut = jax.tree.map(lambda a: a[take], rows)
    if checks.is_concrete(cut) and not is_tracing():
        each = [_block(*jax.tree.map(lambda a, i=i: a[i], cut)) for i in range(blocks)]
        found = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *each)
    else:
        found = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), jax.lax.map(lambda b: _block(*b), cut))
    return jax.tree.map(lambda a: a[:number], found)
