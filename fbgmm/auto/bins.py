"""Counts on the bins of a coordinate: tied values spread over the cells of their rounding, and folds drawn of them."""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import Array, Bool, Float
from .coordinate import Coordinate, x_of
from .octaves import BINS
from .sample import Sample

FOLDS = 5
HEAVY = 1 / 64
_SEVERAL = 3  # points: of less a value is not heavy, however few the data
_REACH = 8  # bins: four widths of the narrowest component
_SEED = 20230215
_ONE_BY_ONE = 16  # points of a bin up to which each draws its fold; of more, the numbers are nearly normal


def bin_edges(at: Coordinate) -> Float[Array, " edges"]:
    """Edges of the bins over the range of the data, in its units; shape (BINS + 1,)."""
    return x_of(at, jnp.arange(BINS + 1, dtype=at.x.dtype) / BINS)


def count_sample(edges: Float[Array, " edges"], sample: Sample) -> Float[Array, " bins"]:
    """How much of the sample falls into each bin."""
    below = jnp.concatenate([jnp.zeros(1, sample.w.dtype), jnp.cumsum(sample.w)])
    inner = below[jnp.searchsorted(sample.x, edges[1:-1], side="left")]
    return jnp.diff(jnp.concatenate([jnp.zeros(1, inner.dtype), inner, below[-1:]]))


def resolved(edges: Float[Array, " edges"], sample: Sample) -> Bool[Array, " edges"]:
    """At which edges the share of the data below says something: not within the cell of a rounded value."""
    size = sample.x.shape[0]
    above = jnp.searchsorted(sample.x, edges, side="left")
    lower, upper = jnp.maximum(above - 1, 0), jnp.minimum(above, size - 1)
    half = jnp.asarray(jnp.gradient(edges)) / 2
    in_lower = (above > 0) & (sample.x[lower] + sample.right[lower] - edges > half)
    in_upper = (above < size) & (edges - (sample.x[upper] - sample.left[upper]) > half)
    ends = jnp.asarray(np.isin(np.arange(BINS + 1), (0, BINS)))
    return ends | ~(in_lower | in_upper)


def spread(counts: Float[Array, "*rows bins"], at: Bool[Array, " edges"]) -> Float[Array, "*rows bins"]:
    """Counts spread evenly between neighbouring resolved edges."""
    i = jnp.arange(BINS + 1)
    first = jax.lax.cummax(jnp.where(at, i, 0))
    last = jax.lax.cummin(jnp.where(at, i, BINS), reverse=True)
    below = jnp.concatenate([jnp.zeros_like(counts[..., :1]), jnp.cumsum(counts, axis=-1)], axis=-1)
    # Of each bin: the resolved edges on either side, and its share of what lies between them.
    a, b = first[:-1], last[1:]
    bins = jnp.broadcast_to(b - a, counts.shape)
    even = (below[..., b] - below[..., a]) / bins.astype(counts.dtype)
    return jnp.where(bins > 1, even, counts)


def heavy_bins(edges: Float[Array, " edges"], at: Bool[Array, " edges"], sample: Sample) -> Bool[Array, " bins"]:
    """The bins of values that hold more than `HEAVY` of the points each, and those that a narrow component reaches."""
    much = sample.same > jnp.maximum(HEAVY * jnp.sum(sample.w), _SEVERAL)
    own = spread(count_sample(edges, sample._replace(w=jnp.where(much, sample.w, 0))), at)
    reach = jnp.ones(2 * _REACH + 1, own.dtype)
    return jnp.convolve((own > 0).astype(own.dtype), reach, mode="same") > 0.5


def thin(counts: Float[Array, " bins"]) -> Float[Array, "folds bins"]:
    """Splits counts at random into folds, as if each point had drawn its fold; the same draws always.

    Few points in a bin draw their folds one by one. For many the numbers are rounded normal ones of the same mean and
    covariance: a Brownian bridge. What is not whole is split evenly.
    """
    taken, bridge = _draws(counts.shape[0])
    whole = jnp.floor(counts)
    few = jnp.take_along_axis(
        jnp.asarray(taken, counts.dtype), jnp.minimum(whole, _ONE_BY_ONE).astype(int)[None, None], 1
    )
    share = np.arange(1, FOLDS)[:, None] / FOLDS
    row = whole[None]
    walk = row * jnp.asarray(share, counts.dtype) + jnp.sqrt(row) * jnp.asarray(bridge, counts.dtype)
    ends = [jnp.zeros_like(whole)]
    for step in jnp.clip(jnp.round(walk), 0, row):
        ends.append(jnp.maximum(ends[-1], step))
    many = jnp.diff(jnp.stack([*ends, whole]), axis=0)
    return jnp.where(row > _ONE_BY_ONE, many, few[:, 0]) + (counts - whole)[None] / FOLDS


@lru_cache
def _draws(bins: int) -> tuple[np.ndarray, np.ndarray]:
    """How many of the first 0, 1, 2 … points of a bin go to each fold, shape (FOLDS, 17, bins), and the bridges."""
    rng = np.random.default_rng(_SEED)
    fold = rng.integers(0, FOLDS, (_ONE_BY_ONE, bins))
    taken = np.zeros((FOLDS, _ONE_BY_ONE + 1, bins), np.int8)
    taken[:, 1:] = np.cumsum(fold[None] == np.arange(FOLDS)[:, None, None], axis=1)
    steps = rng.standard_normal((FOLDS, bins)) / np.sqrt(FOLDS)
    return taken, np.cumsum(steps - steps.mean(axis=0), axis=0)[:-1].astype(np.float32)
