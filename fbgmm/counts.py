"""Counts of the data in the cells of the basis: how many points, or how much weight. They add up.

One piece of code therefore serves a single fit, a batch, weighted and padded data, and streams.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from . import checks
from ._typing import Array, Float, Int
from .basis import Basis
from .binning import cell_counts, cell_index
from .counting.sums import cell_sums, weight_sums

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
    empty = no_counts(basis)
    if weights is None or weights.dtype == jnp.bool_:
        return _carry(empty._replace(units=cell_counts(basis, x, weights)))
    index_of = partial(cell_index, basis)
    if jnp.issubdtype(weights.dtype, jnp.floating):
        return empty._replace(weight=weight_sums(index_of, x, weights, empty.weight))
    present = jnp.where(checks.usable(x, weights), weights, 0).astype(jnp.int32)
    return _carry(empty._replace(units=cell_sums(index_of(x), present, basis.capacity)))


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
