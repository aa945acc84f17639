"""Histogram by a scatter-add into one array of counters for each row, or into several copies that are added at the end.

Where many threads add to one address they wait for each other: with few cells, copies spread them over more addresses.
"""

from __future__ import annotations

import jax.numpy as jnp

from .._typing import Array, Int

COPIES = 32  # the threads of a warp, which add at the same time, each have their own
_MOST_COUNTERS = 1 << 28  # of all rows: 1 GiB


def scattered(index: Int[Array, "B N"], values: Array | None, capacity: int, copies: int = 1) -> Array:
    """Sums of the values of each row in its cells, shape (B, capacity); arguments as those of `ways.histograms`.

    Args:
        copies: how many counters each cell has; neighbouring points use different ones.
    """
    rows, points = index.shape
    copy = jnp.arange(points, dtype=jnp.int32) % copies
    counters = copies * jnp.arange(rows, dtype=jnp.int32)[:, None] + copy[None, :]
    cells = rows * copies * capacity
    at = jnp.where(index < capacity, counters * capacity + index, cells)  # beyond the end: dropped
    added = 1 if values is None else values.reshape(-1)
    sums = jnp.zeros(cells, jnp.int32 if values is None else values.dtype).at[at.reshape(-1)].add(added, mode="drop")
    return sums.reshape(rows, copies, capacity).sum(1, dtype=sums.dtype)


def replicated(index: Int[Array, "B N"], values: Array | None, capacity: int) -> Array:
    """As `scattered`, with `COPIES` counters for each cell, or fewer where memory would not hold them."""
    return scattered(index, values, capacity, max(1, min(COPIES, _MOST_COUNTERS // (index.shape[0] * capacity))))
