"""Whether a fit has the distribution of its data: the greatest difference of the distribution functions."""

from __future__ import annotations

import jax.numpy as jnp

from .._typing import Array, Float
from ..basis import Basis
from .sample import Sample

ALLOWED, ALLOWED_TIED = 0.05, 0.08
"""Beyond 1/√N, which is what a sample differs from its own law; the second where MOST_TIED of the points are tied."""

MOST_TIED = 0.3


def misfit(basis: Basis, pi: Float[Array, " n"], sample: Sample) -> tuple[Array, Array]:
    """The greatest difference at the middles between neighbouring values, and how much is allowed.

    The mixture's own distribution function is taken from its weights below each cell: its components are as wide as
    their cells, so that the two differ by little.
    """
    present = sample.w > 0
    total = jnp.sum(sample.w)
    share = jnp.cumsum(sample.w) / total
    gap = (sample.x[1:] > sample.x[:-1]) & present[1:]
    middle = sample.x[:-1] / 2 + sample.x[1:] / 2
    below = jnp.concatenate([jnp.zeros(1, pi.dtype), jnp.cumsum(pi)])
    fitted = jnp.interp(middle, basis.edges, below)
    number = jnp.maximum(jnp.sum(present), 1)
    tied = jnp.sum(jnp.where(present, sample.tied, 0)) / number
    allowed = jnp.where(tied > MOST_TIED, ALLOWED_TIED, ALLOWED) + 1 / jnp.sqrt(number.astype(pi.dtype))
    return jnp.max(jnp.where(gap, jnp.abs(fitted - share[:-1]), 0), initial=0), allowed
