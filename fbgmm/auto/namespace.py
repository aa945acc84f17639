"""Array functions that run in numpy on numpy's arrays and in JAX on JAX's, so that on the host nothing is compiled.

A function that takes its array functions from `namespace(its argument)` runs in numpy on numpy's arrays, and in JAX on
JAX's, where it can be traced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import AnyArray
from ..evaluation.cumulative import running_max, running_min_back


def namespace(like: AnyArray) -> Any:
    """The module whose functions are for such an array."""
    return jnp if isinstance(like, jax.Array) else np


def map_rows(f: Callable[..., Any], *rows: Any) -> Any:
    """f of each row, stacked; arguments and what is returned may be trees of arrays."""
    leaves = jax.tree.leaves(rows)
    if namespace(leaves[0]) is jnp:
        return jax.vmap(f)(*rows)
    found = [f(*(jax.tree.map(lambda a, i=i: a[i], row) for row in rows)) for i in range(len(leaves[0]))]
    return jax.tree.map(lambda *parts: np.stack(parts), *found)


def greatest_so_far(a: AnyArray) -> Any:
    """The greatest of each entry and those before it, of indices."""
    return np.maximum.accumulate(a) if namespace(a) is np else running_max(a, 0)


def least_from_here(a: AnyArray) -> Any:
    """The least of each entry and those after it, of indices."""
    return np.minimum.accumulate(a[::-1])[::-1] if namespace(a) is np else running_min_back(a, a.shape[0])


def map_in_turn(f: Callable[[Any], Any], items: AnyArray) -> Any:
    """f of each of a few items, one after the other, stacked: one program for all, and room for one."""
    return np.stack([f(item) for item in items]) if namespace(items) is np else jax.lax.map(f, items)


def log_of_sum(a: AnyArray) -> Any:
    """log Σ exp a over all entries."""
    xp = namespace(a)
    top = xp.max(a)
    return top + xp.log(xp.sum(xp.exp(a - top)))
