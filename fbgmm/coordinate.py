"""A coordinate in which the bulk of the data and its tails both have room: linear, or asinh about the median.

u(x) = asinh(κ z)/κ, z = (x − median)/range, scaled to [0, 1] over the data. κ = 0 is linear. Where the tails are so
long that the middle half of the data would fill less than 1/16 of the range, κ is the least that gives it so much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from . import checks
from ._typing import Array

LEAST_MIDDLE = 1 / 16
_STEPS = 40
_SAMPLE = 4096  # points from which quartiles and ties are read


class Summary(NamedTuple):
    """What a few thousand of the points say.

    Attributes:
        q1, median, q3: quartiles.
        distinct: share of the points whose value is not that of another.
        gap: the usual least distance between different values.
    """

    q1: Array
    median: Array
    q3: Array
    distinct: Array
    gap: Array


class Coordinate(NamedTuple):
    """See the module. Scalars; `kappa` = 0: linear."""

    low: Array
    high: Array
    median: Array
    kappa: Array

    def u(self, x: Array) -> Array:
        """The coordinate of x; 0 at low, 1 at high."""
        width = self.high - self.low
        first, last = self._bent(self.low), self._bent(self.high)
        bent = (self._bent(x) - first) / (last - first)
        return jnp.where(self.kappa > 0, bent, (x - self.low) / width)

    def slope(self, x: Array) -> Array:
        """du/dx."""
        width = self.high - self.low
        first, last = self._bent(self.low), self._bent(self.high)
        bent = self._safe / width / jnp.sqrt(1 + jnp.square(self._safe * (x - self.median) / width)) / (last - first)
        return jnp.where(self.kappa > 0, bent, 1 / width)

    @property
    def _safe(self) -> Array:
        return jnp.where(self.kappa > 0, self.kappa, 1)

    def _bent(self, x: Array) -> Array:
        return jnp.arcsinh(self._safe * (x - self.median) / (self.high - self.low))


def summary(parts: Sequence[tuple[Array, Array | None]]) -> Summary:
    """Quartiles and ties of some thousand points, evenly spaced in each part of the data.

    Args:
        parts: points, shape (N,), and their data weights, or None; zero means absent.
    """
    xs, ws = zip(*(_some(*part) for part in parts), strict=True)
    x, w = jnp.concatenate(xs), jnp.concatenate(ws)
    order = jnp.argsort(jnp.where(w > 0, x, jnp.inf))
    x, w = x[order], w[order]
    mass = jnp.cumsum(w)
    total = mass[-1]
    q1, median, q3 = (x[jnp.minimum(jnp.searchsorted(mass, q * total), x.shape[0] - 1)] for q in (0.25, 0.5, 0.75))
    used = (w[1:] > 0) & (w[:-1] > 0)
    gaps = jnp.where(used, x[1:] - x[:-1], jnp.inf)
    different = used & (gaps > 0)
    number = jnp.sum(different)
    sorted_gaps = jnp.sort(jnp.where(different, gaps, jnp.inf))
    gap = sorted_gaps[jnp.minimum(number // 10, gaps.shape[0] - 1)]
    distinct = (1 + number) / jnp.maximum(1 + jnp.sum(used), 1)
    return Summary(q1, median, q3, distinct.astype(x.dtype), jnp.where(number > 0, gap, 0))


def _some(x: Array, weights: Array | None) -> tuple[Array, Array]:
    size = x.shape[0]
    step = max(1, size // _SAMPLE)
    x = x[::step]
    usable = jnp.abs(x) <= checks.largest(x.dtype)
    x = jnp.where(usable, x, 0)
    w = usable.astype(x.dtype) if weights is None else jnp.where(usable, weights[::step], 0).astype(x.dtype)
    return x, jnp.maximum(w, 0) * step


def coordinate(low: Array, high: Array, found: Summary) -> Coordinate:
    """The coordinate for data in [low, high]; all scalars."""
    linear = Coordinate(low, high, jnp.clip(found.median, low, high), jnp.zeros_like(low))
    width = high - low
    least = width * 1e-5  # where more than half of the points are equal, the middle half has no width
    q1, q3 = jnp.minimum(found.q1, found.median - least / 2), jnp.maximum(found.q3, found.median + least / 2)

    def middle(kappa: Array) -> Array:
        bent = linear._replace(kappa=kappa)
        return bent.u(q3) - bent.u(q1)

    def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        a, b = ends
        kappa = jnp.exp((a + b) / 2)
        enough = middle(kappa) >= LEAST_MIDDLE
        return jnp.where(enough, a, (a + b) / 2), jnp.where(enough, (a + b) / 2, b)

    start = jnp.log(jnp.asarray(1e-2, low.dtype)), jnp.log(jnp.asarray(1e7, low.dtype))
    _, kappa = jax.lax.fori_loop(0, _STEPS, halve, start)
    return linear._replace(kappa=jnp.where(middle(jnp.zeros_like(low)) >= LEAST_MIDDLE, 0, jnp.exp(kappa)))
