"""Tails beyond the least and the greatest point: generalised Pareto laws with the mass of the next point.

Whatever the density, the next point lies beyond the greatest of N with probability 1/(N + 1), and so at the other end.
There the density goes on as a generalised Pareto law: exponential where the outer points say so, like a power where
they do. Its shape and scale come from the outer √N points by the moment estimator (Dekkers, Einmahl and de Haan 1989, A
moment estimator for the index of an extreme-value distribution, Ann. Statist. 17, 1833–1855).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from .._typing import AnyArray, Float
from .namespace import map_rows, namespace
from .subsample import Sample

LEAST = 6
"""Outer points that are looked at, at least."""

MOST_SHAPE = 0.9
"""Below 1, so that the tail has a mean."""

HEAVY_SHAPE, HEAVY_SHARE = 0.5, 0.05
"""A small share of the tail is a power law always: few points cannot tell that there is none. Halving or doubling the
share, or the prior below, changes the mean regret by .0001 nats (`python -m benchmarks constants`)."""

EDGE_SHARE = 0.8
"""Where the data end at an edge of height f, they fall short of it by about 1/(N f): so much of the mass does."""

PRIOR = 0.1
"""Variance of the prior, normal about 0, towards which the shape is drawn: that of the estimate is (1 + shape²)/k."""


class Tail(NamedTuple):
    """Beyond one end; scalars.

    Attributes:
        start: where it begins, in the units of the data.
        scale: of the excess over it, in the units of the data.
        shape: 0 exponential; above 0 the density falls like the power −1/shape − 1 of the distance.
        mass: probability beyond.
        edge: greatest scale of an exponential law that has most of the mass, where the support ends at the data.
    """

    start: AnyArray
    scale: AnyArray
    shape: AnyArray
    mass: AnyArray
    edge: AnyArray


def upper_tail(x: AnyArray, w: AnyArray, start: AnyArray, least: AnyArray, total: AnyArray) -> Tail:
    """The tail above the sorted points x with data weights w.

    Args:
        start: where it begins; the greatest point, or the end of the cell of its rounding.
        least: the least scale.
        total: number of points of the data, of which x may be a sample.
    """
    xp = namespace(x)
    number = xp.sum(w)
    mass = xp.cumsum(w)
    median = x[xp.minimum(xp.searchsorted(mass, 0.5 * number), x.shape[0] - 1)]
    k = xp.minimum(xp.maximum(LEAST, xp.sqrt(number)), 0.5 * number)
    at = xp.clip(xp.searchsorted(mass, number - k), 0, x.shape[0] - 1)
    threshold = x[at] - median
    outer = xp.where((xp.arange(x.shape[0]) > at) & (w > 0), w, 0)
    # Where half of the points are equal, the threshold is the median itself: its logarithm is cut.
    safe = xp.maximum(xp.maximum(threshold, 1e-6 * (x[-1] - median)), xp.finfo(x.dtype).tiny)
    logs = xp.log(xp.maximum((x - median) / safe, 1))
    count = xp.maximum(xp.sum(outer), 1e-6)
    first, second = xp.sum(outer * logs) / count, xp.sum(outer * xp.square(logs)) / count
    negative = 1 - 0.5 / xp.maximum(1 - xp.square(first) / xp.maximum(second, 1e-30), 1e-3)
    shape = first + negative
    shape = shape * PRIOR / (PRIOR + (1 + xp.square(shape)) / count)
    shape = xp.clip(shape, 0, MOST_SHAPE)
    mean_excess = xp.sum(outer * (x - x[at])) / count
    scale = xp.maximum(mean_excess * (1 - shape), 0)
    # The threshold is exceeded by k of the points, the start of the tail by one of all.
    scale = scale * xp.power(xp.maximum(count * total / xp.maximum(number, 1e-30), 1), shape)
    return Tail(start, xp.maximum(scale, least), shape, 1 / (total + 1), xp.full_like(start, xp.inf))


def tails(sample: Sample, total: AnyArray, least: Float[AnyArray, "2"]) -> Tail:
    """Below and above, leaves of shape (2,). The lower one is that of −x: its `start` is minus the least point."""
    xp = namespace(sample.x)
    x, w = xp.stack([-sample.x[::-1], sample.x]), xp.stack([sample.w[::-1], sample.w])
    start = x[:, -1] + xp.stack([sample.left[0], sample.right[-1]])
    return map_rows(partial(upper_tail, total=total), x, w, start, least)


def beyond(tail: Tail, x: Float[AnyArray, "*points"]) -> Float[AnyArray, "*points"]:
    """Probability beyond x, of points at or above the tail's start."""
    xp = namespace(x)
    z = xp.maximum(x - tail.start, 0) / tail.scale

    def survival(shape: AnyArray) -> AnyArray:
        safe = xp.maximum(shape, 1e-4)  # below that the exponential law, to rounding
        return xp.exp(-xp.log1p(safe * z) / safe)

    heavy = survival(xp.maximum(tail.shape, HEAVY_SHAPE))
    own = (1 - HEAVY_SHARE) * survival(tail.shape) + HEAVY_SHARE * heavy
    sharp = xp.exp(-xp.maximum(x - tail.start, 0) / xp.minimum(tail.edge, tail.scale))
    return tail.mass * xp.where(xp.isfinite(tail.edge), EDGE_SHARE * sharp + (1 - EDGE_SHARE) * own, own)
