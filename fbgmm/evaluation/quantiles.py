"""The quantile function of a mixture, by a bracketing Newton method."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from .._typing import Array, Float
from ..basis import Basis
from .cumulative import running_max
from .local_sums import cdf_and_density, cdf_sum, precision

_STEPS = 100  # far more than needed: halving alone reaches rounding within 64


@jax.custom_jvp
def solve_icdf(basis: Basis, pi: Float[Array, " n"], q: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """x with cdf(x) = q, for one basis.

    The cdf at the cell edges brackets each quantile within a cell (or within the tail beyond the ends); Newton steps
    that leave the bracket are replaced by halving it.
    """
    tail = precision(q.dtype).underflow * basis.widths[jnp.array([0, -1])]
    ends = jnp.concatenate([(basis.low - tail[0])[None], basis.edges, (basis.high + tail[1])[None]]).astype(q.dtype)
    heights = running_max(cdf_sum(basis, pi, ends), -jnp.inf)  # monotone, rounding included
    k = jnp.clip(jnp.searchsorted(heights, q, side="left"), 1, ends.shape[0] - 1)
    a, b = ends[k - 1], ends[k]

    def unfinished(state: tuple[Any, ...]) -> Array:
        a, b, x, last, step = state
        return (step < _STEPS) & jnp.any((x != last) & (a < b))

    def narrow(state: tuple[Any, ...]) -> tuple[Any, ...]:
        a, b, x, _, step = state
        below, slope = cdf_and_density(basis, pi, x)
        miss = below - q
        a, b = jnp.where(miss < 0, x, a), jnp.where(miss < 0, b, x)
        newton = x - miss / slope
        halved = a + (b - a) / 2
        good = (newton > a) & (newton < b) & (step < _STEPS // 2)  # false for NaN
        return a, b, jnp.where(miss == 0, x, jnp.where(good, newton, halved)), x, step + 1

    start = a + (b - a) / 2
    begin: tuple[Any, ...] = (a, b, start, jnp.full_like(start, jnp.inf), 0)
    x = jax.lax.while_loop(unfinished, narrow, begin)[2]
    inside = jnp.where((q > 0) & (q < 1), x, jnp.where(q == 0, -jnp.inf, jnp.inf))
    return jnp.where((q >= 0) & (q <= 1), inside, jnp.nan)


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
