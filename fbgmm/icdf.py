"""The quantile function of a mixture, by a bracketing Newton method."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ._typing import Array, Float
from .basis import Basis
from .windows import cdf_sum, density

_STEPS = 100  # far more than needed: halving alone reaches rounding within 64


def solve_icdf(basis: Basis, pi: Float[Array, " n"], q: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """x with cdf(x) = q, for one basis.

    The cdf at the cell edges brackets each quantile within a cell (or within the tail beyond the ends); Newton steps
    that leave the bracket are replaced by halving it. The last step is differentiable, which by the implicit function
    theorem gives the derivatives dx/dq = 1/g(x) and dx/dpi = −(dcdf/dpi)/g(x).
    """
    frozen = jax.lax.stop_gradient((basis, pi, q))
    x = _search(*frozen)
    slope = jax.lax.stop_gradient(density(basis, pi, x))
    safe = jnp.where(slope > 0, slope, 1)
    miss = cdf_sum(basis, pi, x) - q
    # The value of this step is rounding noise of the search, so only its derivative is kept.
    step = jnp.where(slope > 0, miss - jax.lax.stop_gradient(miss), 0) / safe
    inside = jnp.where((q > 0) & (q < 1), x - step, jnp.where(q == 0, -jnp.inf, jnp.inf))
    return jnp.where((q >= 0) & (q <= 1), inside, jnp.nan)


def _search(basis: Basis, pi: Array, q: Array) -> Array:
    tail = (40.0 if q.dtype == jnp.float64 else 14.0) * basis.widths[jnp.array([0, -1])]  # where Φ underflows
    ends = jnp.concatenate([(basis.low - tail[0])[None], basis.edges, (basis.high + tail[1])[None]]).astype(q.dtype)
    heights = jax.lax.cummax(cdf_sum(basis, pi, ends))
    k = jnp.clip(jnp.searchsorted(heights, q, side="left"), 1, ends.shape[0] - 1)
    a, b = ends[k - 1], ends[k]

    def unfinished(state: tuple[Any, ...]) -> Array:
        a, b, x, last, step = state
        return (step < _STEPS) & jnp.any((x != last) & (a < b))

    def narrow(state: tuple[Any, ...]) -> tuple[Any, ...]:
        a, b, x, _, step = state
        miss = cdf_sum(basis, pi, x) - q
        a, b = jnp.where(miss < 0, x, a), jnp.where(miss < 0, b, x)
        newton = x - miss / density(basis, pi, x)
        halved = a + (b - a) / 2
        good = (newton > a) & (newton < b) & (step < _STEPS // 2)  # false for NaN
        return a, b, jnp.where(miss == 0, x, jnp.where(good, newton, halved)), x, step + 1

    start = a + (b - a) / 2
    begin: tuple[Any, ...] = (a, b, start, jnp.full_like(start, jnp.inf), 0)
    return jax.lax.while_loop(unfinished, narrow, begin)[2]
