"""Data of any length as parts of few lengths, so that programs compiled for one data set serve the next.

A new length would be a new shape, and a new shape compiles again. Data on the host are therefore cut in two: a head
whose length is 4, 5, 6 or 7 times a power of two, as large as possible, and the rest, padded with weights of zero to
that power of two. Four pairs of lengths serve each doubling of N, and the head, most of the data, is not copied.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from .. import checks

_LEAST = 64  # points; shorter data are padded to so many


def on_host(*arrays: Any) -> bool:
    """Whether numpy can read the arrays (or None) without a copy: no tracers, nothing on an accelerator or spread."""
    return all(
        not isinstance(a, jax.Array)
        or (checks.is_concrete(a) and len(a.devices()) == 1 and next(iter(a.devices())).platform == "cpu")
        for a in arrays
    )


def few_lengths(x: np.ndarray, weights: Any = None) -> tuple[tuple[np.ndarray, np.ndarray | None], ...]:
    """One data set, shape (N,), in one or two parts, each with its weights.

    Args:
        weights: None, or an array of x's shape that is on the host too.
    """
    w = None if weights is None else np.asarray(weights)
    head, unit = _split(x.shape[0])
    parts: list[tuple[np.ndarray, np.ndarray | None]] = []
    if head:
        parts.append((x[:head], None if w is None else w[:head]))
    if head < x.shape[0] or not head:
        present = np.ones(x.shape[0] - head, bool) if w is None else w[head:]
        parts.append((_padded(x[head:], unit), _padded(present, unit)))
    return tuple(parts)


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    array = np.zeros(length, values.dtype)
    array[: values.shape[0]] = values
    return array


def padded_length(length: int) -> int:
    """The least of the few lengths that holds so many points."""
    head, unit = _split(length)
    return head if length == head > 0 else head + unit


def _split(length: int) -> tuple[int, int]:
    """Length of the head, and of the padded rest."""
    if length < _LEAST:
        return 0, _LEAST
    unit = 1 << (length.bit_length() - 3)
    return length // unit * unit, unit
