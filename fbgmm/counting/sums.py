"""Sums of values by cell: integers exactly, floating-point weights right to about 1e-7 for any number of points."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from .._typing import Array, Float, Int
from .ways import histograms


def cell_sums(index: Int[Array, " N"], values: Array, capacity: int) -> Array:
    """Sums of the values in each of so many cells, shape (capacity,), in the values' dtype."""
    return jax.lax.platform_dependent(
        index,
        values,
        cpu=lambda index, values: jax.ops.segment_sum(values, index, capacity),
        default=lambda index, values: histograms(index[None], values[None], capacity)[0],
    )


def weight_sums(index: Int[Array, " N"], weights: Float[Array, " N"], capacity: int) -> Float[Array, " n"]:
    """Sums of floating-point weights in each of so many cells, in float32 by blocks of points.

    Within a block the leading bits of each weight, on a grid so coarse that their sums are exact, are summed apart from
    the rest; the blocks' sums are added with what rounding loses carried on (Knuth's two-sum).
    """
    if weights.dtype == jnp.float64:
        return cell_sums(index, weights, capacity)
    block = min(1 << 14, max(1 << 10, 1 << (capacity - 1).bit_length()))  # a pass over the cells costs no more than one
    if weights.shape[0] <= block:
        block = weights.shape[0]
    blocks = -(-weights.shape[0] // max(block, 1))
    spare = (0, blocks * block - weights.shape[0])
    index, weights = (jnp.pad(a, spare).reshape(blocks, block) for a in (index, weights))
    one_by_one, together = partial(_one_by_one, capacity), partial(_together, capacity)
    return jax.lax.platform_dependent(index, weights, cpu=one_by_one, default=together)


def _one_by_one(capacity: int, index: Int[Array, "B N"], weights: Float[Array, "B N"]) -> Float[Array, " n"]:
    """One block after the other, so that indices and sums stay in a CPU's cache."""

    def add_block(total: tuple[Array, Array], block: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        i, w = block
        leading, rest = (jax.ops.segment_sum(part, i, capacity) for part in _split(w))
        return _add(_add(total, (leading, 0)), (rest, 0)), None

    total = jnp.zeros(capacity, weights.dtype), jnp.zeros(capacity, weights.dtype)
    if weights.shape[0] == 1:
        high, low = add_block(total, (index[0], weights[0]))[0]
    else:
        high, low = jax.lax.scan(add_block, total, (index, weights))[0]
    return high + low


def _together(capacity: int, index: Int[Array, "B N"], weights: Float[Array, "B N"]) -> Float[Array, " n"]:
    """All blocks at once, as an accelerator does it best. Memory as for the points: a block has no fewer than cells."""
    high, low = (histograms(index, part, capacity) for part in jax.vmap(_split)(weights))
    while (blocks := high.shape[0]) > 1:  # by halves: `jax.lax.reduce` has no derivative here
        high, low = (jnp.pad(a, ((0, blocks % 2), (0, 0))) for a in (high, low))
        half = high.shape[0] // 2
        high, low = _add((high[:half], low[:half]), (high[half:], low[half:]))
    return (high + low)[0]


def _split(weights: Float[Array, " N"]) -> tuple[Array, Array]:
    """The leading bits, of which N sum exactly, and the rest."""
    fixed = jax.lax.stop_gradient(weights)
    bits = jnp.finfo(weights.dtype).nmant + 1 - max(weights.shape[0].bit_length() - 1, 0)
    _, exponent = jnp.frexp(jnp.max(fixed, initial=0))
    grid = jnp.ldexp(jnp.ones((), weights.dtype), exponent - bits)
    leading = jnp.round(fixed / jnp.where(grid > 0, grid, 1)) * grid
    return leading, weights - leading


def _add(a: tuple[Array, Array], b: tuple[Array, Array | int]) -> tuple[Array, Array]:
    """Sum of two numbers, each as a pair of a value and what rounding has lost of it."""
    total = a[0] + b[0]
    seen = total - a[0]
    return total, a[1] + b[1] + ((a[0] - (total - seen)) + (b[0] - seen))
