"""Losses for predicted densities: negative log-likelihood, CRPS, cross-entropy, and regression of the weights.

Each takes the predicted densities of a batch, shape (B,), and returns losses of shape (B,), in closed form and
differentiable; `mean_loss` is their weighted mean.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ..._typing import Array, ArrayLike, Float, Key
from .density import Density


def negative_log_likelihood(density: Density, y: ArrayLike) -> Float[Array, " B"]:
    """−log p(y | x), in nats."""
    return -density.log_prob(y)


def censored_negative_log_likelihood(density: Density, low: ArrayLike, high: ArrayLike) -> Float[Array, " B"]:
    """Targets of which only low ≤ y ≤ high is known: −log of that probability, or of the density where low = high.

    Ends may be −inf and inf: a lifetime that had not ended at y is known to lie in [y, inf].
    """
    lows, highs = jnp.broadcast_arrays(jnp.asarray(low), jnp.asarray(high))
    exact = lows == highs
    # The branch that is not taken gets a harmless argument, so that its derivatives are finite.
    point = jnp.where(exact, lows, 0)
    inside = density.log_interval(jnp.where(exact, -jnp.inf, lows), jnp.where(exact, jnp.inf, highs))
    return -jnp.where(exact, density.log_prob(point), inside)


def crps(density: Density, y: ArrayLike) -> Float[Array, " B"]:
    """The continuous ranked probability score, in units of y (`Density.crps`)."""
    return density.crps(y)


def soft_counts(density: Density, y: ArrayLike, smear: ArrayLike = 1.0) -> Float[Array, "B K"]:
    """The target as weights ∝ N(y; mu_k, (smear·sigma_k)²)·sigma_k of the components, as in HL-Gauss.

    Imani and White (2018) spread a target over histogram cells; here it is spread over neighbouring components, of the
    least sigma only.
    """
    d = jax.lax.stop_gradient(density)
    z, finest = _standardised(d, y)
    logits = jnp.where(finest, -0.5 * jnp.square((z - d.mu) / (jnp.asarray(smear) * d.sigma)), -jnp.inf)
    return jax.nn.softmax(logits, axis=-1)


def nearest_component(density: Density, y: ArrayLike) -> Float[Array, "B K"]:
    """The target as weights: all of it on the nearest component, as Algorithm 2 counts one point.

    A network that is fitted to these by least squares learns what Algorithm 2 would learn from many points with the
    same x: E[nearest | x] is the histogram of y given x.
    """
    z, finest = _standardised(density, y)
    nearest = jnp.argmin(jnp.where(finest, jnp.abs(z - density.mu), jnp.inf), axis=-1)
    return jax.nn.one_hot(nearest, density.log_pi.shape[-1], dtype=density.log_pi.dtype)


def _standardised(density: Density, y: ArrayLike) -> tuple[Array, Array]:
    """(y − location)/scale, shape (B, 1), and which components have the least sigma."""
    z = (jnp.asarray(y)[:, None] - density.location[:, None]) / density.scale[:, None]
    return z, density.sigma <= jnp.min(density.sigma, axis=-1, keepdims=True) * 1.001


def cross_entropy(density: Density, target: Float[Array, "B K"]) -> Float[Array, " B"]:
    """−Σ_k target_k log pi_k: with `soft_counts` the loss of HL-Gauss (Farebrother et al. 2024)."""
    return -jnp.sum(jax.lax.stop_gradient(target) * density.log_pi, axis=-1)


def weight_regression(density: Density, target: Float[Array, "B K"]) -> Float[Array, " B"]:
    """Σ_k (pi_k − target_k)², for targets as `nearest_component` gives them."""
    return jnp.sum(jnp.square(jnp.exp(density.log_pi) - jax.lax.stop_gradient(target)), axis=-1)


def noisy(key: Key, y: Float[Array, " B"], deviation: ArrayLike) -> Float[Array, " B"]:
    """Targets with normal noise, for each training step anew: it regularises as the kernel does in kernel density
    estimation (Rothfuss et al. 2019)."""
    return y + jnp.asarray(deviation, y.dtype) * jax.random.normal(key, y.shape, y.dtype)


def mean_loss(losses: Float[Array, " B"], weights: Float[Array, " B"] | None = None) -> Float[Array, ""]:
    """The mean over the examples with a weight above zero; 0 if there is none. A loss of weight zero may be NaN."""
    if weights is None:
        return jnp.mean(losses)
    present = weights > 0
    total = jnp.sum(jnp.where(present, weights * jnp.where(present, losses, 0), 0))
    return total / jnp.maximum(jnp.sum(weights), jnp.finfo(losses.dtype).tiny)
