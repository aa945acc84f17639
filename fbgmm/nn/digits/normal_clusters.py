"""Clusters with normal densities of their own shapes, of many data sets at once: hard EM after k-means.

k-means takes all clusters for balls of one size. Here each has a full covariance and a share, and points go to the
cluster under which they are most probable (classification EM: Celeux and Govaert 1992, A classification EM algorithm
for clustering and two stochastic versions).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from ..._typing import Array, Float, Int, Key
from ...multivariate.normal_mixtures import NormalMixture, component_logs
from ...multivariate.stacked import FLOOR
from .k_means import k_means

STEPS = 5
"""On the digits' codes ten steps gain nothing over five (held-out log-likelihood)."""


@partial(jax.jit, static_argnames=("clusters", "min_size"))
def normal_clusters(
    key: Key, x: Float[Array, "C N D"], weights: Float[Array, "C N"], clusters: int, min_size: int
) -> Int[Array, "C N"]:
    """The cluster of each point, 0 to clusters − 1, for each of C data sets.

    Clusters with fewer than `min_size` points are dissolved.

    Args:
        key: for the start of k-means.
        x: points.
        weights: 0 for points that are absent, 1 for others.
        clusters: how many; static.
        min_size: points that a cluster needs; static.
    """
    start = k_means(key, x, weights, clusters, min_size)
    of_one = partial(_of_one_set, clusters=clusters, min_size=min_size)
    return jax.lax.map(lambda one: of_one(*one), (x, weights, start))


def _of_one_set(x: Array, w: Array, start: Array, clusters: int, min_size: int) -> Array:
    share = (w / jnp.sum(w))[:, None]
    x = x - jnp.sum(share * x, axis=0, keepdims=True)
    floor = FLOOR * jnp.diag(jnp.sum(share * x * x, axis=0))  # for clusters that are flat

    def sizes(cluster: Array) -> Array:
        return jax.ops.segment_sum(w, cluster, clusters)

    def component(cluster: Array, size: Array, k: Array) -> Array:
        """log(share · density) of cluster k at all points."""
        member = jnp.where(cluster == k, w, 0)[:, None] / jnp.maximum(size[k], 1)
        mean = jnp.sum(member * x, axis=0, keepdims=True)
        away = x - mean
        covariance = jnp.matmul((member * away).T, away, precision="highest")
        mixture = NormalMixture(jnp.log(size[k])[None], mean, jnp.linalg.cholesky(covariance + floor)[None])
        return jnp.where(size[k] >= min_size, component_logs(mixture, x)[0], -jnp.inf)

    def step(_: Array, cluster: Array) -> Array:
        logs = jax.lax.map(partial(component, cluster, sizes(cluster)), jnp.arange(clusters))
        # Once more among those that stay large enough, so that none is left with a few points.
        size = sizes(jnp.argmax(logs, axis=0))
        return jnp.argmax(jnp.where((size >= min_size)[:, None], logs, -jnp.inf), axis=0)

    return jax.lax.fori_loop(0, STEPS, step, start)
