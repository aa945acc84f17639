"""Normal mixtures with full covariances, and their map to the standard normal density (Rosenblatt's transformation).

Coordinate by coordinate, z_d = Φ⁻¹(F(x_d | x_1 … x_{d−1})). Given the coordinates before, a normal mixture is one
again, weighted by how likely its components are there, so that the map, its Jacobian and its inverse are exact
(Rosenblatt 1952, Remarks on a multivariate transformation). With one component alone it is the linear map that whitens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, logsumexp

from .._typing import Array, Float, Key
from ..evaluation.normal_scores import inverse_log_ndtr
from ..evaluation.quantiles import search

_EXACT = jax.lax.Precision.HIGHEST
_LOG_ROOT = 0.5 * math.log(2 * math.pi)
_HALVINGS, _NEWTON = 24, 16  # of the inverse: past rounding in float32, then to that of float64


@partial(jax.tree_util.register_dataclass, data_fields=["log_share", "mean", "root"], meta_fields=[])
@dataclass(frozen=True)
class NormalMixture:
    """Σ_k share_k N(x; mean_k, root_k root_kᵀ). A pytree.

    Attributes:
        log_share: logarithms of the weights; −inf where a component is not used. Shape (*batch, K).
        mean: shape (*batch, K, D).
        root: lower triangular roots of the covariances, shape (*batch, K, D, D).
    """

    log_share: Float[Array, "*batch K"]
    mean: Float[Array, "*batch K D"]
    root: Float[Array, "*batch K D D"]


def standardised(mixture: NormalMixture, x: Float[Array, "N D"]) -> tuple[Float[Array, "K D D"], Float[Array, "K D N"]]:
    """Inverses of the roots, and the points where each component is standard normal: root_k⁻¹ (x − mean_k)."""
    identity = jnp.broadcast_to(jnp.eye(x.shape[1], dtype=x.dtype), mixture.root.shape)
    inverse = jax.scipy.linalg.solve_triangular(mixture.root, identity, lower=True)
    mean = jnp.einsum("kde,ke->kd", inverse, mixture.mean, precision=_EXACT)
    return inverse, jnp.einsum("kde,ne->kdn", inverse, x, precision=_EXACT) - mean[:, :, None]


def component_logs(mixture: NormalMixture, x: Float[Array, "N D"]) -> Float[Array, "K N"]:
    """Logarithm of share times density of each component at each point, for one mixture."""
    return logs_where_standard(mixture, standardised(mixture, x)[1])


def logs_where_standard(mixture: NormalMixture, away: Float[Array, "K D N"]) -> Float[Array, "K N"]:
    """As `component_logs`, of the standardised points."""
    slopes = jnp.sum(jnp.log(jnp.diagonal(mixture.root, axis1=1, axis2=2)), axis=1)
    return (mixture.log_share - slopes)[:, None] - 0.5 * jnp.sum(away * away, axis=1) - away.shape[1] * _LOG_ROOT


def log_density(mixture: NormalMixture, x: Float[Array, "N D"]) -> Float[Array, " N"]:
    """Log density of one mixture."""
    return logsumexp(component_logs(mixture, x), axis=0)


class _Conditional(NamedTuple):
    """The one-dimensional mixture of the next coordinate at each point: log weights and means (N, K), widths (K,)."""

    logs: Array
    mean: Array
    width: Array


def _score(at: _Conditional, x: Array) -> tuple[Array, Array]:
    """z = Φ⁻¹(F(x)) and log dz/dx, right on both sides and however far x is."""
    a = (x[:, None] - at.mean) / at.width[None]
    sides = [logsumexp(at.logs + log_ndtr(side * a), axis=1) for side in (1, -1)]
    lower = sides[0] < sides[1]
    z = inverse_log_ndtr(jnp.minimum(jnp.minimum(sides[0], sides[1]), math.log(0.5))) * jnp.where(lower, 1, -1)
    log_g = logsumexp(at.logs - 0.5 * a * a - jnp.log(at.width)[None], axis=1) - _LOG_ROOT
    return z, log_g + 0.5 * z * z + _LOG_ROOT


def _inverse_score(at: _Conditional, z: Array) -> Array:
    """x with Φ⁻¹(F(x)) = z, between the quantiles of the components."""
    used = jnp.isfinite(at.logs)
    each = at.mean + at.width[None] * z[:, None]
    lower = jnp.min(jnp.where(used, each, jnp.inf), axis=1)
    upper = jnp.max(jnp.where(used, each, -jnp.inf), axis=1)

    def f(x: Array) -> tuple[Array, Array]:
        image, log_slope = _score(at, x)
        return image - z, jnp.exp(log_slope)

    return search(f, lower, upper, halvings=_HALVINGS, newton=_NEWTON)


def _start(mixture: NormalMixture, N: int) -> tuple[Array, Array]:
    """Log weights of the components at each point, and their standardised coordinates so far: none."""
    K, D = mixture.mean.shape
    total = logsumexp(mixture.log_share)
    return jnp.broadcast_to(mixture.log_share - total, (N, K)), jnp.zeros((N, K, D), mixture.mean.dtype)


def _next(mixture: NormalMixture, logs: Array, away: Array, d: int) -> _Conditional:
    shift = jnp.einsum("nke,ke->nk", away[:, :, :d], mixture.root[:, d, :d], precision=_EXACT)
    return _Conditional(logs, mixture.mean[None, :, d] + shift, mixture.root[:, d, d])


def _after(at: _Conditional, x: Array, away: Array, d: int) -> tuple[Array, Array]:
    a = (x[:, None] - at.mean) / at.width[None]
    logs = at.logs - 0.5 * a * a - jnp.log(at.width)[None]
    return logs - logsumexp(logs, axis=1, keepdims=True), away.at[:, :, d].set(a)


def to_normal(mixture: NormalMixture, x: Float[Array, "N D"]) -> tuple[Array, Array]:
    """z, standard normal where x follows the mixture, and log |dz/dx|, shapes (N, D) and (N,)."""
    logs, away = _start(mixture, len(x))
    z, log_slope = [], jnp.zeros_like(x[:, 0])
    for d in range(x.shape[1]):
        at = _next(mixture, logs, away, d)
        image, slope = _score(at, x[:, d])
        logs, away = _after(at, x[:, d], away, d)
        z.append(image)
        log_slope = log_slope + slope
    return jnp.stack(z, axis=1), log_slope


def from_normal(mixture: NormalMixture, z: Float[Array, "N D"]) -> Float[Array, "N D"]:
    """The points that `to_normal` maps to z."""
    logs, away = _start(mixture, len(z))
    x = []
    for d in range(z.shape[1]):
        at = _next(mixture, logs, away, d)
        x.append(_inverse_score(at, z[:, d]))
        logs, away = _after(at, x[-1], away, d)
    return jnp.stack(x, axis=1)


def draw(mixture: NormalMixture, key: Key, N: int) -> Float[Array, "N D"]:
    """N draws: a component by its share, then a normal draw."""
    first, second = jax.random.split(key)
    i = jax.random.categorical(first, mixture.log_share, shape=(N,))
    z = jax.random.normal(second, (N, mixture.mean.shape[1]), mixture.mean.dtype)
    return mixture.mean[i] + jnp.einsum("nde,ne->nd", mixture.root[i], z, precision=_EXACT)
