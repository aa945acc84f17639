"""Sums over the components that can matter at a point, so that evaluation does not grow with n.

At a point x the terms pi_j exp(−(x − mu_j)²/2σ²) of components some sigmas away vanish beside the near ones, except
where the near weights are zero or tiny and a far component is all there is. The sum is therefore taken over

- `near`: REACH sigmas on either side of x, and
- `far`: on each side the next component of non-negligible weight beyond those, and the REACH sigmas that follow it.

A first pass finds the largest term, a second sums them relative to it, so that nothing underflows however far x is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr

from .._typing import Array, Float, Int
from ..basis import Basis
from ..binning import cell_index
from .cumulative import running_max, running_min_back, running_sum


class Precision(NamedTuple):
    """reach: sigmas from x beyond which a normal density is below rounding. negligible: weights, relative to the
    largest, that are not looked for beyond the reach. With both, what is left out of a sum is below rounding."""

    reach: float
    negligible: float


def precision(dtype: Any) -> Precision:
    return Precision(8.5, 1e-30) if dtype == jnp.float64 else Precision(6.0, 1e-20)


class LogSum(NamedTuple):
    """A positive number as exp(log_scale)·mantissa."""

    log_scale: Array
    mantissa: Array


def width(basis: Basis) -> int:
    """Components on one side of a point that are within its reach; static."""
    if basis.t_max is None:
        return basis.capacity
    # Uneven cells grow by at most 6 % from one to the next: then so many more reach a point from the wider side.
    margin = 1 if basis.even else 1.35
    return min(basis.capacity, math.ceil(precision(basis.dtype).reach * basis.t_max * margin))


def kernel_sum(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> LogSum:
    """Σ_j pi_j exp(−(x − mu_j)²/2σ²) at each point, for one basis. O(points) memory, no host synchronisation.

    Of uneven components each term is multiplied by `top_sigma`/σ_j, so that one factor makes a density of the sum.
    """
    windows = _windows(basis, pi, x)
    if not basis.even:
        pi = pi * (jnp.max(basis.sigma) / basis.sigma)  # the heights of the components, but for one factor
    log_pi = jnp.log(jnp.abs(jax.lax.stop_gradient(pi)))  # abs: the paper's printed updates make negative weights
    still = jax.lax.stop_gradient((basis, x))

    def largest(so_far: Array, j: Array, valid: Array) -> Array:
        term = log_pi[j] - 0.5 * jnp.square(_z(*still, j))
        return jnp.maximum(so_far, jnp.where(valid, term, -jnp.inf))

    scale = _scan(basis, windows, largest, jnp.full_like(x, -jnp.inf))
    scale = jnp.where(jnp.isfinite(scale), scale, 0)
    # Terms of positive weight are at most 1 here, so the cap meets weights of zero only: it keeps their derivatives.
    cap = 80.0 if x.dtype == jnp.float32 else 700.0

    def add(total: Array, j: Array, valid: Array) -> Array:
        exponent = jnp.where(valid, -0.5 * jnp.square(_z(basis, x, j)) - scale, 0)
        return total + jnp.where(valid, pi[j], 0) * jnp.exp(jnp.minimum(exponent, cap))

    return LogSum(scale, _scan(basis, windows, add, jnp.zeros_like(x)))


def _windows(basis: Basis, pi: Array, x: Array) -> tuple[tuple[Array, int], ...]:
    """The runs of components to sum at each point: (first index, step), each `width` long; indices may not exist."""
    w, n = width(basis), basis.capacity
    i = cell_index(basis, x)
    left, right = _next_heavy(jax.lax.stop_gradient(pi))
    far_left = jnp.where(i - w >= 0, jnp.take(left, i - w, mode="clip"), -1)
    far_right = jnp.where(i + 1 + w < n, jnp.take(right, i + 1 + w, mode="clip"), n)
    return (i, -1), (i + 1, 1), (far_left, -1), (far_right, 1)


def _scan(
    basis: Basis, windows: tuple[tuple[Array, int], ...], f: Callable[[Array, Array, Array], Array], start: Array
) -> Array:
    """Folds f(result, j, valid) over the components of all windows; where not valid, j is some index all the same."""

    def fold(result: Array, k: Array) -> tuple[Array, None]:
        for first, step in windows:
            j = first + step * k
            valid = (j >= 0) & (j.astype(result.dtype) < basis.n)
            result = f(result, jnp.clip(j, 0, basis.capacity - 1), valid)
        return result, None

    # checkpoint: the backward pass computes each term again instead of keeping all of them (points × terms numbers).
    return jax.lax.scan(jax.checkpoint(fold), start, jnp.arange(width(basis)))[0]


def density(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """g(x) at each point, for one basis."""
    scale, mantissa = kernel_sum(basis, pi, x)
    return jnp.exp(scale) * mantissa / (top_sigma(basis) * math.sqrt(2 * math.pi))


def cdf_sum(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """Σ_j pi_j Φ((x − mu_j)/σ) at each point, for one basis."""
    return _cdf(basis, pi, x, with_density=False)[0]


def cdf_and_density(
    basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]
) -> tuple[Float[Array, "*points"], Float[Array, "*points"]]:
    """The cdf, and the density from the components near each point alone: zero where it underflows."""
    below, heights = _cdf(basis, pi, x, with_density=True)
    return below, heights / math.sqrt(2 * math.pi)


def _cdf(basis: Basis, pi: Array, x: Array, with_density: bool) -> tuple[Array, ...]:
    w, n = width(basis), basis.capacity
    first, last = _heavy_ends(pi)
    i = jnp.clip(cell_index(basis, x), first, last)
    below = jnp.concatenate([jnp.zeros(1, pi.dtype), running_sum(pi)])
    start = jnp.maximum(i - w, 0)

    def add(totals: tuple[Array, ...], k: Array) -> tuple[tuple[Array, ...], None]:
        j = i - w + k
        valid = (j >= 0) & (j < n)
        j = jnp.clip(j, 0, n - 1)
        z, share = _z(basis, x, j), jnp.where(valid, pi[j], 0)
        terms = [share * ndtr(z)]
        if with_density:
            terms.append(share * jnp.exp(-0.5 * z * z) / (basis.sigma if basis.even else basis.sigma[j]))
        return tuple(total + term for total, term in zip(totals, terms, strict=True)), None

    zeros = (jnp.zeros_like(x),) * (1 + with_density)
    (near, *heights), _ = jax.lax.scan(jax.checkpoint(add), zeros, jnp.arange(2 * w + 1))
    return below[start] + near, *heights


def _z(basis: Basis, x: Array, j: Int[Array, "*points"]) -> Array:
    """(x − mu_j)/σ; mu_j is computed as in `Basis.mu`, so that the difference of near numbers is exact."""
    if basis.means is not None:
        return (x - basis.means[j]) / basis.sigma[j]
    mu = basis.low + (j.astype(x.dtype) + 0.5) * basis.r
    return (x - mu) / basis.sigma


def top_sigma(basis: Basis) -> Array:
    """The greatest width, shape ()."""
    return basis.sigma if basis.even else jnp.max(basis.sigma)


def _heavy(pi: Array) -> Array:
    size = jnp.abs(pi)  # the paper's printed updates make negative weights
    return size > precision(pi.dtype).negligible * jnp.max(size)


def _next_heavy(pi: Float[Array, " n"]) -> tuple[Int[Array, " n"], Int[Array, " n"]]:
    """For each component the nearest one at or below it, and at or above it, of non-negligible weight; −1, n: none."""
    n = pi.shape[0]
    i, heavy = jnp.arange(n), _heavy(pi)
    left = running_max(jnp.where(heavy, i, -1), -1)
    right = running_min_back(jnp.where(heavy, i, n), n)
    return left, right


def _heavy_ends(pi: Float[Array, " n"]) -> tuple[Array, Array]:
    i, heavy = jnp.arange(pi.shape[0]), _heavy(pi)
    return jnp.min(jnp.where(heavy, i, pi.shape[0] - 1)), jnp.max(jnp.where(heavy, i, 0))
