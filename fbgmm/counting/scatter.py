"""Histograms by a scatter-add: atomic additions on an accelerator, into one counter for each cell or several.

Where many threads add to one counter they wait for each other: with few cells, copies spread them over more counters.
Threads that add at the same time are served best where their counters lie close together: neighbours share a copy.
"""

from __future__ import annotations

import jax.numpy as jnp

from .._typing import Array, Int

_COUNTERS = 1 << 19
"""Of all cells, rows and copies together. With 2^17 an H100 is slower by 10 to 20 %, and no faster with 2^21."""

_NEIGHBOURS = 32  # the threads of a warp on NVIDIA's GPUs: they add at the same time
_POINTS = 256  # of a copy, at least: fewer are not worth the sum over copies

MOST_PACKED = 255  # points of a row whose counts fit in bytes


def scattered(index: Int[Array, "B N"], values: Array | None, capacity: int, copies: int = 1) -> Array:
    """Sums of the values of each row in its cells; arguments and result as those of `ways.histograms`.

    Args:
        copies: how many counters each cell has; points take them in turns.
    """
    rows, points = index.shape
    copy = jnp.arange(points, dtype=jnp.int32) // _NEIGHBOURS % copies
    counters = copies * jnp.arange(rows, dtype=jnp.int32)[:, None] + copy[None, :]
    at = jnp.where(index < capacity, counters * capacity + index, rows * copies * capacity)  # beyond the end: dropped
    sums = _add(rows * copies * capacity, at, values)
    return sums.reshape(rows, copies, capacity, *sums.shape[1:]).sum(1, dtype=sums.dtype)


def replicated(index: Int[Array, "B N"], values: Array | None, capacity: int) -> Array:
    """As `scattered`, with about 2^19 counters: many copies of few cells, one of many."""
    rows, points = index.shape
    return scattered(index, values, capacity, max(1, min(_COUNTERS // (rows * capacity), points // _POINTS)))


def packed(index: Int[Array, "B N"], values: Array | None, capacity: int) -> Array:
    """Counts of short rows, four cells in the bytes of one counter: a quarter of the memory to clear, add to and read.

    Raises:
        ValueError: values, or rows of more than `MOST_PACKED` points.
    """
    rows, points = index.shape
    if values is not None or points > MOST_PACKED:
        raise ValueError(f"packed counts are of at most {MOST_PACKED} points without values; found {points}")
    words = -(-capacity // 4)
    at = jnp.where(index < capacity, words * jnp.arange(rows, dtype=jnp.int32)[:, None] + index // 4, rows * words)
    sums = _add(rows * words, at, jnp.left_shift(1, 8 * (index % 4)))
    bytes_of = sums.reshape(rows, words, 1) >> (8 * jnp.arange(4, dtype=jnp.int32))[None, None, :] & 255
    return bytes_of.reshape(rows, 4 * words)[:, :capacity]


def _add(counters: int, at: Array, values: Array | None) -> Array:
    if values is None:
        return jnp.zeros(counters, jnp.int32).at[at.reshape(-1)].add(1, mode="drop")
    zero = jnp.zeros((counters, *values.shape[2:]), values.dtype)
    return zero.at[at.reshape(-1)].add(values.reshape(-1, *values.shape[2:]), mode="drop")
