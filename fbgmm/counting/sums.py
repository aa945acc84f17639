"""Sums of values by cell: integers exactly, floating-point weights right to about 1e-7 for any number of points."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from .. import checks
from .._typing import Array, Float, Int, Shaped
from .ways import histograms

Index = Callable[[Array], Array]


def scatter_add(sums: Shaped[Array, " cells"], index: Int[Array, " N"], values: Shaped[Array, " N"]) -> Array:
    """The sums with each value added at its index, in order; an index of at least `cells` is dropped.

    `sums.at[index].add(values)` is slower on a CPU: it lets negative indices count from the end.
    """
    one_cell = jax.lax.ScatterDimensionNumbers((), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
    return jax.lax.scatter_add(sums, index[:, None], values, one_cell, mode=jax.lax.GatherScatterMode.FILL_OR_DROP)


def cell_sums(index: Int[Array, " N"], values: Array, capacity: int) -> Array:
    """Sums of the values in each of so many cells, shape (capacity,), in the values' dtype."""
    return jax.lax.platform_dependent(
        index,
        values,
        cpu=lambda index, values: scatter_add(jnp.zeros(capacity, values.dtype), index, values),
        default=lambda index, values: histograms(index[None], values[None], capacity)[0],
    )


def weight_sums(index_of: Index, x: Float[Array, " N"], weights: Float[Array, " N"], zero: Float[Array, " n"]) -> Array:
    """Sums of floating-point weights in each cell. In float32 right to about 1e-7 for any number of points.

    In float32 by blocks of points: within a block the leading bits of each weight, on a grid so coarse that their sums
    are exact, are summed apart from the rest; the blocks' sums are added with what rounding loses carried on (Knuth's
    two-sum). On a CPU block by block, without an array of the data's length; elsewhere all blocks at once.

    Args:
        index_of: the cells of points.
        x, weights: what is not `checks.usable` is absent.
        zero: sums to begin with, whose shape and dtype those of the result are.
    """
    cells = zero.shape[0]
    block = min(1 << 14, max(1 << 10, 1 << (cells - 1).bit_length()))  # a pass over the cells costs no more than one

    def present(x: Array, weights: Array) -> Array:
        return jnp.where(checks.usable(x, weights), weights, 0).astype(zero.dtype)

    def add_block(total: tuple[Array, Array], part: tuple[Array, ...]) -> tuple[tuple[Array, Array], None]:
        x, weights = part
        w, i = present(x, weights), index_of(x)
        if w.dtype == jnp.float64:
            return (scatter_add(total[0], i, w), zero), None
        leading, rest = (scatter_add(zero, i, a) for a in _split(w, block))
        return _add(_add(total, (leading, 0)), (rest, 0)), None

    def block_by_block(x: Array, weights: Array) -> Array:
        whole, total = x.shape[0] // block * block, (zero, zero)
        if whole:
            total = jax.lax.scan(add_block, total, tuple(a[:whole].reshape(-1, block) for a in (x, weights)))[0]
        if whole < x.shape[0]:
            total = add_block(total, (x[whole:], weights[whole:]))[0]
        return total[0] + total[1]

    def all_at_once(x: Array, weights: Array) -> Array:
        w, i = present(x, weights), index_of(x)
        if w.dtype == jnp.float64:
            return histograms(i[None], w[None], cells)[0]
        w, i = (jnp.pad(a, (0, -x.shape[0] % block)).reshape(-1, block) for a in (w, i))
        parts = jnp.stack(jax.vmap(lambda w: _split(w, block))(w), axis=-1)
        high, low = jnp.moveaxis(histograms(i, parts, cells), -1, 0)  # one scatter of pairs: they lie side by side
        while (blocks := high.shape[0]) > 1:  # by halves: `jax.lax.reduce` has no derivative here
            high, low = (jnp.pad(a, ((0, blocks % 2), (0, 0))) for a in (high, low))
            half = high.shape[0] // 2
            high, low = _add((high[:half], low[:half]), (high[half:], low[half:]))
        return jnp.sum(high + low, axis=0)

    return jax.lax.platform_dependent(x, weights, cpu=block_by_block, default=all_at_once)


def _split(weights: Float[Array, " N"], block: int) -> tuple[Array, Array]:
    """The leading bits, of which those of a block sum exactly, and the rest."""
    fixed = jax.lax.stop_gradient(weights)
    bits = jnp.finfo(weights.dtype).nmant + 1 - (block.bit_length() - 1)
    _, exponent = jnp.frexp(jnp.max(fixed, initial=0))
    grid = jnp.ldexp(jnp.ones((), weights.dtype), exponent - bits)
    leading = jnp.round(fixed / jnp.where(grid > 0, grid, 1)) * grid
    return leading, weights - leading


def _add(a: tuple[Array, Array], b: tuple[Array, Array | int]) -> tuple[Array, Array]:
    """Sum of two numbers, each as a pair of a value and what rounding has lost of it."""
    total = a[0] + b[0]
    seen = total - a[0]
    return total, a[1] + b[1] + ((a[0] - (total - seen)) + (b[0] - seen))
