"""The coordinate u(x) in which `fit(x)` spaces the means evenly: linear, or following the spacing of the data.

Where data have several scales (a spike on a slab, latencies of 245 ms and of 55 s, long tails) no even spacing serves
them all. The coordinate is given by the length h(x) = dx/du of a unit of u at each x: the data's own spacing of
quantiles, made so smooth that neighbouring cells hardly differ. h is linear between knots, so that u(x) is a logarithm
on each piece and x(u) an exponential, both exact at any distance from zero.

A mesh generator would call it a graded size function (Persson 2006, Mesh size functions for implicit geometries and
PDE-based gradient limiting, Engineering with Computers 22, 95–109).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._typing import AnyArray, Float
from .namespace import namespace
from .octaves import BINS
from .subsample import Sample

INTERVALS = 64
"""Pieces of equal mass between the quantiles that give h."""

GRADES = (0.0, 4.0)
"""Greatest slopes |dh/dx| of the data's own spacing, among which cross-validation chooses; 0 stands for linear. With a
small slope h is a smooth valley about the densest place, with a great one it follows each scale."""

OWN = 0.9
"""Share of the data's own spacing in 1/h, the rest linear. Halved L1 1.006 (`python -m benchmarks constants`)."""

GROWTH = 0.015
"""Relative growth of the cells beyond the data, from one to the next: half a million ranges in 1024 cells."""

_OUTSIDE = 0.5  # of u, on either side


class Coordinate(NamedTuple):
    """u is 0 and 1 at the ends of the data's range, and reaches from −½ to 3/2.

    Attributes:
        x: knots in the units of the data, increasing, shape (*batch, knots).
        h: dx/du at the knots.
        u: of the knots.
    """

    x: Float[AnyArray, "*batch knots"]
    h: Float[AnyArray, "*batch knots"]
    u: Float[AnyArray, "*batch knots"]


def u_of(at: Coordinate, x: Float[AnyArray, "*points"]) -> Float[AnyArray, "*points"]:
    """The coordinate of x."""
    xp = namespace(at.x)
    x = xp.clip(x, at.x[0], at.x[-1])
    slope, a = _piece(at, at.x, x)
    step = x - at.x[a]
    return at.u[a] + step / at.h[a] * _ratio(xp.log1p, slope * step / at.h[a])


def x_of(at: Coordinate, u: Float[AnyArray, "*points"]) -> Float[AnyArray, "*points"]:
    """The point whose coordinate is u."""
    xp = namespace(at.x)
    slope, a = _piece(at, at.u, u)
    step = u - at.u[a]
    return at.x[a] + step * at.h[a] * _ratio(xp.expm1, slope * step)


def h_of(at: Coordinate, u: Float[AnyArray, "*points"]) -> Float[AnyArray, "*points"]:
    """dx/du at the point whose coordinate is u."""
    slope, a = _piece(at, at.u, u)
    return at.h[a] * namespace(at.x).exp(slope * (u - at.u[a]))


def _piece(at: Coordinate, knots: AnyArray, points: AnyArray) -> tuple[AnyArray, AnyArray]:
    """d log h/du on the piece of each point, and the end of the piece where h is less: from there nothing is lost."""
    xp = namespace(knots)
    k = xp.clip(xp.searchsorted(knots, points, side="right") - 1, 0, knots.shape[0] - 2)
    return _slope(at)[k], k + (at.h[k] > at.h[k + 1])


def _slope(at: Coordinate) -> AnyArray:
    """d log h/du of each piece."""
    xp = namespace(at.u)
    du = xp.diff(at.u)
    return xp.where(du > 0, xp.diff(xp.log(at.h)) / xp.where(du > 0, du, 1), 0)


def _ratio(f: Callable[[AnyArray], AnyArray], z: AnyArray) -> AnyArray:
    """f(z)/z for log1p and expm1, 1 at 0."""
    xp = namespace(z)
    small = xp.abs(z) < 1e-6
    safe = xp.where(small, 1, z)
    return xp.where(small, 1, f(safe) / safe)


def coordinate(sample: Sample, low: AnyArray, high: AnyArray, grade: AnyArray) -> Coordinate:
    """The coordinate of one data set over [low, high].

    Args:
        grade: one of `GRADES`.
    """
    xp = namespace(sample.x)
    x, raw = _spacing(sample, low, high, grade)
    bend = xp.where(grade > 0, OWN, 0)
    h = 1 / ((1 - bend) / (high - low) + bend / raw)
    steps = xp.diff(x)
    # ∫ dx/h over a piece on which h is linear: dx over the logarithmic mean of h at its ends.
    z = xp.diff(h) / h[:-1]
    lengths = steps / h[:-1] * _ratio(xp.log1p, z)
    total = xp.sum(lengths)
    u = xp.concatenate([xp.zeros(1, x.dtype), xp.minimum(xp.cumsum(lengths)[:-1] / total, 1), xp.ones(1, x.dtype)])
    return _extended(Coordinate(x, h * total, u))


def _spacing(sample: Sample, low: AnyArray, high: AnyArray, grade: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Knots, and h of the data's own spacing at them: quantiles with peaks between them, made smooth."""
    xp = namespace(sample.x)
    mass = xp.cumsum(sample.w)
    # Each interval holds at least √N points, and eight: of fewer the spacing says little.
    pieces = xp.clip(xp.floor(mass[-1] / xp.maximum(xp.sqrt(mass[-1]), 8)), 2, INTERVALS)
    levels = xp.minimum(xp.arange(1, INTERVALS, dtype=low.dtype) / pieces, 1) * mass[-1]
    used = xp.arange(INTERVALS) < pieces
    i = xp.minimum(xp.searchsorted(mass, levels), mass.shape[0] - 1)
    width, grade = high - low, xp.maximum(grade, 1)
    q = xp.concatenate([low[None], xp.clip(sample.x[i], low, high), high[None]])
    info = xp.finfo(low.dtype)
    tiny = xp.maximum(xp.max(xp.abs(q)) * info.tiny**0.75, xp.maximum(xp.abs(q[1:]), xp.abs(q[:-1])) * 4 * info.eps)
    # A tied value that fills whole intervals has them as wide as the cell of its rounding.
    room = (sample.left + sample.right)[i]
    room = xp.concatenate([room[:1], room, room[-1:]])
    own = xp.where(used, xp.maximum(xp.diff(q), tiny), width)
    at = xp.maximum(xp.minimum(xp.maximum(own[:-1], room[1:-1]), xp.maximum(own[1:], room[1:-1])), tiny[1:])
    ends = xp.maximum(own[:1], room[:1]), xp.maximum(own[-1:], xp.where(used[-1], room[-1:], 0))
    h = xp.concatenate([ends[0], at, ends[1]]) * pieces
    h = xp.min(h[None] + grade * xp.abs(q[:, None] - q[None]), axis=1)
    gap = xp.diff(q)
    # Between two knots h may rise from both sides to where the slopes meet.
    meet = xp.clip((gap + (h[1:] - h[:-1]) / grade) / 2, 0.25 * gap, 0.75 * gap)
    peak = xp.minimum(h[:-1] + grade * meet, h[1:] + grade * (gap - meet))
    knots = xp.concatenate([q, q[:-1] + meet])
    heights = xp.minimum(xp.concatenate([h, peak]), width)
    order = xp.argsort(knots)
    return knots[order], heights[order]


def _extended(at: Coordinate) -> Coordinate:
    """With a piece of growing cells beyond either end."""
    xp = namespace(at.x)
    rate = GROWTH * BINS
    reach = xp.asarray(np.expm1(rate * _OUTSIDE) / rate, at.x.dtype)
    top = xp.exp(xp.asarray(rate * _OUTSIDE, at.x.dtype))
    x = xp.concatenate([at.x[:1] - at.h[:1] * reach, at.x, at.x[-1:] + at.h[-1:] * reach])
    h = xp.concatenate([at.h[:1] * top, at.h, at.h[-1:] * top])
    outside = xp.asarray([_OUTSIDE], at.u.dtype)
    return Coordinate(x, h, xp.concatenate([-outside, at.u, 1 + outside]))
