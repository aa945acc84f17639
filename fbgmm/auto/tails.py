"""What lies beyond the least and the greatest point: the mass of the next point, falling off as the data's tail does.

Whatever the density, the next point lies beyond the greatest of N with probability 1/(N + 1), and so at the other end.
There the density goes on as a generalised Pareto law: exponential where the outer points say so, like a power where
they do. Its shape and scale come from the outer √N points by the moment estimator (Dekkers, Einmahl and de Haan 1989, A
moment estimator for the index of an extreme-value distribution, Ann. Statist. 17, 1833–1855).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .._typing import Array, Float
from .sample import Sample

LEAST = 6
"""Outer points that are looked at, at least."""

MOST_SHAPE = 0.9
"""Below 1, so that the tail has a mean."""

HEAVY_SHAPE, HEAVY_SHARE = 0.5, 0.05
"""A small share of the tail is a power law always: few points cannot tell that there is none."""

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

    start: Array
    scale: Array
    shape: Array
    mass: Array
    edge: Array


def upper_tail(x: Array, w: Array, start: Array, least: Array, total: Array) -> Tail:
    """The tail above the sorted points x with data weights w.

    Args:
        start: where it begins; the greatest point, or the end of the cell of its rounding.
        least: the least scale.
        total: number of points of the data, of which x may be a sample.
    """
    number = jnp.sum(w)
    mass = jnp.cumsum(w)
    median = x[jnp.minimum(jnp.searchsorted(mass, 0.5 * number), x.shape[0] - 1)]
    k = jnp.minimum(jnp.maximum(LEAST, jnp.sqrt(number)), 0.5 * number)
    at = jnp.clip(jnp.searchsorted(mass, number - k), 0, x.shape[0] - 1)
    threshold = x[at] - median
    outer = jnp.where((jnp.arange(x.shape[0]) > at) & (w > 0), w, 0)
    # Where half of the points are equal, the threshold is the median itself: its logarithm is cut.
    safe = jnp.maximum(jnp.maximum(threshold, 1e-6 * (x[-1] - median)), jnp.finfo(x.dtype).tiny)
    logs = jnp.log(jnp.maximum((x - median) / safe, 1))
    count = jnp.maximum(jnp.sum(outer), 1e-6)
    first, second = jnp.sum(outer * logs) / count, jnp.sum(outer * jnp.square(logs)) / count
    negative = 1 - 0.5 / jnp.maximum(1 - jnp.square(first) / jnp.maximum(second, 1e-30), 1e-3)
    shape = first + negative
    shape = shape * PRIOR / (PRIOR + (1 + jnp.square(shape)) / count)
    shape = jnp.clip(shape, 0, MOST_SHAPE)
    mean_excess = jnp.sum(outer * (x - x[at])) / count
    scale = jnp.maximum(mean_excess * (1 - shape), 0)
    # The threshold is exceeded by k of the points, the start of the tail by one of all.
    scale = scale * jnp.power(jnp.maximum(count * total / jnp.maximum(number, 1e-30), 1), shape)
    return Tail(start, jnp.maximum(scale, least), shape, 1 / (total + 1), jnp.full_like(start, jnp.inf))


def tails(sample: Sample, total: Array, least: Float[Array, "2"]) -> Tail:
    """Below and above, leaves of shape (2,). The lower one is that of −x: its `start` is minus the least point."""
    x, w = jnp.stack([-sample.x[::-1], sample.x]), jnp.stack([sample.w[::-1], sample.w])
    start = x[:, -1] + jnp.stack([sample.left[0], sample.right[-1]])
    return jax.vmap(upper_tail, in_axes=(0, 0, 0, 0, None))(x, w, start, least, total)


def beyond(tail: Tail, x: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """Probability beyond x, of points at or above the tail's start."""
    z = jnp.maximum(x - tail.start, 0) / tail.scale

    def survival(shape: Array) -> Array:
        safe = jnp.maximum(shape, 1e-4)  # below that the exponential law, to rounding
        return jnp.exp(-jnp.log1p(safe * z) / safe)

    heavy = survival(jnp.maximum(tail.shape, HEAVY_SHAPE))
    own = (1 - HEAVY_SHARE) * survival(tail.shape) + HEAVY_SHARE * heavy
    sharp = jnp.exp(-jnp.maximum(x - tail.start, 0) / jnp.minimum(tail.edge, tail.scale))
    return tail.mass * jnp.where(jnp.isfinite(tail.edge), EDGE_SHARE * sharp + (1 - EDGE_SHARE) * own, own)
