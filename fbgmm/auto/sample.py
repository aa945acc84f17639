"""Up to 8192 of the points, sorted, with their ties: what the coordinate, the tails and the final check are read from.

Data of up to so many points are taken whole, so that their order does not matter; of longer ones, one point is drawn at
random from each of 8192 stretches of equal length, with a fixed key.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import Array, Float

SIZE = 8192


class Sample(NamedTuple):
    """Sorted points, shape (*batch, size); where w is zero there is none, and x is the greatest point.

    Attributes:
        x: the points.
        w: their data weights, of sum N.
        same: weight of all points of the value.
        tied: whether the value is that of two points or more.
        left, right: how far the value's own cell reaches. Half of the distance to the next value, where that is tied
            too: so far reaches what was rounded. An eighth of it, where it is not: a value of its own.
    """

    x: Float[Array, "*batch size"]
    w: Float[Array, "*batch size"]
    same: Float[Array, "*batch size"]
    tied: Float[Array, "*batch size"]
    left: Float[Array, "*batch size"]
    right: Float[Array, "*batch size"]


ATOM = 1 / 8
_SEED = 20230316


def drawn(number: int) -> np.ndarray:
    """Which points of so many make the sample: one at random from each of SIZE stretches; always the same."""
    edges = np.arange(SIZE + 1) * number // SIZE
    return edges[:-1] + (np.random.default_rng(_SEED).random(SIZE) * np.diff(edges)).astype(np.int64)


def sorted_sample(x: Float[Array, " size"], w: Float[Array, " size"]) -> Sample:
    """The sample of points in any order; those of weight zero are absent."""
    order = jnp.argsort(jnp.where(w > 0, x, jnp.inf))
    x, w = x[order], w[order]
    present = w > 0
    last = jnp.maximum(jnp.sum(present) - 1, 0)
    x = jnp.where(present, x, x[last])
    size = x.shape[0]
    i = jnp.arange(size)
    new = jnp.concatenate([jnp.ones(1, bool), x[1:] > x[:-1]])
    first = jax.lax.cummax(jnp.where(new, i, 0))
    following = jnp.concatenate([jax.lax.cummin(jnp.where(new, i, size), reverse=True)[1:], jnp.full(1, size)])
    before = jnp.concatenate([jnp.zeros(1, w.dtype), jnp.cumsum(w)])
    weight = before[following] - before[first]
    tied = weight > 1.999  # counts, to rounding
    more, less = jnp.minimum(following, size - 1), jnp.maximum(first - 1, 0)
    up, down = x[more] - x, x - x[less]
    none_up, none_down = following == size, first == 0

    def reach(gap: Array, neighbour: Array) -> Array:
        return gap * jnp.where(neighbour, 0.5, ATOM)

    right, left = reach(up, tied[more]), reach(down, tied[less])
    right = jnp.where(none_up, left, right)
    left = jnp.where(none_down, right, left)
    return Sample(x, w, weight, tied.astype(x.dtype), left * tied, right * tied)
