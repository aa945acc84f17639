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
import numpy as np
from jax.scipy.special import ndtr

from .._typing import AnyArray, Array, Float, Int
from ..basis import Basis
from ..binning import cell_index
from .cumulative import running_max, running_min_back, running_sum


class Precision(NamedTuple):
    """How far and how finely sums and polynomials go, so that what they leave out is below rounding.

    Attributes:
        reach: sigmas from x beyond which a normal density is not looked for.
        negligible: weights, relative to the largest, that are not looked for beyond the reach.
        degree: of the polynomials of a piece of at most one sigma: their last terms are below 1/√degree!·2^−degree.
        underflow: sigmas beyond the ends at which the distribution function is 0 or 1.
        fall: of the logarithm of the density over a piece of a tail, at most: the distribution function, by polynomials
            of two thirds of the degree in float32 and of all in float64, is then right to 6e-8 and 1e-10 of itself.
        even_reach: as `reach`, of the polynomials of even cells: of what lies beyond, less than 1e-13 and 1e-27 of the
            greatest component comes to a cell.
    """

    reach: float
    negligible: float
    degree: int
    underflow: float
    fall: float
    even_reach: float


def precision(dtype: Any) -> Precision:
    if dtype == jnp.float64:
        return Precision(8.5, 1e-30, 20, 40.0, fall=5.0, even_reach=12.0)
    return Precision(6.0, 1e-20, 12, 14.0, fall=2.6, even_reach=9.0)


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

    Of uneven components each term is multiplied by `peak_sigma`/σ_j, so that one factor makes a density of the sum.
    """
    windows = runs(basis, pi, x)
    weight, log_weight = relative_weights(basis, pi)
    at = x[None]  # an axis for the runs
    still = jax.lax.stop_gradient((basis, at))

    scale = log_scale(still[0], windows, log_weight, still[1])

    def add(total: Array, j: Array, valid: Array) -> Array:
        exponent = jnp.where(valid, -0.5 * jnp.square(standardised(basis, at, j)) - scale[None], 0)
        return total + jnp.sum(jnp.where(valid, weight[j], 0) * capped_exp(exponent), axis=0)

    return LogSum(scale, fold(basis, windows, add, jnp.zeros_like(x)))


def log_scale(basis: Basis, windows: Runs, log_weight: Float[Array, " n"], at: Array) -> Float[Array, "*points"]:
    """−z²/2 of the largest term at each point: with it taken out nothing underflows, and weights lose no digits."""

    def largest(so_far: tuple[Array, Array], j: Array, valid: Array) -> tuple[Array, Array]:
        exponent = -0.5 * jnp.square(standardised(basis, at, j))
        term = jnp.where(valid, log_weight[j] + exponent, -jnp.inf)
        best = jnp.max(term, axis=0)
        own = jnp.max(jnp.where(term == best[None], exponent, -jnp.inf), axis=0)
        better = best > so_far[0]
        return jnp.where(better, best, so_far[0]), jnp.where(better, own, so_far[1])

    none = jnp.full(at.shape[1:], -jnp.inf, at.dtype)
    scale = fold(basis, windows, largest, (none, none))[1]
    return jnp.where(jnp.isfinite(scale), scale, 0)


def relative_weights(basis: Basis, pi: Float[Array, " n"]) -> tuple[Array, Array]:
    """pi, of uneven components times `peak_sigma`/sigma_j: their heights but for one factor; and the logarithms."""
    weight = pi if basis.even else pi * (peak_sigma(basis, pi) / basis.sigma)
    size = jnp.abs(jax.lax.stop_gradient(weight))  # the paper's printed updates make negative weights
    return weight, jnp.log(size)


def capped_exp(exponent: Array) -> Array:
    """exp of exponents relative to the largest term: times its weight, no term exceeds it. So the cap meets weights of
    zero only, and keeps their derivatives finite."""
    return jnp.exp(jnp.minimum(exponent, 87.0 if exponent.dtype == jnp.float32 else 700.0))


class Runs(NamedTuple):
    """Runs of `width` components to sum at each point: the indices first + step·k, which need not exist."""

    first: Int[Array, "..."]
    step: Int[Array, "..."]


def runs(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> Runs:
    """The components near each point, below and above, and those of the next heavy component on either side."""
    w, n = width(basis), basis.capacity
    i = cell_index(basis, x)
    left, right = _next_heavy(jax.lax.stop_gradient(pi))
    far_left = jnp.where(i - w >= 0, jnp.take(left, i - w, mode="clip"), -1)
    far_right = jnp.where(i + 1 + w < n, jnp.take(right, i + 1 + w, mode="clip"), n)
    return _runs(x.ndim, (i, -1), (i + 1, 1), (far_left, -1), (far_right, 1))


def near_runs(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> Runs:
    """Components near each point, of one beyond the outermost heavy component near that: from its cell downwards, and
    upwards."""
    first, last = _heavy_ends(pi)
    i = jnp.clip(cell_index(basis, x), first, last)
    return _runs(x.ndim, (i, -1), (i + 1, 1))


def _runs(axes: int, *each: tuple[Array, int]) -> Runs:
    first, step = jnp.stack([first for first, _ in each]), jnp.array([step for _, step in each])
    return Runs(first, step.reshape(-1, *(1,) * axes))


def fold(basis: Basis, windows: Runs, f: Callable[[Any, Array, Array], Any], start: Any) -> Any:
    """Folds f(result, j, valid) over all runs at once; where not valid, j is some index all the same."""

    def body(result: Any, k: Array) -> tuple[Any, None]:
        j = windows.first + windows.step * k
        valid = (j >= 0) & (j.astype(basis.dtype) < basis.n)
        return f(result, jnp.clip(j, 0, basis.capacity - 1), valid), None

    # checkpoint: the backward pass computes each term again instead of keeping all of them (points × terms numbers).
    return jax.lax.scan(jax.checkpoint(body), start, jnp.arange(width(basis)))[0]


def density(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """g(x) at each point, for one basis."""
    scale, mantissa = kernel_sum(basis, pi, x)
    return jnp.exp(scale) * mantissa / (peak_sigma(basis, pi) * math.sqrt(2 * math.pi))


def cdf_sum(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """Σ_j pi_j Φ((x − mu_j)/σ) at each point, for one basis; within [0, 1], but for what rounding does not explain."""
    (below,) = _cdf(basis, pi, x, with_density=False)
    return below + jax.lax.stop_gradient(without_rounding(below, jnp) - below)  # the derivative is that of the sum


def without_rounding(p: AnyArray, xp: Any) -> AnyArray:
    """Probabilities that rounding alone has led beyond 0 or 1 as 0 or 1. Others beyond must show: they are those of
    negative weights.

    Args:
        xp: numpy or jax.numpy.
    """
    slack = 16 * float(np.finfo(p.dtype).eps)
    p = xp.where((p < 0) & (p > -slack), xp.zeros_like(p), p)
    return xp.where((p > 1) & (p < 1 + slack), xp.ones_like(p), p)


def cdf_and_density(
    basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]
) -> tuple[Float[Array, "*points"], Float[Array, "*points"]]:
    """The cdf, and the density from the components near each point alone: zero where it underflows."""
    below, heights = _cdf(basis, pi, x, with_density=True)
    return below, heights / math.sqrt(2 * math.pi)


def _cdf(basis: Basis, pi: Array, x: Array, with_density: bool) -> tuple[Array, ...]:
    def add(state: tuple[Array, ...], j: Array, valid: Array) -> tuple[Array, ...]:
        z, share = standardised(basis, x[None], j), jnp.where(valid, pi[j], 0)
        terms = [share * ndtr(z)]
        if with_density:
            terms.append(share * jnp.exp(-0.5 * z * z) / (basis.sigma if basis.even else basis.sigma[j]))
        return j[0], *(total + jnp.sum(term, axis=0) for total, term in zip(state[1:], terms, strict=True))

    windows, zero = near_runs(basis, pi, x), jnp.zeros_like(x)  # of the points' precision, which may be finer than pi's
    start = (jnp.zeros_like(windows.first[0]), zero, zero)[: 2 + with_density]
    lowest, near, *heights = fold(basis, windows, add, start)
    # The lowest component is taken from the loop: made again from x, a point on an edge might be rounded to the other
    # side, and a component would be summed twice, or not at all.
    below = jnp.concatenate([jnp.zeros(1, pi.dtype), running_sum(pi)])[lowest]
    return below + near, *heights


def standardised(basis: Basis, x: Array, j: Int[Array, "*points"]) -> Array:
    """(x − mu_j)/σ_j; mu_j is computed as in `Basis.mu`, so that the difference of near numbers is exact."""
    if basis.means is not None:
        return (x - basis.means[j]) / basis.sigma[j]
    mu = basis.low + (j.astype(x.dtype) + 0.5) * basis.r
    return (x - mu) / basis.sigma


def peak_sigma(basis: Basis, pi: Float[Array, " n"]) -> Array:
    """The width of the highest component, shape (): logarithms relative to it are small where the density is not."""
    if basis.even:
        return basis.sigma
    heights = jax.lax.stop_gradient(jnp.log(jnp.abs(pi)) - jnp.log(basis.sigma))
    return basis.sigma[jnp.argmax(heights)]


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
