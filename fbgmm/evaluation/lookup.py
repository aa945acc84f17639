"""Search of sorted edges for many points, by tables of buckets instead of bisection.

About even edges lie in equal buckets, at most one in each. For others coarse buckets are sixteenths of an octave of the
distance from a centre, read off the bits of the number; a crowded one is divided into equal fine buckets. So edges may
grow outwards, or lie dense somewhere. Edges and points go into buckets by the same arithmetic, which is monotone:
rounding changes no side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import Array, Bool, Float, Int, Shaped

_OCTAVES, _PARTS = 64, 16  # on either side of the centre; parts of an octave
_FINE = 4  # fine buckets for each edge of a crowded coarse bucket
_STEPS = 2  # edges in a bucket that are searched one by one
_BLOCK, _CHUNK = 64, 4096
"""Points to repair are found by blocks, since looking for each costs more than repairing its neighbours."""


class EvenLookup(NamedTuple):
    """Equal buckets, at most one edge in each; `_FINE` for each edge.

    Attributes:
        edges: ascending, shape (edges,), in the precision of the points.
        low, per_unit: where the first bucket begins, and buckets per unit; shape ().
        first: of each bucket the interval that its least point lies in.
    """

    edges: Any
    low: Any
    per_unit: Any
    first: Any


class OctaveLookup(NamedTuple):
    """The tables; their shapes depend on the number of edges alone.

    Attributes:
        edges: ascending, shape (edges,), in the precision of the points.
        centre: from which distances are taken, shape ().
        base: the code of the greatest distance that belongs to the innermost bucket.
        fine: of each coarse bucket the number of its first fine bucket, shape (coarse + 1,).
        low, per_unit: where a coarse bucket begins, and its fine buckets per unit; shape (coarse,).
        first: of each fine bucket the interval that its least point may lie in.
        crowded: whether more than two edges lie in a fine bucket: then the interval found may be too low.
    """

    edges: Any
    centre: Any
    base: Any
    fine: Any
    low: Any
    per_unit: Any
    first: Any
    crowded: Any


Lookup = EvenLookup | OctaveLookup


def lookup(edges: np.ndarray, dtype: np.dtype, centre: float) -> Lookup:
    """The tables for ascending edges."""
    edges = np.asarray(edges, dtype)
    return _even(edges) or _octaves(edges, np.asarray(centre, dtype))


def _even(edges: np.ndarray) -> EvenLookup | None:
    size = _FINE * edges.size
    with np.errstate(divide="ignore", over="ignore"):
        per_unit = (size - 1) / (edges[-1] - edges[0])
    if not 0 < per_unit < np.inf:
        return None
    number = np.bincount(_fine(edges, edges[0], per_unit, size, np), minlength=size)
    if number.max() > 1:
        return None
    first = np.clip(np.cumsum(number) - number - 1, 0, edges.size - 2).astype(np.int32)
    return EvenLookup(edges, edges[0], per_unit, first)


def _octaves(edges: np.ndarray, middle: np.ndarray) -> OctaveLookup:
    dtype = edges.dtype
    intervals, half = edges.size - 1, _OCTAVES * _PARTS
    base = _code(np.max(np.abs(edges - middle)), np) - (half - 1)
    at = _coarse(edges, middle, base, np)
    number = np.bincount(at, minlength=2 * half)
    parts = np.where(number > _STEPS, _FINE * number, 1)
    fine = np.concatenate([[0], np.cumsum(parts)]).astype(np.int32)
    outer = _decoded(np.maximum(base, 0) + np.arange(half + 1), dtype)
    bounds = np.concatenate([middle - outer[:0:-1], [middle], middle + outer[1:]])
    low, upper = bounds[:-1], bounds[1:]
    with np.errstate(divide="ignore", over="ignore"):
        per_unit = np.minimum(parts / (upper - low), np.finfo(dtype).max).astype(dtype)
    size = 2 * half + _FINE * edges.size
    at_fine = fine[at] + _fine(edges, low[at], per_unit[at], parts[at], np)
    inside = np.bincount(at_fine, minlength=size)
    first = np.clip(np.cumsum(inside) - inside - 1, 0, intervals - 1).astype(np.int32)
    return OctaveLookup(edges, middle, base, fine, low.astype(dtype), per_unit, first, inside > _STEPS)


def _code(distance: Any, xp: Any) -> Any:
    """A whole number that grows by `_PARTS` for each octave of a distance."""
    bits, drop = (np.int32, 23 - 4) if distance.dtype == np.float32 else (np.int64, 52 - 4)
    code = distance.view(bits) if xp is np else jax.lax.bitcast_convert_type(distance, bits)
    return (code >> drop).astype(np.int32)


def _decoded(code: np.ndarray, dtype: np.dtype) -> np.ndarray:
    bits, drop = (np.int32, 23 - 4) if dtype == np.float32 else (np.int64, 52 - 4)
    return (code.astype(np.int64) << drop).astype(bits).view(dtype)


def _coarse(x: Any, centre: Any, base: Any, xp: Any) -> Any:
    half = _OCTAVES * _PARTS
    distance = x - centre
    k = xp.clip(_code(xp.abs(distance), xp) - xp.maximum(base, 0), 0, half - 1)
    return xp.where(distance < 0, half - 1 - k, half + k)


def _fine(x: Any, low: Any, per_unit: Any, parts: Any, xp: Any) -> Any:
    return xp.clip((x - low) * per_unit, 0, parts - 1).astype(np.int32)


def find(
    at: Lookup, x: Float[Array, "*points"], closed: Literal["left", "right"] = "left"
) -> tuple[Int[Array, "*points"], Bool[Array, "*points"]]:
    """i with edges[i] ≤ x < edges[i + 1] (or < and ≤, where closed on the right), and where i may be too low.

    Points outside belong to the first and the last interval, NaN to any.
    """
    if isinstance(at, EvenLookup):
        i = at.first[_fine(x, at.low, at.per_unit, at.first.shape[0], jnp)]
        return _passed(at.edges, i, x, closed), jnp.zeros_like(i, bool)
    coarse = _coarse(x, at.centre, at.base, jnp)
    parts = at.fine[coarse + 1] - at.fine[coarse]
    fine = at.fine[coarse] + _fine(x, at.low[coarse], at.per_unit[coarse], parts, jnp)
    i = at.first[fine]
    for _ in range(_STEPS):
        i = _passed(at.edges, i, x, closed)
    return i, at.crowded[fine]


def _passed(edges: Array, i: Array, x: Array, closed: str) -> Array:
    """The interval i, or the next one for points that lie beyond its end."""
    edge = edges[i + 1]
    return i + ((x >= edge if closed == "left" else x > edge) & (i < edges.shape[0] - 2))


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
