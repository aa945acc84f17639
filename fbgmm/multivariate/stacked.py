"""Normal mixtures of 1 to 32 components, fitted by EM, cross-validated and stacked to one: what `fit_rotated(x)` does.

Each candidate is fitted to all data and to all but each fifth. Their shares in the answer maximise the likelihood of
the fifths that were left out (stacking: Smyth and Wolpert 1999, Linearly combining density estimators via stacking), so
that data of one normal density have one component, and few data few. A sum of normal mixtures is a normal mixture.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .._typing import Array, Float, Key
from .normal_mixtures import NormalMixture, component_logs, log_density

_EXACT = jax.lax.Precision.HIGHEST

CANDIDATES = ((4, (1, 2, 3, 4)), (8, (6, 8)), (16, (12, 16)), (32, (24, 32)))
"""Numbers of components, by the length to which they are padded: one program for each length."""

FOLDS = 5
STEPS = 60
"""Of EM. More of them gain nothing that cross-validation sees on the densities of `python -m benchmarks several`."""

STACKING_STEPS = 100

POINTS_EACH = 10
"""Candidates have at least so many points for each component."""

PRIOR = 3.0
"""Points that the prior of each covariance counts for: about the D + 2 degrees of Fraley and Raftery (2007, Bayesian
regularization for normal mixture estimation and model-based clustering) in few dimensions."""


@jax.jit
def fit_stacked(x: Float[Array, "N D"], w: Float[Array, " N"]) -> NormalMixture:
    """The stacked mixture of one data set.

    Args:
        x: white data: mean 0, covariance the identity.
        w: data weights, 0 where absent.
    """
    key_folds, key = jax.random.split(jax.random.key(0))
    fold = jax.random.randint(key_folds, w.shape, 0, FOLDS)
    # The last row of weights is that of all data.
    kept = jnp.where(fold[None] == jnp.arange(FOLDS + 1)[:, None], 0, w[None])
    number = jnp.sum(w)
    mixtures, held_out, allowed = [], [], []
    for room, counts in CANDIDATES:
        K = jnp.asarray(counts)
        keys = jax.random.split(jax.random.fold_in(key, room), len(counts))

        def fit_all(w: Array, K: Array = K, keys: Array = keys, room: int = room) -> tuple[NormalMixture, Array]:
            found = jax.vmap(lambda K, key: fit_normal_mixture(x, w, K, room, key))(K, keys)
            return found, jax.vmap(lambda mixture: log_density(mixture, x))(found)

        found, logs = jax.lax.map(fit_all, kept)
        mixtures.append(jax.tree.map(lambda leaf: leaf[-1], found))
        held_out.append(jnp.take_along_axis(logs, fold[None, None, :], axis=0)[0])
        allowed.append((number >= POINTS_EACH * K) | (K == 1))
    log_share = _stacked(jnp.concatenate(held_out), jnp.concatenate(allowed), w)
    parts, at = [], 0
    for found in mixtures:
        count, room = found.log_share.shape
        logs = found.log_share + log_share[at : at + count, None]
        parts.append((logs.reshape(-1), *(a.reshape(count * room, *a.shape[2:]) for a in (found.mean, found.root))))
        at += count
    return NormalMixture(*(jnp.concatenate(leaves) for leaves in zip(*parts, strict=True)))


def _stacked(logs: Float[Array, "C N"], allowed: Array, w: Float[Array, " N"]) -> Float[Array, " C"]:
    """Logarithms of the shares that maximise the likelihood of held-out points, by EM."""
    logs = jnp.where(w > 0, logs, 0)
    share = w / jnp.maximum(jnp.sum(w), jnp.finfo(w.dtype).tiny)

    def step(log_share: Array, _: None) -> tuple[Array, None]:
        r = jax.nn.softmax(log_share[:, None] + logs, axis=0)
        return jnp.log(r @ share), None

    begin = jnp.where(allowed, -jnp.log(jnp.sum(allowed).astype(w.dtype)), -jnp.inf)
    return jax.lax.scan(step, begin, length=STACKING_STEPS)[0]


def fit_normal_mixture(x: Float[Array, "N D"], w: Float[Array, " N"], K: Array, room: int, key: Key) -> NormalMixture:
    """A mixture of K normal densities by EM, padded to `room` components; the prior of a covariance is I/K^(2/D)."""
    N, D = x.shape
    used = jnp.arange(room) < K
    prior = jnp.eye(D, dtype=x.dtype) / K.astype(x.dtype) ** (2 / D)
    products = (x[:, :, None] * x[:, None, :]).reshape(N, D * D)

    def step(mixture: NormalMixture, _: None) -> tuple[NormalMixture, None]:
        r = jax.nn.softmax(component_logs(mixture, x), axis=1) * w[:, None]
        n = jnp.sum(r, axis=0)
        mean = jnp.matmul(r.T, x, precision=_EXACT) / jnp.maximum(n, 1e-6)[:, None]
        second = jnp.matmul(r.T, products, precision=_EXACT).reshape(room, D, D)
        scatter = second - n[:, None, None] * mean[:, :, None] * mean[:, None, :]
        root = jnp.linalg.cholesky((scatter + PRIOR * prior[None]) / (n + PRIOR)[:, None, None])
        share = jnp.where(used, n + 1e-3, 0)
        return NormalMixture(jnp.log(share / jnp.sum(share)), mean, root), None

    begin = NormalMixture(
        jnp.where(used, -jnp.log(K.astype(x.dtype)), -jnp.inf),
        _far_apart(x, w, room, key),
        jnp.broadcast_to(jnp.sqrt(prior), (room, D, D)),
    )
    return jax.lax.scan(step, begin, length=STEPS)[0]


def _far_apart(x: Array, w: Array, K: int, key: Key) -> Array:
    """K of the points, each drawn with probability proportional to its squared distance from those before (k-means++:
    Arthur and Vassilvitskii 2007)."""

    def draw(least: Array, key: Key) -> tuple[Array, Array]:
        i = jax.random.categorical(key, jnp.log(w) + jnp.log(jnp.maximum(least, 1e-30)))
        return jnp.minimum(least, jnp.sum(jnp.square(x - x[i][None]), axis=1)), x[i]

    return jax.lax.scan(draw, jnp.ones_like(w), jax.random.split(key, K))[1]


def whitening(
    x: Float[Array, "N D"], w: Float[Array, " N"]
) -> tuple[Float[Array, " D"], Float[Array, " D"], Float[Array, "D D"]]:
    """mean, scale and W: (x − mean)/scale @ W has the identity as its covariance."""
    share = w / jnp.maximum(jnp.sum(w), jnp.finfo(x.dtype).tiny)
    mean = jnp.einsum("n,nd->d", share, jnp.where((w > 0)[:, None], x, 0), precision=_EXACT)
    centred = jnp.where((w > 0)[:, None], x - mean[None], 0)
    scale = jnp.sqrt(jnp.einsum("n,nd->d", share, jnp.square(centred), precision=_EXACT))
    scale = jnp.where(scale > 0, scale, 1)
    centred = centred / scale[None]
    strength, axes = jnp.linalg.eigh(jnp.einsum("n,ni,nj->ij", share, centred, centred, precision=_EXACT))
    least = jnp.finfo(x.dtype).eps * x.shape[1]
    return mean, scale, axes / jnp.sqrt(jnp.maximum(strength, least))[None]
