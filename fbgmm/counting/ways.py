"""Which way of counting an accelerator takes for which shape: one table, and one function that follows it.

Nothing has been measured on an accelerator yet. Until `python -m benchmarks accelerator` has run on one, all counts
take the flat scatter, and floating-point sums too, except where the installed compiler is known to be slow at them.
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
from .matrix_kernel import multiplied
from .scatter import replicated, scattered

WAYS: dict[str, Callable[[Array, Array | None, int], Array]] = {
    "scatter": scattered,
    "replicated": replicated,
    "comparison": compared,
    "matrix kernel": multiplied,
}

_TABLE: tuple[tuple[int, str], ...] = ((1 << 31, "scatter"),)
"""Pairs (most cells, way): the first pair that the cells fit in counts them. To be filled in by what is measured."""

_SLOW_FLOAT_SCATTER = ("0.10.2", "0.11.0")
"""Versions of jaxlib that compile a float32 scatter-add for NVIDIA's GPUs to a loop of compare-and-swap, up to 2000
times slower (jax-ml/jax#38806, openxla/xla#46225); 0.10.1 and 0.11.1 use the atomic addition."""

_taken: str | None = None


def histograms(index: Int[Array, "B N"], values: Array | None, capacity: int) -> Array:
    """What fell into each cell, for each row, in the way that the table names.

    Args:
        index: cells 0 … capacity − 1; a point of index `capacity` is absent.
        values: what each point adds, integers or floats of shape (B, N); None: 1 each.
        capacity: the number of cells.

    Returns:
        Shape (B, capacity): int32, or the dtype of the values.
    """
    floating = values is not None and jnp.issubdtype(values.dtype, jnp.floating)
    return WAYS[way(capacity, floating)](index, values, capacity)


def way(capacity: int, floating: bool) -> str:
    """The name in `WAYS` of the way for so many cells."""
    if _taken is not None:
        return _taken
    if floating and compiler() in _SLOW_FLOAT_SCATTER:
        return "comparison"
    return next(name for most, name in _TABLE if capacity <= most)


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
