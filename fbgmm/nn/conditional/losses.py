"""Losses that train a `Density`: closed form, differentiable, one number for each example or their weighted mean.

Each takes the predicted densities of a batch, shape (B,), first, and gives losses of shape (B,); `mean_loss` weighs
them.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ..._typing import Array, Float, Key
from .density import Density


def negative_log_likelihood(density: Density, y: Any) -> Float[Array, " B"]:
    """−log p(y | x), in nats."""
    return -density.log_prob(y)


def censored_negative_log_likelihood(density: Density, low: Any, high: Any) -> Float[Array, " B"]:
    """Targets of which only low ≤ y ≤ high is known: −log of that probability, or of the density where low = high.

    Ends may be −inf and inf: a life that had not ended at y is known to lie in [y, inf].
    """
    low, high = jnp.broadcast_arrays(jnp.asarray(low), jnp.asarray(high))
    exact = low == high
    # Where the other branch is taken, an argument that is harmless, so that its derivatives are finite.
    point = jnp.where(exact, low, 0)
    inside = density.log_interval(jnp.where(exact, -jnp.inf, low), jnp.where(exact, jnp.inf, high))
    return -jnp.where(exact, density.log_prob(point), inside)


def crps(density: Density, y: Any) -> Float[Array, " B"]:
    """The continuous ranked probability score, in units of y (`Density.crps`)."""
    return density.crps(y)


def soft_counts(density: Density, y: Any, smear: Any = 1.0) -> Float[Array, "B K"]:
    """The target as weights: that of a component ∝ N(y; mu_k, (smear·sigma_k)²)·sigma_k, as in HL-Gauss.

    Imani and White (2018) smear over histogram cells; here over neighbouring components, the first scale of the basis
    (those of the least sigma) only.
    """
    z = jnp.asarray(y)[:, None]
    d = jax.lax.stop_gradient(density)
    z = (z - d.location[:, None]) / d.scale[:, None]
    finest = d.sigma <= jnp.min(d.sigma, axis=-1, keepdims=True) * 1.001
    logits = jnp.where(finest, -0.5 * jnp.square((z - d.mu) / (smear * d.sigma)), -jnp.inf)
    return jax.nn.softmax(logits, axis=-1)


def nearest_component(density: Density, y: Any) -> Float[Array, "B K"]:
    """The target as the paper's own step gives it for one point: all of the weight on the component nearest to it.

    The counts of Algorithm 2, one example at a time. A network that is fitted to these by least squares learns what
    Algorithm 2 would learn from many points with that x: E[nearest | x] is the histogram of y.
    """
    z = (jnp.asarray(y)[:, None] - density.location[:, None]) / density.scale[:, None]
    finest = density.sigma <= jnp.min(density.sigma, axis=-1, keepdims=True) * 1.001
    nearest = jnp.argmin(jnp.where(finest, jnp.abs(z - density.mu), jnp.inf), axis=-1)
    return jax.nn.one_hot(nearest, density.log_pi.shape[-1], dtype=density.log_pi.dtype)


def cross_entropy(density: Density, target: Float[Array, "B K"]) -> Float[Array, " B"]:
    """−Σ_k target_k log pi_k: with `soft_counts` the loss of HL-Gauss (Farebrother et al. 2024)."""
    return -jnp.sum(jax.lax.stop_gradient(target) * density.log_pi, axis=-1)


def weight_regression(density: Density, target: Float[Array, "B K"]) -> Float[Array, " B"]:
    """Σ_k (pi_k − target_k)²: with `nearest_component` the second stage as the paper's first one suggests it."""
    return jnp.sum(jnp.square(jnp.exp(density.log_pi) - jax.lax.stop_gradient(target)), axis=-1)


def noisy(key: Key, y: Float[Array, " B"], deviation: Any) -> Float[Array, " B"]:
    """Targets with normal noise, drawn anew in each step: a kernel of that width on every target, which regularises
    as it does in kernel density estimation (Rothfuss et al. 2019)."""
    return y + jnp.asarray(deviation, y.dtype) * jax.random.normal(key, y.shape, y.dtype)


def mean_loss(losses: Float[Array, " B"], weights: Float[Array, " B"] | None = None) -> Float[Array, ""]:
    """The mean over the examples with a weight above zero; 0 if there is none. A loss of weight zero may be NaN."""
    if weights is None:
        return jnp.mean(losses)
    present = weights > 0
    total = jnp.sum(jnp.where(present, weights * jnp.where(present, losses, 0), 0))
    return total / jnp.maximum(jnp.sum(weights), jnp.finfo(losses.dtype).tiny)
