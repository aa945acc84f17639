"""Pad to a few standard lengths to avoid recompiling: programs compiled for one data set serve the next.

A new length would be a new shape, and a new shape compiles again. Data on the host are therefore cut in two: a head
whose length is 4, 5, 6 or 7 times a power of two, as large as possible, and the rest, padded with weights of zero to
that power of two. Four pairs of lengths serve each doubling of N, and the head, most of the data, is not copied.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import checks
from .._typing import Array, ArrayLike
from .prepare import on_host

_LEAST = 64  # points; shorter data are padded to so many


def standard_pieces(
    x: np.ndarray, weights: ArrayLike | None = None
) -> tuple[tuple[np.ndarray, np.ndarray | None], ...]:
    """One data set, shape (N,), in one or two pieces of standard lengths, each with its weights.

    Args:
        weights: None, or an array of x's shape that is on the host too.
    """
    w = None if weights is None else np.asarray(weights)
    head, unit = _split(x.shape[0])
    pieces: list[tuple[np.ndarray, np.ndarray | None]] = []
    if head:
        pieces.append((x[:head], None if w is None else w[:head]))
    if head < x.shape[0] or not head:
        present = np.ones(x.shape[0] - head, bool) if w is None else w[head:]
        pieces.append((padded(x[head:], unit), padded(present, unit)))
    return tuple(pieces)


def padded(array: np.ndarray, length: int | None = None) -> np.ndarray:
    """The array with rows of zeros after its own, of that length; None: the least standard one that holds it."""
    room = padded_length(len(array)) if length is None else length
    out = np.zeros((room, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out


def padded_length(length: int) -> int:
    """The least standard length that holds so many points."""
    head, unit = _split(length)
    return head if length == head > 0 else head + unit


def _split(length: int) -> tuple[int, int]:
    """Length of the head, and of the padded rest."""
    if length < _LEAST:
        return 0, _LEAST
    unit = 1 << (length.bit_length() - 3)
    return length // unit * unit, unit


def padded_rows(name: str, rows: ArrayLike | Iterable[ArrayLike]) -> tuple[Array, Array | None]:
    """Rows as one array (B, N), and a mask of what is data where their lengths differ.

    Raises:
        TypeError, ValueError: not an array or a list of one-dimensional arrays of numbers; `name` names it.
    """
    if isinstance(rows, (jax.Array, np.ndarray)):
        return checks.as_floats(name, rows), None
    if isinstance(rows, str) or not isinstance(rows, Iterable) or hasattr(rows, "columns"):
        raise TypeError(f"{name} must be an array of shape (B, N) or a list of B arrays; found {type(rows).__name__}")
    rows = list(rows)
    host = all(map(on_host, rows))
    as_array = checks.as_host_floats if host else checks.as_floats
    arrays: list[Any] = [as_array(f"{name}[{i}]", row) for i, row in enumerate(rows)]
    for i, array in enumerate(arrays):
        checks.one_dimension(f"{name}[{i}]", array)
    if not arrays:
        raise ValueError(f"{name} holds no data sets; allowed: at least one")
    lengths, dtype = [len(a) for a in arrays], jnp.result_type(*arrays)
    if min(lengths) == max(lengths):
        return jnp.asarray(np.stack(arrays)) if host else jnp.stack(arrays), None
    room = padded_length(max(lengths))
    checks.memory(f"{name} with {len(rows)} rows, each padded to {room} points,", 2 * dtype.itemsize * room * len(rows))
    if host:
        table = jnp.asarray(np.stack([padded(a.astype(dtype, copy=False), room) for a in arrays]))
    else:  # traced rows: their lengths are static all the same
        table = jnp.stack([jnp.pad(a, (0, room - len(a))) for a in arrays])
    return table, jnp.asarray(np.arange(room)[None, :] < np.asarray(lengths)[:, None])
