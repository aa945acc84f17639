"""Solving f(x) = 0 for many points at once, and the quantile function of a mixture by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .._typing import Array, Float, Int
from ..basis import Basis
from .cumulative import running_max
from .local_sums import cdf_and_density, cdf_sum, precision

_HALVINGS, _NEWTON = 14, 6
"""A tail of 40 sigmas comes to a part of 400 of one; then each step squares the miss
(tests/fbgmm/evaluation/test_quantiles.py)."""


def search(
    f: Callable[[Array], tuple[Array, Array]],
    lower: Float[Array, "*points"],
    upper: Float[Array, "*points"],
    start: Float[Array, "*points"] | None = None,
    *,
    halvings: int | Int[Array, ""] = 0,
    newton: int,
) -> Float[Array, "*points"]:
    """x between lower and upper with f(x) = 0, after a fixed number of steps; not differentiable.

    Args:
        f: from points to values, which rise, and their slopes.
        lower, upper: the bracket; may be infinite where it is not halved.
        start: None: the middle.
        halvings, newton: how often the bracket is halved first, and how many steps of Newton's method follow, each to
            the end of the bracket at most.
    """

    def narrow(step: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        lower, upper, x = state
        miss, slope = f(x)
        lower, upper = jnp.where(miss < 0, x, lower), jnp.where(miss < 0, upper, x)
        # Kept within the bracket, not halved: rounding may lead out of it near the end.
        new = jnp.where(miss == 0, x, jnp.clip(x - miss / slope, lower, upper))
        return lower, upper, jnp.where(step < halvings, lower + (upper - lower) / 2, new)

    middle = lower + (upper - lower) / 2 if start is None else start
    return jax.lax.fori_loop(0, halvings + newton, narrow, (lower, upper, middle))[2]


def differentiable(x: Array, miss: Array, slope: Array) -> Array:
    """A solution x of f(x) = 0 with its derivative by the implicit function theorem, dx = −df/f'(x).

    Args:
        x: the solution, a constant.
        miss: f(x), as a function of what f depends on beside x. Its value, the rounding of the search, is left out.
        slope: f'(x), above zero.
    """
    return x - (miss - jax.lax.stop_gradient(miss)) / jax.lax.stop_gradient(slope)


def with_ends(x: Any, q: Any, xp: Any = jnp) -> Any:
    """Quantiles x of probabilities q: −inf at 0, inf at 1, NaN outside of [0, 1]."""
    return xp.where((q > 0) & (q < 1), x, xp.where(q == 0, -xp.inf, xp.where(q == 1, xp.inf, xp.nan)))


def solve_icdf(basis: Basis, pi: Float[Array, " n"], q: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """x with cdf(x) = q, for one basis. Differentiable.

    The cdf at the cell edges brackets each quantile within a cell (or within the tail beyond the ends).
    """
    still, weights, level = jax.lax.stop_gradient((basis, pi, q))
    tail = precision(q.dtype).underflow * still.widths[jnp.array([0, -1])]
    ends = jnp.concatenate([(still.low - tail[0])[None], still.edges, (still.high + tail[1])[None]]).astype(q.dtype)
    heights = running_max(cdf_sum(still, weights, ends), -jnp.inf)  # monotone, rounding included
    k = jnp.clip(jnp.searchsorted(heights, level, side="left"), 1, ends.shape[0] - 1)

    def f(x: Array) -> tuple[Array, Array]:
        below, slope = cdf_and_density(still, weights, x)
        return below - level, slope

    # A cell of narrow components comes to a quarter of a sigma.
    widest = jnp.max(jnp.diff(still.edges) / still.widths)
    halvings = jnp.maximum(_HALVINGS, jnp.ceil(jnp.log2(4 * widest)).astype(jnp.int32))
    x = search(f, ends[k - 1], ends[k], halvings=halvings, newton=_NEWTON)
    slope = f(x)[1]
    miss = jnp.where(slope > 0, cdf_sum(basis, pi, x) - q, 0)
    return with_ends(differentiable(x, miss, jnp.where(slope > 0, slope, 1)), q)
