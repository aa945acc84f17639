"""Algorithm 2 of the paper: only the weight of the nearest component grows."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

from ..basis import Basis
from ..updates import D, increment2, init_pi, normalize, step2
from .base import Algorithm, Bound, from_counts
from .pointwise import from_points

Variant = Literal["plain", "minus_dL_over_n", "minus_dL_over_n_clipped", "minus_dL_over_N"]
VARIANTS: tuple[Variant, ...] = ("plain", "minus_dL_over_n", "minus_dL_over_n_clipped", "minus_dL_over_N")


def algorithm2(variant: Variant = "plain", *, d: float = D) -> Algorithm:
    """Algorithm 2: pi ∝ 1/n + dL·c (`fbgmm.updates.step2`).

    In effect a binned kernel density estimate with bandwidth sigma: the counts c smoothed by a normal density, with a
    uniform pseudo-count of 1/(n dL) in each cell.

    Args:
        variant: the reading of the paper; `docs/reproduction.md` has the measured loss of each.

            - `"plain"`: no subtraction. The default: it meets the paper's tables and keeps every weight above 0.
            - `"minus_dL_over_n"`: line 12 of the box as printed: each point takes dL/n from every other weight. Their
              sum stays 1 while each weight goes to (n + 1) c_i/N − 1 in the limit: weights are negative wherever the
              density is below average, and the loss is hundreds instead of hundredths. No density; for study.
            - `"minus_dL_over_n_clipped"`: the same with each weight kept at 0 or above after every point. It depends
              on the order of the data, O(N·n), and the loss is about half of its maximum over all σ.
            - `"minus_dL_over_N"`: the subtraction divided by the number of points instead of n. The loss has the
              paper's magnitude, but weights of empty cells turn negative.
        d: half the length of k_mid and the length of k_side in units of sigma; the paper names 1/4 and 1/6. With no
            subtraction it only sets the size of the pseudo-count.

    Raises:
        ValueError: unknown variant, d ≤ 0.

    Example:
        >>> import fbgmm
        >>> fbgmm.fit([1.0, 2.0, 2.0, 3.0], n=2, t=2.0, algorithm=fbgmm.algorithm2()).pi.shape
        (2,)
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}; found {variant!r}")
    if not d > 0:
        raise ValueError(f"d must be above 0, in units of sigma; found {d!r}")
    if variant == "minus_dL_over_n_clipped":
        return from_points(Bound(_clipped, (d,)))

    return from_counts(Bound(_weights, (variant, d)))


def _weights(variant: Variant, d: float, c: jax.Array, basis: Basis) -> jax.Array:
    pi = init_pi(basis) + increment2(c, basis, d)
    if variant != "plain":
        points = jnp.sum(c)
        shared = basis.n if variant == "minus_dL_over_n" else jnp.maximum(points, 1)
        pi = jnp.where(basis.live, pi - step2(basis.t, d) / shared * (points - c), 0)
    return normalize(pi)


def _clipped(d: float, pi: jax.Array, basis: Basis, x: jax.Array, i: jax.Array, weight: jax.Array) -> jax.Array:
    dL = weight * step2(basis.t, d)
    nearest = jnp.arange(pi.shape[0]) == i
    moved = jnp.where(nearest, pi + dL, pi - dL / basis.n)
    return jnp.where(basis.live, jnp.maximum(moved, 0), 0)
