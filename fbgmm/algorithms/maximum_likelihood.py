"""Maximum likelihood of the weights by a fixed number of EM steps from Algorithm 2's weights, plain or accelerated.

A step is p_i ← p_i Σ_b w_b A_bi/(A p)_b, with A the Gaussians at the bins and w the bins' shares of the data: it never
lowers the likelihood and keeps p ≥ 0 of sum 1. It moves the coarse shape first, so that a few steps sharpen a kernel
estimate where the data ask for it, and only hundreds begin to follow the noise: the number of steps is a regulariser.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .. import checks
from .._typing import Array, Float, Int
from ..basis import Basis
from ..updates import increment2, init_pi, normalize
from .base import Algorithm, Bound
from .convolution import Kernel, kernel
from .fine_counts import coarse, from_fine_counts, ratio, shares

STEPS = 16
FLOOR = 1e-3
"""Share of equal weights mixed into the start, because a weight of 0 stays 0."""

_MOST = 20.0  # largest change of a logarithm that is carried on


def maximum_likelihood(steps: int = STEPS, *, accelerated: bool = False) -> Algorithm:
    """EM for the weights with a fixed number of steps, O(n) each.

    It starts at the weights of Algorithm 2 with 1/1000 of equal weights. Few steps regularise; for the maximum itself
    use `interior_point`, which EM approaches slowly.

    Args:
        steps: number of EM steps, each of two products with the Gaussians.
        accelerated: each step starts at a point ahead of the last weights, along the logarithms of the last change
            (Nesterov's momentum). Where the likelihood there is lower than where the step before began, that point is
            left out and the momentum begins anew. The same number of products, and the likelihood of many more steps.

    Raises:
        ValueError: steps below 1.
        TypeError: steps not an integer.

    References:
        Dempster, Laird and Rubin 1977, JRSS B 39, 1–38. EM here is a mirror descent with the entropy as its geometry,
        whose acceleration is that of Hanzely, Richtárik and Xiao 2021, Comput. Optim. Appl. 79, 405–440, with the
        restarts of O'Donoghue and Candès 2015, Found. Comput. Math. 15, 715–732.

    Example:
        >>> import fbgmm
        >>> x = [1.0, 1.1, 1.2, 1.3, 3.0, 3.1]
        >>> em = fbgmm.fit(x, n=20, t=2.0, algorithm=fbgmm.maximum_likelihood(16))
        >>> bool(em.log_prob(jax.numpy.array(x)).sum() > fbgmm.fit(x, n=20, t=2.0).log_prob(jax.numpy.array(x)).sum())
        True
    """
    steps = checks.positive_integer("steps", steps)

    return from_fine_counts(Bound(_weights, (steps, bool(accelerated))))


def _weights(steps: int, accelerated: bool, c: Array, basis: Basis) -> Array:
    w, points = shares(c), kernel(basis)
    climb = em_accelerated if accelerated else em
    return climb(points, w, em_start(c, basis), steps)


def em_start(c: Float[Array, " bins"], basis: Basis) -> Float[Array, " n"]:
    """Algorithm 2's weights, and a small share of equal ones."""
    equal = init_pi(basis)
    return (1 - FLOOR) * normalize(equal + increment2(coarse(c, basis), basis)) + FLOOR * equal


def em(
    points: Kernel, w: Float[Array, " bins"], p: Float[Array, " n"], steps: Int[Array, ""] | int
) -> Float[Array, " n"]:
    """`steps` steps of EM from p."""
    return jax.lax.fori_loop(0, steps, lambda _, p: p * points.adjoint(ratio(w, points.apply(p))), p)


def log_likelihood(w: Float[Array, " bins"], f: Float[Array, " bins"]) -> Float[Array, ""]:
    """Σ_b w_b log f_b."""
    return jnp.sum(jnp.where(w > 0, w * jnp.log(jnp.maximum(f, jnp.finfo(f.dtype).tiny)), 0))


def em_accelerated(
    points: Kernel, w: Float[Array, " bins"], p: Float[Array, " n"], steps: Int[Array, ""] | int
) -> Float[Array, " n"]:
    """`steps` steps of EM from p, each from a point ahead of the last."""
    tiny = jnp.finfo(p.dtype).tiny

    def step(_: Array | int, state: tuple[Array, ...]) -> tuple[Array, ...]:
        p, change, age, known = state
        ahead = normalize(p * jnp.exp(age / (age + 3) * change))
        f = points.apply(ahead)
        reached = log_likelihood(w, f)
        new = ahead * points.adjoint(ratio(w, f))
        grown = jnp.clip(jnp.log(jnp.maximum(new, tiny)) - jnp.log(jnp.maximum(p, tiny)), -_MOST, _MOST)
        better = reached >= known
        return (
            jnp.where(better, new, p),
            jnp.where(better & (p > 0), grown, 0),
            jnp.where(better, age + 1, 0),
            jnp.maximum(reached, known),
        )

    zero = jnp.zeros((), p.dtype)
    return jax.lax.fori_loop(0, steps, step, (p, jnp.zeros_like(p), zero, zero - jnp.inf))[0]
