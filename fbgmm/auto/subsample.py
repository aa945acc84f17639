"""A sorted sample of up to 8192 points with their ties, from which coordinate, tails and the final check are read.

Data of up to so many points are taken whole, so that their order does not matter; of longer ones, one point is drawn at
random from each of 8192 stretches of equal length, with a fixed key.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._typing import AnyArray, Float
from .namespace import greatest_so_far, least_from_here, namespace

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

    x: Float[AnyArray, "*batch size"]
    w: Float[AnyArray, "*batch size"]
    same: Float[AnyArray, "*batch size"]
    tied: Float[AnyArray, "*batch size"]
    left: Float[AnyArray, "*batch size"]
    right: Float[AnyArray, "*batch size"]


ATOM = 1 / 8
_SEED = 20230316


def drawn(number: int) -> np.ndarray:
    """Which points of so many make the sample: one at random from each of SIZE stretches; always the same."""
    edges = np.arange(SIZE + 1) * number // SIZE
    return edges[:-1] + (np.random.default_rng(_SEED).random(SIZE) * np.diff(edges)).astype(np.int64)


def sorted_sample(x: Float[AnyArray, " size"], w: Float[AnyArray, " size"]) -> Sample:
    """The sample of points in any order; those of weight zero are absent."""
    xp = namespace(x)
    order = xp.argsort(xp.where(w > 0, x, xp.inf))
    x, w = x[order], w[order]
    present = w > 0
    last = xp.maximum(xp.sum(present) - 1, 0)
    x = xp.where(present, x, x[last])
    size = x.shape[0]
    i = xp.arange(size)
    new = xp.concatenate([xp.ones(1, bool), x[1:] > x[:-1]])
    first = greatest_so_far(xp.where(new, i, 0))
    following = xp.concatenate([least_from_here(xp.where(new, i, size))[1:], xp.full(1, size)])
    before = xp.concatenate([xp.zeros(1, w.dtype), xp.cumsum(w)])
    weight = before[following] - before[first]
    tied = weight > 1.999  # counts, to rounding
    more, less = xp.minimum(following, size - 1), xp.maximum(first - 1, 0)
    up, down = x[more] - x, x - x[less]
    none_up, none_down = following == size, first == 0

    def reach(gap: AnyArray, neighbour: AnyArray) -> AnyArray:
        return gap * xp.where(neighbour, 0.5, ATOM)

    right, left = reach(up, tied[more]), reach(down, tied[less])
    right = xp.where(none_up, left, right)
    left = xp.where(none_down, right, left)
    return Sample(x, w, weight, tied.astype(x.dtype), left * tied, right * tied)
