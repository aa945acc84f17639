"""Stacking of predictive distributions (Yao, Vehtari, Simpson and Gelman 2018, Bayesian Analysis 13, 917–1007).

The densities of several networks are mixed with weights learned from targets that none of them was trained on. As on a
fixed basis, the components are given, here by the networks, and only their weights are learned.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ..._typing import Array, Float
from .density import Density

_STEPS = 200


def stacking_weights(log_prob: Float[Array, "F N"], weights: Float[Array, " N"] | None = None) -> Float[Array, " F"]:
    """The weights w, of sum 1, that maximise Σ_i log Σ_f w_f p_f(y_i): 200 steps of EM from even ones.

    Args:
        log_prob: of N targets under each of F networks that were not trained on them, in nats.
        weights: of the targets; zero means absent.

    Example:
        >>> import jax.numpy as jnp
        >>> from fbgmm.nn.conditional import stacking_weights
        >>> weights = stacking_weights(jnp.array([[-1.0, -9.0, -1.0, -1.0], [-9.0, -1.0, -9.0, -9.0]]))
        >>> [round(float(w), 2) for w in weights]
        [0.75, 0.25]
    """
    counts = jnp.ones(log_prob.shape[1], log_prob.dtype) if weights is None else weights
    log_prob = jnp.where((counts > 0)[None], log_prob, 0)
    # Relative to the best network of each target, so that none of them underflows everywhere.
    ratio = jnp.exp(log_prob - jnp.max(log_prob, axis=0, keepdims=True))

    def step(_: Array, w: Array) -> Array:
        share = w[:, None] * ratio
        moved = jnp.matmul(share / jnp.sum(share, axis=0, keepdims=True), counts, precision="highest")
        return moved / jnp.sum(moved)

    even = jnp.full(log_prob.shape[0], 1 / log_prob.shape[0], log_prob.dtype)
    return jax.lax.fori_loop(0, _STEPS, step, even)


def stacked(densities: Sequence[Density], weights: Float[Array, " F"]) -> Density:
    """Σ_f w_f p_f as one density.

    Args:
        densities: of one batch shape.
        weights: of each, of sum 1.

    Raises:
        ValueError: other numbers of weights than of densities, or none.

    Example:
        >>> import jax.numpy as jnp
        >>> from fbgmm.nn.conditional import Density, stacked
        >>> one, two = (Density.of(jnp.zeros((3, 1)), jnp.full((3, 1), m), jnp.ones((3, 1))) for m in (0.0, 4.0))
        >>> stacked([one, two], jnp.array([0.75, 0.25])).mean().tolist()
        [1.0, 1.0, 1.0]
    """
    if not densities or len(weights) != len(densities):
        raise ValueError(f"weights must be one for each density; found {len(weights)} for {len(densities)} densities")
    # A weight of zero would have a logarithm of −inf, and derivatives that are NaN.
    log_weights = jnp.log(jnp.maximum(weights, jnp.finfo(weights.dtype).tiny))
    parts = [density.as_absolute() for density in densities]
    log_pi = jnp.concatenate([part.log_pi + w for part, w in zip(parts, log_weights, strict=True)], axis=-1)
    mu, sigma = (jnp.concatenate([getattr(part, name) for part in parts], axis=-1) for name in ("mu", "sigma"))
    return Density.of(log_pi, mu, sigma)
