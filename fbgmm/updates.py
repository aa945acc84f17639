"""The paper's updates of the weights pi, by counts (section 2.4, Eq. 7 and 8).

With evenly spaced means and one sigma, what a point adds to pi depends only on its nearest mean. A whole pass over the
data is therefore linear in the counts c_i: Algorithm 1 adds K·c with a symmetric Toeplitz matrix K, Algorithm 2 adds
dL·c_i with one number dL.
"""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from . import checks
from ._typing import Array, ArrayLike, Float
from .basis import Basis
from .counts import count, total

D = 0.25
"""Default of d, half the length of k_mid and the length of k_side, in units of sigma (d = sigma/4)."""


def init_pi(basis: Basis) -> Float[Array, "*batch n"]:
    """The weights before any data: 1/n each (line 6 of both algorithms), 0 beyond the live components.

    Example:
        >>> import fbgmm
        >>> fbgmm.init_pi(fbgmm.init_basis(0.0, 1.0, n=4)).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    return jnp.where(basis.live, 1 / basis.n[..., None], 0).astype(basis.dtype)


def normalize(pi: ArrayLike) -> Float[Array, "*batch n"]:
    """pi divided by its sum (the last line of both algorithms).

    Args:
        pi: weights, shape (*batch, n); those of Algorithm 1 may be negative and stay so.

    Raises:
        ValueError: a sum that is not finite and above zero, where pi is concrete. Traced, such a row becomes 1/n each.

    Example:
        >>> import fbgmm
        >>> fbgmm.normalize([1.0, 3.0]).tolist()
        [0.25, 0.75]
    """
    pi = checks.as_floats("pi", pi)
    mass = jnp.sum(pi, axis=-1, keepdims=True)
    good = jnp.isfinite(mass) & (mass > 0)
    if checks.is_concrete(mass) and not np.all(good):
        raise ValueError(f"pi must have a finite sum above 0; found {np.asarray(mass)[~np.asarray(good)].flat[0]}")
    return jnp.where(good, pi / jnp.where(good, mass, 1), 1 / pi.shape[-1])


def interval_mass(a: Array, b: Array) -> Array:
    """Standard normal probability of (a, b], computed in the lower tail so that it keeps its relative precision."""
    flip = a + b > 0
    upper, lower = jnp.where(flip, -a, b), jnp.where(flip, -b, a)
    return ndtr(upper) - ndtr(lower)


def step1(lag: Array, t: Array, d: float = D, mid: float = 2.0) -> Array:
    """What one point adds to the weight of the component `lag` cells above its nearest mean in Algorithm 1 (Eq. 7).

    K(k) = P(k_mid) − ½ [P(k_side+) + P(k_side−)] under that component, with the intervals about the nearest mean mu_i:
    k_mid = (mu_i − d, mu_i + d], k_side+ = (mu_i + r − d, mu_i + r], k_side− = (mu_i − r, mu_i − r + d].

    Args:
        lag: m − i, in cells; any shape.
        t: sigma/r.
        d: in units of sigma.
        mid: length of k_mid in units of d: 2 as in the algorithm box, 1 as in Eq. 3–4.
    """
    r = 1 / t  # in units of sigma
    at = -lag * r
    middle = interval_mass(at - mid * d / 2, at + mid * d / 2)
    above = interval_mass(at + r - d, at + r)
    below = interval_mass(at - r, at - r + d)
    return middle - (above + below) / 2


def step2(t: Array, d: float = D) -> Array:
    """dL: what one point adds to the weight of its nearest component in Algorithm 2 (line 8 of its box)."""
    r = 1 / t
    return interval_mass(jnp.full_like(r, -d), jnp.full_like(r, d)) - interval_mass(r - d, r)


def increment1(c: Float[Array, " n"], basis: Basis, d: float = D, mid: float = 2.0) -> Float[Array, " n"]:
    """K·c: what a pass of Algorithm 1 over data with counts c adds to pi. O(n) times the reach of a Gaussian."""
    reach = lag_reach(basis)
    lags = jnp.arange(-reach, reach + 1)
    kernel = step1(lags.astype(c.dtype), basis.t, d, mid)
    padded = jnp.pad(c, reach)

    def add_lag(pi: Array, lag_and_step: tuple[Array, Array]) -> tuple[Array, None]:
        lag, step = lag_and_step
        return pi + step * jax.lax.dynamic_slice_in_dim(padded, reach - lag, c.shape[0]), None

    pi, _ = jax.lax.scan(add_lag, jnp.zeros_like(c), (lags, kernel))
    return jnp.where(basis.live, pi, 0)


def increment2(c: Float[Array, " n"], basis: Basis, d: float = D) -> Float[Array, " n"]:
    """dL·c: what a pass of Algorithm 2 over data with counts c adds to pi (without its subtraction)."""
    return step2(basis.t, d) * c


def update_pi(
    pi: Float[Array, " n"],
    basis: Basis,
    x: ArrayLike,
    weights: ArrayLike | None = None,
    algorithm: int = 2,
    d: float = D,
) -> Float[Array, " n"]:
    """One pass of the paper's update over the data (Eq. 8), not normalised: passes over parts of the data add up.

    Pure; runs under jit, vmap, grad and scan. O(N) time, no array larger than the data.

    Args:
        pi: weights so far, shape (n,), from `init_pi` at first.
        basis: the basis, without batch axes; use `jax.vmap` for many.
        x: data, shape (N,); points that are not finite are left out.
        weights: data weights, shape (N,): 0 means absent, 2 means twice.
        algorithm: 1 or 2, in the default reading (other readings: `algorithm1` and `algorithm2` with `fit`).
        d: in units of sigma; the paper names 1/4 and 1/6.

    Returns:
        pi plus what the pass adds, shape (n,). `normalize` makes it a mixture's weights.

    Raises:
        ValueError: algorithm neither 1 nor 2, or shapes that do not match.
        TypeError: x not real numbers.

    Example:
        >>> import fbgmm
        >>> basis = fbgmm.init_basis(0.0, 4.0, n=4)
        >>> pi = fbgmm.init_pi(basis)
        >>> for part in ([0.5, 2.5], [2.4]):
        ...     pi = fbgmm.update_pi(pi, basis, part)
        >>> [round(float(p), 3) for p in fbgmm.normalize(pi)]
        [0.27, 0.19, 0.35, 0.19]
    """
    if algorithm not in (1, 2):
        raise ValueError(f"algorithm must be 1 or 2; found {algorithm!r} (any Algorithm runs through fbgmm.fit)")
    if pi.shape != (basis.capacity,):
        raise ValueError(f"pi has shape {pi.shape}; allowed: one weight for each component, ({basis.capacity},)")
    x, weights = checks.points("x", x, weights)
    x = checks.as_floats("x", x).reshape(-1)
    return _pass(pi, basis, x, checks.as_weights(weights, x.shape), algorithm, d)


@partial(jax.jit, static_argnames=("algorithm", "d"))
def _pass(pi: Array, basis: Basis, x: Array, weights: Array | None, algorithm: int, d: float) -> Array:
    increment = increment1 if algorithm == 1 else increment2
    return pi + increment(total(count(basis, x, weights)), basis, d)


def lag_reach(basis: Basis) -> int:
    """How many cells away from a point Algorithm 1 still changes a weight beyond rounding."""
    if basis.t_max is None:
        return basis.capacity - 1
    sigmas = 9.0 if basis.dtype == jnp.float64 else 6.0
    return min(basis.capacity - 1, math.ceil(sigmas * basis.t_max) + 1)
