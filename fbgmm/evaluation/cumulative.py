"""Cumulative sums and maxima, block by block: a few small products instead of a long ladder.

XLA makes of `cumsum` and `cummax` a ladder of log n steps, each to be compiled; they took a third of the first call of
`log_prob` and `cdf` (`python -m benchmarks first_calls`). Sums are right to rounding; they need not grow with each
number above zero, as those of `cumsum` do.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import Array, Shaped

_SUMMED, _COMPARED = 16, 8
"""Numbers in a block. A block of maxima compares each with each: its squares are the greatest array that is made."""


def running_sum(a: Shaped[Array, " n"]) -> Shaped[Array, " n"]:
    """a_0 + … + a_i for each i."""
    upto = np.tri(_SUMMED, dtype=bool)
    rows = _blocks(a, 0, _SUMMED)
    within = jnp.dot(rows, jnp.asarray(upto.T, a.dtype), precision=jax.lax.Precision.HIGHEST)
    return _joined(within, running_sum, 0, jnp.add, a.shape[0])


def running_max(a: Shaped[Array, " n"], least: int | float) -> Shaped[Array, " n"]:
    """The greatest of a_0, …, a_i for each i. `least`: a number no greater than any."""
    upto = jnp.asarray(np.tri(_COMPARED, dtype=bool))[None]
    rows = _blocks(a, least, _COMPARED)
    within = jnp.max(jnp.where(upto, rows[:, None], least), axis=-1)
    return _joined(within, lambda ends: running_max(ends, least), least, jnp.maximum, a.shape[0])


def running_min_back(a: Shaped[Array, " n"], most: int | float) -> Shaped[Array, " n"]:
    """The least of a_i, …, a_(n−1) for each i. `most`: a number no less than any."""
    return -running_max(-a[::-1], -most)[::-1]


def _blocks(a: Array, fill: int | float, size: int) -> Array:
    return jnp.pad(a, (0, -a.shape[0] % size), constant_values=fill).reshape(-1, size)


def _joined(within: Array, running: Any, first: int | float, joined: Any, size: int) -> Array:
    """Each block's own results joined with those of all blocks before it."""
    if within.shape[0] > 1:
        ends = running(within[:, -1])[:-1]
        before = jnp.concatenate([jnp.full(1, first, ends.dtype), ends])
        within = joined(within, before[:, None])
    return within.reshape(-1)[:size]
