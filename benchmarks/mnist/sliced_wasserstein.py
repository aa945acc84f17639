"""SW-GMM: a Gaussian mixture learned by sliced Wasserstein distance (Kolouri, Rohde and Hoffmann, CVPR 2018).

The distance is the mean over directions θ of the squared Wasserstein distance between the data projected on θ and the
mixture projected on θ, which is a mixture in one dimension with means θ·mu_k and variances θᵀΣ_kθ. In one dimension the
optimal transport is known, T = F_data⁻¹ ∘ F_mixture, and by their Eq. 12–15 the slope of the distance is that of
∫ φ dF_mixture with the Kantorovich potential φ held fixed, φ' = 2 (x − T(x)); here integrated by parts, so that only
the mixture's closed-form cdf is differentiated.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.scipy.special import ndtr
from jax.scipy.stats import multivariate_normal
from jax.typing import ArrayLike

Array = jax.Array

GRID = 128
"""Points on which a projected mixture's cdf is compared with that of the data."""

FLOOR = 0.05
"""Σ_k = A_k A_kᵀ + FLOOR² in the fit, for data of unit variance: few projections show that a component collapses."""


class Normals(NamedTuple):
    """A mixture of K normal densities in D dimensions, Σ_k = A_k A_kᵀ.

    Attributes:
        log_weights: shape (*batch, K), normalised.
        means: shape (*batch, K, D).
        factors: A, shape (*batch, K, D, D).
    """

    log_weights: Array
    means: Array
    factors: Array

    def log_prob(self, x: Array) -> Array:
        """log density, shape (N,), of points of shape (N, D); for one mixture."""
        covariances = self.factors @ jnp.swapaxes(self.factors, 1, 2)
        of_points = jax.vmap(multivariate_normal.logpdf, in_axes=(0, None, None))
        log_k = jax.vmap(of_points, in_axes=(None, 0, 0))(x, self.means, covariances)
        return jax.nn.logsumexp(self.log_weights[:, None] + log_k, axis=0)

    def sample(self, key: Array, count: int) -> Array:
        """Draws, shape (count, D); for one mixture."""
        key_k, key_z = jax.random.split(key)
        k = jax.random.categorical(key_k, self.log_weights, shape=(count,))
        z = jax.random.normal(key_z, (count, self.means.shape[1]), self.means.dtype)
        return self.means[k] + jnp.einsum("nij,nj->ni", self.factors[k], z)

    def moved(self, mean: ArrayLike, scale: ArrayLike) -> Normals:
        """The mixture of scale·x + mean, both of shape (D,); for one mixture."""
        mean, scale = jnp.asarray(mean), jnp.asarray(scale)
        means = self.means * scale[None, :] + mean[None, :]
        return Normals(self.log_weights, means, scale[None, :, None] * self.factors)


class Descent(NamedTuple):
    """How the distance is made small.

    Attributes:
        steps: of Adam; the rate falls to zero along a cosine.
        rate: the first, for data of unit variance.
        projections: random directions in a step, new ones each time.
        batch: data points in a step, drawn anew.
    """

    steps: int = 2000
    rate: float = 0.02
    projections: int = 32
    batch: int = 500


def random_start(key: Array, x: Array, count: Array, components: int) -> Normals:
    """Means at data points drawn at random, equal weights, and covariances of the data, smaller for more components."""
    rows = jax.random.randint(key, (components,), 0, count)
    D = x.shape[1]
    size = components ** (-1 / D)
    factors = jnp.broadcast_to(size * jnp.eye(D, dtype=x.dtype), (components, D, D))
    return Normals(jnp.full((components,), -math.log(components), x.dtype), x[rows], factors)


@partial(jax.jit, static_argnames="descent")
def fit_sw(key: Array, x: Array, count: Array, start: Normals, descent: Descent = Descent()) -> Normals:  # noqa: B008
    """Adam on the sliced Wasserstein distance. Pure: vmap over keys, data and starts fits many mixtures at a time.

    Args:
        x: data of about unit variance, shape (N, D).
        count: how many of the rows of x are data; those after them are padding.
        start: the first mixture.
    """
    adam = optax.adam(optax.cosine_decay_schedule(descent.rate, descent.steps))

    def step(state: Any, key: Array) -> Any:
        mixture, moments = state
        key_rows, key_directions = jax.random.split(key)
        rows = jax.random.randint(key_rows, (descent.batch,), 0, count)
        directions = jax.random.normal(key_directions, (descent.projections, x.shape[1]), x.dtype)
        directions = directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
        slope = jax.grad(surrogate)(mixture, x[rows], directions)
        updates, moments = adam.update(slope, moments)
        mixture = optax.apply_updates(mixture, updates)
        return (mixture._replace(log_weights=jax.nn.log_softmax(mixture.log_weights)), moments), None

    (mixture, _), _ = jax.lax.scan(step, (start, adam.init(start)), jax.random.split(key, descent.steps))
    floor = FLOOR**2 * jnp.eye(x.shape[1], dtype=x.dtype)[None, :, :]
    covariances = mixture.factors @ jnp.swapaxes(mixture.factors, 1, 2) + floor
    return mixture._replace(factors=jnp.linalg.cholesky(covariances))


def surrogate(mixture: Normals, x: Array, directions: Array) -> Array:
    """A number whose slope in the mixture is that of the distance to data (N, D), mean over the directions (P, D)."""
    data = jnp.sort(jnp.einsum("pd,nd->pn", directions, x), axis=1)
    means = jnp.einsum("pd,kd->pk", directions, mixture.means)
    variances = jnp.sum(jnp.square(jnp.einsum("pd,kde->pke", directions, mixture.factors)), axis=2)
    deviations = jnp.sqrt(variances + FLOOR**2)
    weights = jax.nn.softmax(mixture.log_weights)
    still = jax.lax.stop_gradient((means, deviations))
    low = jnp.minimum(data[:, 0], jnp.min(still[0] - 4 * still[1], axis=1))
    high = jnp.maximum(data[:, -1], jnp.max(still[0] + 4 * still[1], axis=1))
    at = low[:, None] + (high - low)[:, None] * jnp.linspace(0, 1, GRID, dtype=x.dtype)[None, :]
    s = (at[:, :, None] - means[:, None, :]) / deviations[:, None, :]
    cdf = jnp.einsum("pgk,k->pg", ndtr(s), weights)
    height = jax.lax.stop_gradient(cdf)
    N = data.shape[1]
    i = jnp.clip((height * N).astype(jnp.int32), 0, N - 1)
    miss = at - jnp.take_along_axis(data, i, axis=1)  # x − T(x)
    width = (high - low) / (GRID - 1)
    return -2 * jnp.mean(width * jnp.sum(miss * cdf, axis=1))
