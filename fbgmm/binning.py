"""Binning: how many points of each row fall into each cell of the basis, at the speed of memory.

What is fast depends on the shape and the platform; `python -m benchmarks speed` measures it. On a CPU, XLA's scatter
costs about the same for each point whatever the number of cells, as long as indices and counts stay in cache: long rows
are therefore counted in chunks, and many short rows in blocks, each one flat scatter. On other platforms all rows are
one flat scatter, whose additions run in parallel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from . import checks
from ._typing import Array, Bool, Float, Int, Shaped
from .basis import Basis

_CHUNK = 1 << 14  # points of a long row whose indices are made at a time
_BLOCK_POINTS = 1 << 18  # of several short rows
_BLOCK_CELLS = 1 << 19


def cell_index(basis: Basis, x: Float[Array, "*points"]) -> Int[Array, "*points"]:
    """Index of the mean nearest to each point; points outside [low, high] belong to the end cells.

    A point midway between two means belongs to the upper one. NaN gives any cell: mask it.
    """
    if basis.bounds is not None:
        return jnp.clip(jnp.searchsorted(basis.bounds, x, side="right") - 1, 0, basis.capacity - 1).astype(jnp.int32)
    return _index(x, basis.low, basis.r, _last(basis), basis.capacity)


def cell_counts(basis: Basis, x: Float[Array, " N"], present: Bool[Array, " N"] | None = None) -> Int[Array, " n"]:
    """How many points of x fall into each cell of one basis, in int32 (N below 2^31).

    Args:
        basis: without batch axes. Under `jax.vmap` the rows are counted together (`jax.custom_batching`).
        x: shape (N,). Points that are not finite, or too large to square, are left out.
        present: which points to count; None: all.
    """
    rows = (x, basis.low, basis.r, _last(basis)) + (() if present is None else (present,))
    rows = jax.lax.stop_gradient(rows)  # counts are constant almost everywhere
    return _rows_counted(basis.capacity)(*(a[None] for a in rows))[0].astype(jnp.int32)


def _last(basis: Basis) -> Array:
    return basis.n.astype(jnp.int32) - 1


def _index(x: Array, low: Array, r: Array, last: Array, capacity: int) -> Array:
    # By the reciprocal: compilers replace a division by it in some places and not in others, and a point on the edge of
    # a cell must not change sides. Clipped while still floating: converting inf to an integer is undefined.
    return jnp.minimum(jnp.clip((x - low) * (1 / r), 0, capacity).astype(jnp.int32), last)


@lru_cache
def _rows_counted(capacity: int) -> Callable[..., Array]:
    """(x (B, N), low (B,), r (B,), last (B,)[, present (B, N)]) → counts (B, capacity), closed under `jax.vmap`."""

    @custom_vmap
    def rows(*arguments: Array) -> Array:
        return jax.lax.platform_dependent(
            *arguments,
            cpu=lambda *a: _on_cpu(capacity, *a),
            default=lambda *a: _flat(capacity, jnp.int32, *a).astype(_narrowest(a[0].shape[1])),
        )

    @rows.def_vmap
    def _(size: int, batched: list[bool], *arguments: Array) -> tuple[Array, bool]:
        # A new leading axis: broadcast what lacks it, count all rows as one batch, and give the axis back.
        full = [a if b else jnp.broadcast_to(a, (size, *a.shape)) for a, b in zip(arguments, batched, strict=True)]
        merged = rows(*(a.reshape(-1, *a.shape[2:]) for a in full))
        return merged.reshape(size, -1, capacity), True

    return rows


def rows_at_a_time(length: int, capacity: int) -> int:
    """How many rows of that length a CPU should count together, so that indices and counts stay in cache."""
    most = max(1, min(_BLOCK_POINTS // max(length, 1), _BLOCK_CELLS // capacity))
    return 1 << (most.bit_length() - 1)


def in_blocks(f: Callable[[Any], Any], rows: Any, size: int) -> Any:
    """f over blocks of `size` rows, one after the other, without a copy of the rows.

    Args:
        f: from a pytree of arrays with a leading axis to such a pytree, row by row.
        rows: a pytree of arrays with a common leading axis, at least `size` long.
    """
    count = jax.tree.leaves(rows)[0].shape[0]
    structure: Any = None

    def block(start: Any) -> list[Array]:
        nonlocal structure
        found = f(jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, start, size), rows))
        leaves, structure = jax.tree.flatten(found)
        return leaves

    def write(j: Array, done: list[Array]) -> list[Array]:
        start = jnp.minimum(j * size, count - size)  # the last block is moved back to end with the rows
        put = partial(jax.lax.dynamic_update_slice_in_dim, start_index=start, axis=0)
        return list(map(put, done, block(start)))

    empty = [jnp.zeros((count, *leaf.shape[1:]), leaf.dtype) for leaf in jax.eval_shape(block, 0)]
    return jax.tree.unflatten(structure, jax.lax.fori_loop(0, -(-count // size), write, empty))


def _on_cpu(capacity: int, x: Array, *rest: Array) -> Array:
    rows, (count, length) = (x, *rest), x.shape
    if length > _CHUNK:

        def each(row: tuple[Array, ...]) -> Array:
            return _long_row(capacity, *row)

        return each(tuple(a[0] for a in rows))[None] if count == 1 else jax.lax.map(each, rows)
    size, flat = rows_at_a_time(length, capacity), partial(_flat, capacity, _narrowest(length))
    return flat(*rows) if count <= size else in_blocks(lambda block: flat(*block), rows, size)


def _flat(
    capacity: int, dtype: Any, x: Array, low: Array, r: Array, last: Array, present: Array | None = None
) -> Array:
    """All rows as one scatter into B·capacity cells."""
    cells = x.shape[0] * capacity
    index = _index(x, low[:, None], r[:, None], last[:, None], capacity)
    index = index + capacity * jnp.arange(x.shape[0], dtype=jnp.int32)[:, None]
    return _add(jnp.zeros(cells, dtype), index, x, present).reshape(x.shape[0], capacity)


def _narrowest(length: int) -> Any:
    """Narrow integers for counts of short rows: more cells fit in cache, and they take less fresh memory."""
    return jnp.uint8 if length < 1 << 8 else jnp.uint16 if length <= _CHUNK else jnp.int32


def _long_row(capacity: int, x: Array, low: Array, r: Array, last: Array, present: Array | None = None) -> Array:
    """One row, in chunks whose indices stay in cache; no array of the row's length."""

    def add(counts: Array, x: Array, present: Array | None) -> Array:
        return _add(counts, _index(x, low, r, last, capacity), x, present)

    def add_chunk(j: Array, counts: Array) -> Array:
        return add(counts, *_each(lambda a: jax.lax.dynamic_slice_in_dim(a, j * _CHUNK, _CHUNK), x, present))

    chunks = x.shape[0] // _CHUNK
    counts = jax.lax.fori_loop(0, chunks, add_chunk, jnp.zeros(capacity, jnp.int32))
    return add(counts, *_each(lambda a: a[chunks * _CHUNK :], x, present))


def _each(f: Callable[[Array], Array], x: Array, present: Array | None) -> tuple[Array, Array | None]:
    return f(x), None if present is None else f(present)


def _add(counts: Array, index: Array, x: Array, present: Array | None) -> Array:
    index = jnp.where(checks.usable(x, present), index, counts.shape[0]).reshape(-1)
    return scatter_add(counts, index, jnp.ones(index.shape, counts.dtype))


def scatter_add(sums: Shaped[Array, " cells"], index: Int[Array, " N"], values: Shaped[Array, " N"]) -> Array:
    """The sums with each value added at its index, in order; an index of at least `cells` is dropped.

    `sums.at[index].add(values)` is slower on a CPU: it lets negative indices count from the end.
    """
    one_cell = jax.lax.ScatterDimensionNumbers((), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
    return jax.lax.scatter_add(sums, index[:, None], values, one_cell, mode=jax.lax.GatherScatterMode.FILL_OR_DROP)
