"""Which way of counting an accelerator takes, and one function that follows it; measured on an H100.

`python -m benchmarks accelerator` measures every way on several shapes; docs/accelerators.md has what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version

import jax
import jax.numpy as jnp

from .._typing import Array, Int
from .comparison import compared
from .scatter import MOST_PACKED, packed, replicated, scattered

WAYS: dict[str, Callable[[Array, Array | None, int], Array]] = {
    "scatter": scattered,
    "replicated": replicated,
    "packed": packed,
    "comparison": compared,
}

_SLOW_FLOAT_SCATTER = ("0.10.2", "0.11.0")
"""Versions of jaxlib that compile a float32 scatter-add for NVIDIA's GPUs to a loop of compare-and-swap, up to 2000
times slower (jax-ml/jax#38806, openxla/xla#46225); 0.10.1 and 0.11.1 use the atomic addition."""

_taken: str | None = None


def histograms(index: Int[Array, "B N"], values: Array | None, capacity: int) -> Array:
    """What fell into each cell, for each row, in the way that `way` names.

    Args:
        index: cells 0 … capacity − 1; a point of index `capacity` is absent.
        values: what each point adds, integers or floats, of shape (B, N) or (B, N, K); None: 1 each.
        capacity: the number of cells.

    Returns:
        Shape (B, capacity) or (B, capacity, K): int32, or the dtype of the values.
    """
    return WAYS[way(index.shape[1], None if values is None else values.dtype)](index, values, capacity)


def way(points: int, dtype: jnp.dtype | None) -> str:
    """The name in `WAYS` of the way for rows of so many points and values of that dtype; None: without values."""
    if _taken is not None:
        return _taken
    if dtype is None and points <= MOST_PACKED:
        return "packed"
    if dtype is not None and jnp.issubdtype(dtype, jnp.floating) and compiler() in _SLOW_FLOAT_SCATTER:
        return "comparison"
    return "replicated"


@cache
def compiler() -> str:
    """The version of jaxlib."""
    return version("jaxlib")


@contextmanager
def taking(name: str) -> Iterator[None]:
    """Makes all counting on an accelerator take one way; for measuring. Compiled programs are dropped before and after.

    Raises:
        ValueError: a name that is not in `WAYS`.
    """
    global _taken
    if name not in WAYS:
        raise ValueError(f"way must be one of {', '.join(WAYS)}; found {name!r}")
    before, _taken = _taken, name
    jax.clear_caches()
    try:
        yield
    finally:
        _taken = before
        jax.clear_caches()
