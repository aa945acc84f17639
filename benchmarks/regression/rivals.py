"""Competing density heads (Gaussian, mixture density, kernel mixture networks), and boosted quantiles."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from fbgmm.nn.conditional.density import Density
from fbgmm.nn.conditional.heads import Fixed, rounding

_SMALL = nnx.initializers.variance_scaling(0.1, "fan_in", "normal")
_KERNELS, _KERNEL_WIDTHS = 32, (0.7, 0.3)

QUANTILES = (0.05, 0.95)


class MixtureDensityNetwork(nnx.Module):
    """Weights, means and widths of a few normal densities all depend on x (Bishop 1994).

    No width is below what the rounding of the targets leaves open, as in ours: on targets that take few values the
    likelihood of narrower ones has no bound. With one component it is the heteroscedastic normal density.

    Args:
        features: of the layer before.
        components: K.
        y, weights: standardised training targets and their weights.
        rngs: of the first weights.
    """

    def __init__(self, features: int, components: int, y: jax.Array, weights: jax.Array, *, rngs: nnx.Rngs):
        self.layer = nnx.Linear(features, 3 * components, kernel_init=_SMALL, rngs=rngs)
        means = jnp.linspace(-1.5, 1.5, components) if components > 1 else jnp.zeros(1)
        self.layer.bias = nnx.Param(jnp.concatenate([jnp.zeros(components), means, jnp.full(components, 0.5)]))
        self.least = Fixed(least_width(y, weights))

    def __call__(self, h: jax.Array) -> Density:
        logits, mu, width = jnp.split(self.layer(h), 3, axis=-1)
        return Density.of(jax.nn.log_softmax(logits), mu, jax.nn.softplus(width) + self.least[...])


class Homoscedastic(nnx.Module):
    """A normal density whose mean depends on x, of one learned width."""

    def __init__(self, features: int, y: jax.Array, weights: jax.Array, *, rngs: nnx.Rngs):
        self.layer = nnx.Linear(features, 1, kernel_init=_SMALL, rngs=rngs)
        self.width = nnx.Param(jnp.full((1,), 0.5))
        self.least = Fixed(least_width(y, weights))

    def __call__(self, h: jax.Array) -> Density:
        mu = self.layer(h)
        width = (jax.nn.softplus(self.width[...]) + self.least[...]).reshape((1,) * mu.ndim)
        return Density.of(jnp.zeros_like(mu), mu, width)


class KernelMixtureNetwork(nnx.Module):
    """Weights on kernels at quantiles of the training targets, in two learned widths (Ambrogioni et al. 2017)."""

    def __init__(self, features: int, y: jax.Array, weights: jax.Array, *, rngs: nnx.Rngs):
        self.layer = nnx.Linear(features, _KERNELS * len(_KERNEL_WIDTHS), kernel_init=_SMALL, rngs=rngs)
        order = jnp.argsort(y)
        heap = jnp.cumsum(weights[order])
        levels = (jnp.arange(_KERNELS) + 0.5) / _KERNELS * heap[-1]
        self.centres = Fixed(y[order][jnp.searchsorted(heap, levels)])
        self.width = nnx.Param(jnp.log(jnp.expm1(jnp.asarray(_KERNEL_WIDTHS))))
        self.least = Fixed(least_width(y, weights))

    def __call__(self, h: jax.Array) -> Density:
        log_pi = jax.nn.log_softmax(self.layer(h))
        mu = jnp.tile(self.centres[...], len(_KERNEL_WIDTHS)).reshape(*(1,) * (log_pi.ndim - 1), -1)
        sigma = jnp.repeat(jax.nn.softplus(self.width[...]) + self.least[...], _KERNELS).reshape(mu.shape)
        return Density.of(log_pi, mu, sigma)


def least_width(y: jax.Array, weights: jax.Array) -> jax.Array:
    """The least width of all rivals' components, in standardised targets: as in `DensityHead.residual`."""
    return jnp.maximum(rounding(y, weights) / math.sqrt(12), 1e-3)


def boosted_quantiles(x: np.ndarray, y: np.ndarray, new: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """What scikit-learn's boosted trees predict: "mean" by squared error, "low" and "high" by the quantile loss."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # here: an extra

    found = {"mean": HistGradientBoostingRegressor(random_state=seed).fit(x, y).predict(new)}
    for name, level in zip(("low", "high"), QUANTILES, strict=True):
        model = HistGradientBoostingRegressor(loss="quantile", quantile=level, random_state=seed)
        found[name] = model.fit(x, y).predict(new)
    return found
