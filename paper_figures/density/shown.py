"""The targets that are shown, and their functions on the host.

Each function is compiled as a whole: called step by step it would be dozens of small programs to compile.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import fbgmm
from benchmarks.paper.targets import Family, Target, random_target


@partial(jax.jit, static_argnames="family")
def shown_target(family: Family, seed: int) -> Target:
    """The target of a family that a seed gives."""
    return random_target(jax.random.key(seed), family)


@partial(jax.jit, static_argnames="shape")
def draws(target: Target, seed: int, stream: int, shape: tuple[int, ...]) -> jax.Array:
    """Draws from a target; streams of one seed are independent."""
    return target.sample(jax.random.fold_in(jax.random.key(seed), stream), shape)


def density(of: Target | fbgmm.Mixture, x: np.ndarray) -> np.ndarray:
    """The density of a target or mixture at points, in double precision from here on."""
    values = _pdf(of, jnp.asarray(x)) if isinstance(of, Target) else of.prob(x)
    return np.asarray(values, np.float64)


def loss(target: Target, gmm: fbgmm.Mixture) -> float:
    """Eq. 9."""
    return float(_loss(target, gmm))


_pdf = jax.jit(Target.pdf)


@jax.jit
def _loss(target: Target, gmm: fbgmm.Mixture) -> jax.Array:
    return fbgmm.information_loss(target.cdf, gmm)
