"""Counts of the data in the cells of the basis: how many points, or how much weight. They add up.

One piece of code therefore serves a single fit, a batch, weighted and padded data, and streams.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from . import checks
from ._typing import Array, Float, Int
from .basis import Basis
from .binning import cell_counts, cell_index

_WORD = 20  # bits kept in `units`; the rest is carried into `blocks`


class Counts(NamedTuple):
    """Points in each cell. Adding two of them leaf by leaf merges them, also by an all-reduce over up to 2^10 devices.

    Points without weights, or with integer weights, are counted in integers: `units + blocks·2^20`, exact up to 2^51
    points in a cell in either precision. Floating-point weights are summed apart, in `weight`.

    Attributes:
        units, blocks: the two words of the integer count, shape (n,).
        weight: sum of the floating-point data weights, shape (n,).
    """

    units: Int[Array, "*batch n"]
    blocks: Int[Array, "*batch n"]
    weight: Float[Array, "*batch n"]


def no_counts(basis: Basis) -> Counts:
    """Empty counts for a basis."""
    zero = jnp.zeros(basis.capacity, jnp.int32)
    return Counts(zero, zero, jnp.zeros(basis.capacity, basis.dtype))


def count(basis: Basis, x: Float[Array, " N"], weights: Array | None = None) -> Counts:
    """Counts of the data in the cells of one basis. O(N) time, O(n) memory beside the data.

    Points that are not finite (or too large to square) and points of weight zero or below are absent. `jax.vmap` of
    this function runs the form for many rows of `fbgmm.binning`, not a loop.

    Args:
        basis: a basis without batch axes; use `jax.vmap` for many.
        x: data, shape (N,).
        weights: None, or data weights of shape (N,); integers and booleans are summed exactly.
    """
    if weights is None or weights.dtype == jnp.bool_:
        return _carry(no_counts(basis)._replace(units=cell_counts(basis, x, weights)))
    index, present = cell_index(basis, x), jnp.where(checks.usable(x, weights), weights, 0)
    if not jnp.issubdtype(weights.dtype, jnp.floating):
        units = jax.ops.segment_sum(present.astype(jnp.int32), index, basis.capacity)
        return _carry(no_counts(basis)._replace(units=units))
    return no_counts(basis)._replace(weight=_weight_sums(present.astype(basis.dtype), index, basis.capacity))


def _weight_sums(weights: Array, index: Array, cells: int) -> Array:
    """Sums of floating-point weights by cell. In float32 by blocks, right to about 1e-7 for any number of points.

    Within a block the leading bits of each weight, on a grid so coarse that their sums are exact, are summed apart from
    the rest; the blocks' sums are added with what rounding loses carried on (Knuth's two-sum).
    """
    if weights.dtype == jnp.float64:
        return jax.ops.segment_sum(weights, index, cells)
    block = min(1 << 14, max(1 << 10, 1 << (cells - 1).bit_length()))  # a pass over the cells costs no more than one
    bits = jnp.finfo(weights.dtype).nmant + 1 - (block.bit_length() - 1)

    def add_block(total: tuple[Array, Array], part: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        w, i = part
        fixed = jax.lax.stop_gradient(w)
        _, exponent = jnp.frexp(jnp.max(fixed, initial=0))
        grid = jnp.ldexp(jnp.ones((), w.dtype), exponent - bits)
        leading = jnp.round(fixed / jnp.where(grid > 0, grid, 1)) * grid
        sums = [jax.ops.segment_sum(a, i, cells) for a in (leading, w - leading)]
        return _two_sum(*_two_sum(*total, sums[0]), sums[1]), None

    zero = jnp.zeros(cells, weights.dtype)
    missing = -weights.shape[0] % block if weights.shape[0] > block else 0
    w, i = (jnp.pad(a, (0, missing)) for a in (weights, index))
    if w.shape[0] <= block:
        high, low = add_block((zero, zero), (w, i))[0]
    else:
        high, low = jax.lax.scan(add_block, (zero, zero), (w.reshape(-1, block), i.reshape(-1, block)))[0]
    return high + low


def _two_sum(high: Array, low: Array, more: Array) -> tuple[Array, Array]:
    """high + low + more as two numbers, the second being what the first has lost."""
    total = high + more
    seen = total - high
    return total, low + ((high - (total - seen)) + (more - seen))


def add(a: Counts, b: Counts) -> Counts:
    """Merges two counts of the same basis; exact for the integer part."""
    return _carry(jax.tree.map(jnp.add, a, b))


def total(counts: Counts) -> Float[Array, "*batch n"]:
    """Count in each cell as floating point: the c_i of the algorithms. Rounded once, at the end."""
    dtype = counts.weight.dtype
    whole = counts.blocks.astype(dtype) * 2**_WORD + counts.units.astype(dtype)
    return whole + counts.weight


def _carry(counts: Counts) -> Counts:
    over = counts.units >> _WORD
    return counts._replace(units=counts.units - (over << _WORD), blocks=counts.blocks + over)
