"""The map between a mixture and the standard normal density: z = Φ⁻¹(F(x)), its slope, and its inverse.

Right to rounding on both sides and however far x is: the smaller of F and 1 − F is summed, in the far tails relative to
its largest term, and Φ⁻¹ is taken of its logarithm. Weights must be above zero, as those of Algorithm 2 are.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri

from .._typing import Array, Float
from ..basis import Basis
from .quantiles import differentiable, search

_LOG_ROOT = 0.5 * math.log(2 * math.pi)
_STEPS = 6  # of the inverse, from between the edges of a cell, where the map is nearly straight
_TAIL_KNOTS = 16  # half a sigma apart, beyond either end


class Mapped(NamedTuple):
    """Where points land, and how the map stretches there.

    Attributes:
        z: Φ⁻¹(F(x)).
        log_slope: log dz/dx = log g(x) − log φ(z).
    """

    z: Array
    log_slope: Array


def to_normal(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> Mapped:
    """z = Φ⁻¹(F(x)) and log dz/dx at each point, for one basis. O(points) memory: a scan over the components."""
    mu, sigma = basis.mu, basis.sigma
    below = x < mu[jnp.argmax(jnp.cumsum(pi) >= 0.5 * jnp.sum(pi))]  # about the median: which side is the smaller
    side = jnp.where(below, 1, -1).astype(x.dtype)
    edge = jnp.clip(x, mu[0], mu[-1])
    a = (x - edge) / sigma  # 0 inside the span of the means; the sums below are relative to exp(−a²/2)
    far = _far(x.dtype)
    near = jnp.clip(a, -far, far)

    def add(sums: tuple[Array, ...], component: tuple[Array, Array]) -> tuple[tuple[Array, ...], None]:
        mu_j, pi_j = component
        b = (edge - mu_j) / sigma
        term = pi_j * jnp.exp(-0.5 * b * (2 * a + b))
        beyond = term * _mills(jnp.maximum(-side * (a + b), far))
        terms = term, pi_j * ndtr(side * (near + b)), beyond
        return tuple(total + new for total, new in zip(sums, terms, strict=True)), None

    zero = jnp.zeros_like(x)
    sums, _ = jax.lax.scan(jax.checkpoint(add), (zero, zero, zero), (mu, pi))
    peak, mass, beyond = sums
    outside = jnp.abs(a) > far
    log_far = jnp.log(jnp.where(outside, beyond, 1)) - 0.5 * a * a - _LOG_ROOT
    log_mass = jnp.where(outside, log_far, jnp.log(mass))
    z = side * inverse_log_ndtr(log_mass)
    log_g = jnp.log(peak) - 0.5 * a * a - jnp.log(sigma) - _LOG_ROOT
    return Mapped(z, log_g + 0.5 * z * z + _LOG_ROOT)


def from_normal(basis: Basis, pi: Float[Array, " n"], z: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """x with Φ⁻¹(F(x)) = z, for one basis: bracketed between cell edges, then Newton's method. Differentiable."""
    x = _solve(*jax.lax.stop_gradient((basis, pi, z)))
    image, log_slope = to_normal(basis, pi, x)
    return differentiable(x, image - z, jnp.exp(log_slope))


def _solve(basis: Basis, pi: Array, z: Array) -> Array:
    tail = 0.5 * basis.sigma * jnp.arange(1, _TAIL_KNOTS + 1, dtype=z.dtype)
    knots = jnp.concatenate([basis.low - tail[::-1], basis.edges, basis.high + tail])
    heights = jax.lax.cummax(to_normal(basis, pi, knots).z)
    k = jnp.clip(jnp.searchsorted(heights, z), 1, knots.shape[0] - 1)
    a, b = knots[k - 1], knots[k]
    rise = heights[k] - heights[k - 1]
    start = a + (b - a) * (z - heights[k - 1]) / jnp.where(rise > 0, rise, 1)  # beyond the knots: extrapolated
    lower = jnp.where(z < heights[0], -jnp.inf, a)
    upper = jnp.where(z > heights[-1], jnp.inf, b)

    def f(x: Array) -> tuple[Array, Array]:
        image, log_slope = to_normal(basis, pi, x)
        return image - z, jnp.exp(log_slope)

    return search(f, lower, upper, jnp.clip(start, lower, upper), newton=_STEPS)


def map_inside(
    low: Float[Array, " B"], r: Float[Array, " B"], t: Float[Array, ""], pi: Float[Array, "B n"], x: Float[Array, "B N"]
) -> Float[Array, "B N"]:
    """About z = Φ⁻¹(F(x)) for points of [low, high], many at the cost of few: cubic between the cells' edges.

    One matrix, common to all bases of one t, gives the cdf and the density at all edges. With sigma = 2r the result is
    within about 1e-4 of `to_normal`: enough for data on which the next marginals are fitted.

    Args:
        low, r: of the bases.
        t: sigma/r, common to them.
        pi: weights, above zero.
        x: points; those outside are taken at the nearer end.
    """
    n = pi.shape[-1]
    s = (jnp.arange(n + 1, dtype=pi.dtype)[:, None] - jnp.arange(n, dtype=pi.dtype)[None, :] - 0.5) / t
    matrices = jnp.stack([ndtr(s), ndtr(-s), jnp.exp(-0.5 * s * s - _LOG_ROOT) / t])
    lower, upper, density = jnp.einsum("ken,bn->kbe", matrices, pi, precision=jax.lax.Precision.HIGHEST)
    z = jnp.where(lower < upper, ndtri(jnp.minimum(lower, 0.5)), -ndtri(jnp.minimum(upper, 0.5)))
    slope = density * jnp.exp(0.5 * z * z + _LOG_ROOT)  # for each cell
    place = jnp.clip((x - low[:, None]) / r[:, None], 0, n)
    i = jnp.minimum(place.astype(jnp.int32), n - 1)
    u = place - i
    rise = jnp.diff(z, axis=-1)
    # Newton's form of the cubic through both ends with their slopes: z + u·(s + (1−u)·…) costs four looked-up numbers.
    c1, c2 = slope[:, :-1], rise - slope[:, :-1]
    c3 = slope[:, :-1] + slope[:, 1:] - 2 * rise
    z0, c1, c2, c3 = (jnp.take_along_axis(c, i, axis=-1) for c in (z[:, :-1], c1, c2, c3))
    return z0 + u * (c1 + u * (c2 + (u - 1) * c3))


def inverse_log_ndtr(log_p: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """z with log Φ(z) = log_p, for log_p at most about log ½; right however small p is."""
    switch = -30.0 if log_p.dtype == jnp.float32 else -400.0
    deep = log_p < switch
    plain = ndtri(jnp.exp(jnp.maximum(log_p, switch)))
    target = jnp.where(deep, log_p, 2 * switch)
    y = jnp.sqrt(-2 * target)
    for _ in range(4):  # Newton's method on log Φ(−y), whose derivative is −1/mills(y)
        y = y + (jnp.log(_mills(y)) - 0.5 * y * y - _LOG_ROOT - target) * _mills(y)
    return jnp.where(deep, -y, plain)


def _far(dtype: Any) -> float:
    """Sigmas beyond which Φ is summed relative to its largest term, and the series below is right to rounding."""
    return 20.0 if dtype == jnp.float64 else 8.0


def _mills(y: Array) -> Array:
    """(1 − Φ(y))/φ(y) for y ≥ `_far`, by its asymptotic series (Abramowitz and Stegun 26.2.12)."""
    v = 1 / (y * y)
    total = jnp.ones_like(y)
    for k in range(19 if y.dtype == jnp.float64 else 9, 0, -2):
        total = 1 - k * v * total
    return total / y
