"""Search of sorted edges for many points, by a table of equal buckets instead of bisection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from .._typing import Array, Bool, Float, Int, Shaped

_BUCKETS = 4  # for each interval
_STEPS = 2  # edges in a bucket that are searched one by one
_ROUNDING = 0.01  # of a bucket: its number may be off by less
_BLOCK, _CHUNK = 64, 4096
"""Points to repair are found by blocks, since looking for each costs more than repairing its neighbours."""


def interval_index(
    edges: Float[Array, " edges"], x: Float[Array, "*points"], closed: Literal["left", "right"] = "left"
) -> Int[Array, "*points"]:
    """i with edges[i] ≤ x < edges[i + 1], or with < and ≤ where `closed` on the right.

    Points outside belong to the first and the last interval, NaN to any.

    Points in a bucket with many edges are bisected; the fewer there are, the quicker.
    """
    intervals, side = edges.shape[0] - 1, "right" if closed == "left" else "left"

    def bisected(x: Array) -> Array:
        return jnp.clip(jnp.searchsorted(edges, x, side=side) - 1, 0, intervals - 1).astype(jnp.int32)

    buckets = _BUCKETS * intervals
    per_unit = buckets / (edges[-1] - edges[0])
    number = jnp.arange(buckets, dtype=edges.dtype)
    first = bisected(edges[0] + (number - _ROUNDING) / per_unit)
    crowded = bisected(edges[0] + (number + 1 + _ROUNDING) / per_unit) - first > _STEPS
    at = jnp.clip((x - edges[0]) * per_unit, 0, buckets - 1).astype(jnp.int32)
    i = first[at]
    for _ in range(_STEPS):
        beyond = x >= edges[i + 1] if closed == "left" else x > edges[i + 1]
        i = jnp.where((i < intervals - 1) & beyond, i + 1, i)
    return repaired(bisected, i, crowded[at], x)


def repaired(
    exact: Callable[[Array], Array],
    y: Shaped[Array, "*points"],
    wrong: Bool[Array, "*points"],
    x: Float[Array, "*points"],
) -> Shaped[Array, "*points"]:
    """y, where `wrong` by exact(x) instead. Costs little where few points are, and nothing where none is."""

    def some(y: Array) -> Array:
        blocks = [jnp.pad(a.reshape(-1), (0, -a.size % _BLOCK)).reshape(-1, _BLOCK) for a in (y, wrong, x)]
        n, per_chunk = blocks[0].shape[0], _CHUNK // _BLOCK
        todo = jnp.nonzero(jnp.any(blocks[1], axis=1), size=-(-n // per_chunk) * per_chunk, fill_value=n)[0]

        def chunk(y: Array, at: Array) -> tuple[Array, None]:
            def repair(y: Array) -> Array:
                own, wrong, x = (jnp.take(a, at, axis=0, mode="clip") for a in (y, *blocks[1:]))
                new = jnp.where(wrong, exact(x.reshape(-1)).reshape(x.shape), own)
                return y.at[at].set(new, mode="drop")

            return jax.lax.cond(at[0] < n, repair, lambda y: y, y), None

        return jax.lax.scan(chunk, blocks[0], todo.reshape(-1, per_chunk))[0].reshape(-1)[: y.size].reshape(y.shape)

    return jax.lax.cond(jnp.any(wrong), some, lambda y: y, y)
