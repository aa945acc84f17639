"""K-means clustering (Lloyd 1982) with k-means++ starts (Arthur and Vassilvitskii 2007), of many data sets at once."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from ..._typing import Array, Float, Int, Key

_STEPS = 20


@partial(jax.jit, static_argnames=("clusters", "min_size"))
def k_means(
    key: Key, x: Float[Array, "C N D"], weights: Float[Array, "C N"], clusters: int, min_size: int
) -> Int[Array, "C N"]:
    """The cluster of each point, 0 to clusters − 1, for each of C data sets.

    Clusters with fewer than `min_size` points are dissolved: their points go to the nearest of the others.

    Args:
        key: for the start: each centre is a point drawn with probability as its squared distance to those before.
        x: points.
        weights: 0 for points that are absent, 1 for others.
        clusters: how many; static.
        min_size: points that a cluster needs; static.
    """
    keys = jax.random.split(key, x.shape[0])
    return jax.vmap(partial(_of_one_set, clusters=clusters, min_size=min_size))(keys, x, weights)


def _of_one_set(key: Key, x: Array, w: Array, clusters: int, min_size: int) -> Array:
    keys = jax.random.split(key, clusters)

    def add_centre(k: Array, centres: Array) -> Array:
        before = (jnp.arange(clusters) < k)[None, :]
        near = jnp.min(jnp.where(before, _squared_distances(x, centres), jnp.inf), axis=1)
        chance = w * jnp.where(k == 0, 1.0, near)
        return centres.at[k].set(x[jax.random.categorical(keys[k], jnp.log(chance))])

    def step(centres: Array, _: None) -> tuple[Array, None]:
        members = _members(jnp.argmin(_squared_distances(x, centres), axis=1), w, clusters)
        size = jnp.sum(members, axis=0)[:, None]
        return jnp.where(size > 0, jnp.matmul(members.T, x, precision="highest") / jnp.maximum(size, 1), centres), None

    centres = jax.lax.fori_loop(0, clusters, add_centre, jnp.zeros((clusters, x.shape[1]), x.dtype))
    centres, _ = jax.lax.scan(step, centres, None, length=_STEPS)
    squares = _squared_distances(x, centres)
    size = jnp.sum(_members(jnp.argmin(squares, axis=1), w, clusters), axis=0)
    large = (size >= min_size) | (size == jnp.max(size))
    return jnp.argmin(jnp.where(large[None, :], squares, jnp.inf), axis=1)


def _squared_distances(x: Array, centres: Array) -> Array:
    """Shape (N, clusters)."""
    cross = jnp.matmul(x, centres.T, precision="highest")
    square = jnp.sum(x * x, axis=1)[:, None] - 2 * cross + jnp.sum(centres * centres, axis=1)[None, :]
    return jnp.maximum(square, 0)


def _members(cluster: Array, w: Array, clusters: int) -> Array:
    return jax.nn.one_hot(cluster, clusters, dtype=w.dtype) * w[:, None]
