"""Algorithm 1 of the paper: every weight is moved by the gradient of Eq. 7 at each point."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

from ..basis import Basis
from ..updates import D, increment1, init_pi, interval_mass, normalize
from .base import Algorithm, Bound, from_counts
from .pointwise import from_points

Variant = Literal["means", "point_side", "short_mid"]
VARIANTS: tuple[Variant, ...] = ("means", "point_side", "short_mid")


def algorithm1(variant: Variant = "means", *, d: float = D, clip: bool = True) -> Algorithm:
    """Algorithm 1: pi ∝ 1/n + K·c, with K a symmetric Toeplitz matrix on the cells (`fbgmm.updates.step1`).

    Some of these weights are negative where t ≤ 1 (the kernel has negative sides). A density needs weights of at least
    0, so they are set to 0 before normalising.

    Args:
        variant: the reading of the paper; `docs/reproduction.md` has the measured loss of each.

            - `"means"`: both side intervals about the nearest mean, k_mid of length 2d. The default: it meets the
              paper's tables at σ = 1r and 2r.
            - `"point_side"`: k_side− about the point x_j itself, as the algorithm box prints it. It is no function of
              the counts any more, O(N·n), and changes the loss in the third digit only.
            - `"short_mid"`: k_mid of length d, as in Eq. 3–4. The columns of K then sum to about 0, so that
              normalising divides by next to nothing: the loss is about ten times larger, and a hundred times where
              negative weights are kept.
        d: half the length of k_mid and the length of k_side in units of sigma; the paper names 1/4 and 1/6.
        clip: False leaves negative weights as they are, for study; log_prob is then NaN where the sum is negative.

    Raises:
        ValueError: unknown variant, d ≤ 0.

    Example:
        >>> import fbgmm
        >>> gmm = fbgmm.fit([1.0, 2.0, 2.0, 3.0], n=20, t=2.0, algorithm=fbgmm.algorithm1())
        >>> float(gmm.pi.min()) >= 0
        True
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}; found {variant!r}")
    if not d > 0:
        raise ValueError(f"d must be above 0, in units of sigma; found {d!r}")
    if variant == "point_side":
        if not clip:
            raise ValueError("clip=False is for the readings by counts; found variant 'point_side'")
        return from_points(Bound(_point_side, (d,)))
    return from_counts(Bound(_weights, (d, 1.0 if variant == "short_mid" else 2.0, bool(clip))))


def _weights(d: float, mid: float, clip: bool, c: jax.Array, basis: Basis) -> jax.Array:
    pi = init_pi(basis) + increment1(c, basis, d, mid)
    return normalize(jnp.maximum(pi, 0) if clip else pi)


def _point_side(d: float, pi: jax.Array, basis: Basis, x: jax.Array, i: jax.Array, weight: jax.Array) -> jax.Array:
    mu, r = basis.mu / basis.sigma, basis.r / basis.sigma
    here, point = mu[i] - mu, x / basis.sigma - mu
    middle = interval_mass(here - d, here + d)
    above = interval_mass(here + r - d, here + r)
    below = interval_mass(point - r, point - r + d)
    return jnp.where(basis.live, pi + weight * (middle - (above + below) / 2), 0)
