"""Ten groups of codes found without labels: by fixed-basis marginals, by EM, and by sliced Wasserstein distance."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fbgmm import Rotated, fit_rotated
from fbgmm.nn.digits.k_means import k_means

from .rivals import em_gmm
from .sliced_wasserstein import Descent, fit_sw, random_start

GROUPS = 10
STEPS = 15
POINTS = 10_000
"""Codes that ours is fitted to: a step evaluates all groups at all of them."""

T = 8.0


class Groups(NamedTuple):
    """A mixture of groups.

    Attributes:
        sample: sample(key, group, count) → codes, shape (count, D).
        log_prob: of codes of shape (N, D) under the mixture, shape (N,).
        shares: of the groups, shape (groups,).
        seconds: that the fit took.
    """

    sample: Callable[[jax.Array, int, int], Any]
    log_prob: Callable[[np.ndarray], Any]
    shares: np.ndarray
    seconds: float


def ours(key: jax.Array, z: np.ndarray, groups: int = GROUPS, steps: int = STEPS) -> Groups:
    """EM whose groups have fixed-basis marginals along their own principal axes instead of normal densities.

    A step is one batched fit, with the responsibilities as data weights: nonparametric EM for mixtures of independent
    marginals (Benaglia, Chauveau and Hunter 2009), with a rotation for each group. It starts from k-means.
    """
    key_points, key_start = jax.random.split(key)
    rows = jax.random.permutation(key_points, len(z))[:POINTS]
    x = jnp.asarray(z, jnp.float32)[rows]

    def fit() -> tuple[Rotated, jax.Array]:
        one = jnp.ones((1, len(x)), x.dtype)
        part = k_means(key_start, x[None], one, groups, 2 * (x.shape[1] + 1))[0]
        weights = jax.nn.one_hot(part, groups, dtype=x.dtype).T
        for _ in range(steps):
            # A responsibility near zero would only widen a basis, whose range is that of the points that count.
            weights = jnp.where(weights > 1e-3, weights, 0)
            model = fit_rotated(jnp.broadcast_to(x, (groups, *x.shape)), 1, t=T, weights=weights)
            shares = jnp.mean(weights, axis=1)
            weights = jax.nn.softmax(_joint(model, shares, x), axis=1).T
        return jax.block_until_ready((model, shares / jnp.sum(shares)))

    (model, shares), seconds = timed(fit)
    return Groups(
        lambda key, group, count: model[group].sample(key, (count,)),
        lambda points: jax.nn.logsumexp(_joint(model, shares, jnp.asarray(points, jnp.float32)), axis=1),
        np.asarray(shares),
        seconds,
    )


@jax.jit
def _joint(model: Rotated, shares: jax.Array, x: jax.Array) -> jax.Array:
    """log of share times density, shape (N, groups)."""
    return model.log_prob(x[:, None, :]) + jnp.log(shares)[None, :]


def em(z: np.ndarray, seed: int, groups: int = GROUPS) -> Groups:
    """scikit-learn's EM with full covariances, started by its k-means."""
    found = em_gmm(z, np.zeros(len(z)), classes=1, components=(groups,), seed=seed)
    return _of_normals(found.mixtures[0], found.seconds)


def sw(key: jax.Array, z: np.ndarray, groups: int = GROUPS, descent: Descent = Descent()) -> Groups:  # noqa: B008
    """SW-GMM with full covariances, on standardised codes."""
    mean, scale = z.mean(axis=0).astype(np.float32), z.std(axis=0).astype(np.float32)
    x = jnp.asarray((z - mean) / scale, jnp.float32)
    key_start, key_fit = jax.random.split(key)
    count = jnp.asarray(len(x))
    start = random_start(key_start, x, count, groups)
    compiled = fit_sw.lower(key_fit, x, count, start, descent).compile()
    started = time.perf_counter()
    found = jax.block_until_ready(compiled(key_fit, x, count, start))
    seconds = time.perf_counter() - started
    return _of_normals(found.moved(mean, scale), seconds)


def _of_normals(mixture: Any, seconds: float) -> Groups:
    def sample(key: jax.Array, group: int, count: int) -> Any:
        only = jax.tree.map(lambda leaf: leaf[group : group + 1], mixture)
        return only._replace(log_weights=jnp.zeros(1)).sample(key, count)

    def log_prob(points: np.ndarray) -> Any:
        return mixture.log_prob(jnp.asarray(points, jnp.float32))

    return Groups(sample, log_prob, np.exp(np.asarray(mixture.log_weights)), seconds)


def timed(fit: Callable[[], Any]) -> tuple[Any, float]:
    """What fit returns, and the seconds of its second call: the first compiles."""
    fit()
    started = time.perf_counter()
    found = fit()
    return found, time.perf_counter() - started


def purity(taken: np.ndarray, groups: np.ndarray, shares: np.ndarray) -> tuple[float, int]:
    """Share of each group's samples that the judge takes for the group's most frequent digit, weighted by `shares`.

    Args:
        taken: digits that the judge sees, shape (N,).
        groups: of the samples, shape (N,).
        shares: of the groups, shape (groups,).

    Returns:
        The purity, and how many digits are the most frequent one of some group.
    """
    counts = np.stack([np.bincount(taken[groups == group], minlength=10) for group in range(len(shares))])
    pure = counts.max(axis=1) / np.maximum(counts.sum(axis=1), 1)
    return float(pure @ shares / shares.sum()), len(set(counts.argmax(axis=1).tolist()))
