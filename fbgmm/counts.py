"""The one place that touches raw data: how many points, or how much weight, fell into each cell of the basis.

Counts add up. One piece of code therefore serves a single fit, a batch, weighted and padded data, and streams.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from . import checks
from ._typing import Array, Float, Int
from .basis import Basis
from .binning import cell_index, tally

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


def count(basis: Basis, x: Float[Array, " N"], weights: Any = None) -> Counts:
    """Counts of the data in the cells of one basis. O(N) time, O(n) memory beside the data.

    Points that are not finite (or too large to square) and points of weight zero or below are absent. `jax.vmap` of
    this function runs the form for many rows of `fbgmm.binning`, not a loop.

    Args:
        basis: a basis without batch axes; use `jax.vmap` for many.
        x: data, shape (N,).
        weights: None, or data weights of shape (N,); integers and booleans are summed exactly.
    """
    if weights is None or weights.dtype == jnp.bool_:
        return _carry(no_counts(basis)._replace(units=tally(basis, x, weights)))
    used = jnp.abs(x) <= checks.largest(x.dtype)
    index = cell_index(basis, x)
    if not jnp.issubdtype(weights.dtype, jnp.floating):
        whole = jnp.where(used, jnp.maximum(weights.astype(jnp.int32), 0), 0)
        return _carry(no_counts(basis)._replace(units=jax.ops.segment_sum(whole, index, basis.capacity)))
    good = used & (weights > 0) & (weights <= checks.largest(weights.dtype))
    weight = jax.ops.segment_sum(jnp.where(good, weights, 0).astype(basis.dtype), index, basis.capacity)
    return no_counts(basis)._replace(weight=weight)


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
