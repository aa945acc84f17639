"""Histogram by comparison: every point with every cell, and a sum over the points. No atomic additions.

N·n comparisons, for floating-point values where a compiler makes a scatter slow. Compilers for GPUs fuse them with the
sum; where one does not, blocks of points and of cells bound the memory. The sums are short, and along the last axis:
one of 65,536 points along the first took XLA minutes to compile.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from .._typing import Array, Int

_CELLS = 256  # compared at a time
_POINTS = 1 << 13  # of a row that are summed at a time
_COMPARISONS = 1 << 28  # made at a time: 1 GiB where they are not fused


def compared(index: Int[Array, "B N"], values: Array | None, capacity: int) -> Array:
    """Sums of the values of each row in its cells; arguments and result as those of `ways.histograms`."""
    if values is not None and values.ndim == 3:
        return jax.vmap(partial(compared, index, capacity=capacity), in_axes=-1, out_axes=-1)(values)
    rows, points = index.shape
    length, width = min(points, _POINTS), min(capacity, _CELLS)
    parts, blocks = -(-points // length), -(-capacity // width)
    spare = ((0, 0), (0, parts * length - points))
    pieces = jnp.pad(index, spare, constant_values=blocks * width).reshape(-1, length)
    added = None if values is None else jnp.pad(values, spare).reshape(-1, length)

    def block(start: Array) -> Array:
        cells = start + jnp.arange(width, dtype=jnp.int32)

        def piece(index_and_values: tuple[Array, Array | None]) -> Array:
            index, values = index_and_values
            hit = index[None, :] == cells[:, None]
            if values is None:
                return jnp.sum(hit, axis=1, dtype=jnp.int32)
            return jnp.sum(jnp.where(hit, values[None, :], 0), axis=1, dtype=values.dtype)

        sums = jax.lax.map(piece, (pieces, added), batch_size=max(1, _COMPARISONS // (length * width)))
        return jnp.sum(sums.reshape(rows, parts, width), axis=1, dtype=sums.dtype)

    found = jax.lax.map(block, width * jnp.arange(blocks, dtype=jnp.int32))
    return jnp.moveaxis(found, 0, 1).reshape(rows, blocks * width)[:, :capacity]
