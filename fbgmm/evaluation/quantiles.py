"""The quantile function of a mixture: polynomials of the distribution function, inverted in a fixed number of steps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from .._typing import Array, Float
from ..basis import Basis
from .cumulative import running_max
from .intervals import interval_index, repaired
from .local_sums import cdf_and_density, cdf_sum
from .polynomials import Located, Pieces, cdf_pieces, piece_edges, value_and_slope

_STEPS = 4
"""Of Newton's method, from a start that is exact for an exponential density: what is left is rounding."""

_HALVINGS = 60  # of the bracket of a point that no polynomial serves: to rounding in float64


@jax.custom_jvp
def solve_icdf(basis: Basis, pi: Float[Array, " n"], q: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """x with cdf(x) = q, for one basis. The edges of the pieces bracket each quantile; their polynomial is inverted."""
    pieces, edges = cdf_pieces(basis, pi), piece_edges(basis)
    heights = running_max(cdf_sum(basis, pi, edges), -jnp.inf)  # monotone, rounding included
    # Rounding may keep the last heights below 1: probabilities above them belong to where they are reached first.
    p = jnp.clip(q, heights[0], heights[-1])
    i = interval_index(heights, p, closed="right")
    v = _inverted(pieces, i, p, heights)
    x = pieces.centre[i] + pieces.half[i] * v
    x = repaired(lambda p: _bracketed(basis, pi, p, edges, heights), x, pieces.hard[i], p)
    inside = jnp.where((q > 0) & (q < 1), x, jnp.where(q == 0, -jnp.inf, jnp.inf))
    return jnp.where((q >= 0) & (q <= 1), inside, jnp.nan)


def _inverted(pieces: Pieces, i: Array, q: Array, heights: Array) -> Array:
    """v in [−1, 1] with the polynomial of piece i at q."""
    lower, rise = heights[i], heights[i + 1] - heights[i]
    share = jnp.clip((q - lower) / jnp.where(rise > 0, rise, 1), 0, 1)
    growth = _growth(pieces)[i]  # of the density over the piece, as if it were exponential
    even = jnp.abs(growth) < 1e-3
    safe = jnp.where(even, 1, growth)
    v = 2 * jnp.where(even, share, jnp.log1p(share * jnp.expm1(safe)) / safe) - 1
    nowhere = jnp.zeros_like(q, bool)
    for _ in range(_STEPS):
        reached, slope = value_and_slope(pieces, Located(i, v, nowhere))
        step = (reached - q) / jnp.where(slope > 0, slope, jnp.inf)
        v = jnp.clip(v - step, -1, 1)
    return v


def _growth(pieces: Pieces) -> Array:
    """log of the density's ratio between the two ends of each piece."""
    left, right = jnp.zeros_like(pieces.centre), jnp.zeros_like(pieces.centre)
    for m, c in enumerate(pieces.coefficients):
        left, right = left + m * (-1) ** (m - 1) * c if m else left, right + m * c
    fine = (left > 0) & (right > 0)
    return jnp.where(fine, jnp.log(jnp.where(fine, right, 1)) - jnp.log(jnp.where(fine, left, 1)), 0)


def _bracketed(basis: Basis, pi: Array, q: Array, edges: Array, heights: Array) -> Array:
    """x with cdf(x) = q by sums: Newton steps, halved where they leave the bracket."""
    k = jnp.clip(jnp.searchsorted(heights, q, side="left"), 1, edges.shape[0] - 1)

    def narrow(_: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        a, b, x = state
        below, slope = cdf_and_density(basis, pi, x)
        miss = below - q
        a, b = jnp.where(miss < 0, x, a), jnp.where(miss < 0, b, x)
        newton, halved = x - miss / slope, a + (b - a) / 2
        good = (newton > a) & (newton < b)  # false for NaN
        return a, b, jnp.where(good, newton, halved)

    a, b = edges[k - 1], edges[k]
    return jax.lax.fori_loop(0, _HALVINGS, narrow, (a, b, a + (b - a) / 2))[2]


@solve_icdf.defjvp
def _derivative(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    """By the implicit function theorem: dx = (dq − dcdf)/g(x), where cdf changes with basis and pi."""
    basis, pi, q = primals
    x = solve_icdf(basis, pi, q)
    found = jnp.isfinite(x)
    x_ = jnp.where(found, x, basis.low)
    still = jax.lax.stop_gradient(x_)
    (_, slope), (moved, _) = jax.jvp(lambda b, p: cdf_and_density(b, p, still), (basis, pi), tangents[:2])
    safe = jnp.where(found & (slope > 0), slope, 1)
    return x, jnp.where(found & (slope > 0), tangents[2] - moved, 0) / safe
