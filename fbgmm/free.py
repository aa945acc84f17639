"""Mixtures of a few normal densities with free means and widths, fitted to bins by EM: candidates of `fbgmm.auto`.

Where the data are a few normal clumps, these need the fewest numbers. Their widths stay above that of the answer's
basis, so that they too are smears of it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ._typing import Array, Float
from .choice import NUMBERS
from .pyramid import BINS, coarser, finer

_OCTAVE = 3  # the grid on which they are fitted: 256 bins
_LEAST = 1.5 * 2**_OCTAVE / BINS  # least width: one and a half of its bins
_STEPS, _FOLD_STEPS = 120, 40  # of EM on all data, and from there on each training part


class Free(NamedTuple):
    """Parameters, shape (splits, numbers, components), in units of the range; components that are absent weigh 0."""

    weight: Array
    mean: Array
    width: Array


def fit_free(shares: Float[Array, "splits bins"]) -> Free:
    """Mixtures for each number of components and each split; the last split is all the data."""
    w = coarser(shares, _OCTAVE)
    start = _start(w[-1:])
    whole = jax.lax.fori_loop(0, _STEPS, lambda _, free: _em(free, w[-1:]), start)
    each = jax.tree.map(lambda a: jnp.broadcast_to(a, (w.shape[0], *a.shape[1:])), whole)
    return jax.lax.fori_loop(0, _FOLD_STEPS, lambda _, free: _em(free, w), each)


def densities(free: Free) -> Float[Array, "numbers splits bins"]:
    """Density on the finest bins."""
    terms = jnp.exp(_log_terms(free, _grid(free.mean.dtype)))
    return jnp.swapaxes(finer(jnp.sum(terms, axis=2), _OCTAVE), 0, 1)


def on_cells(free: Free, shares: Float[Array, " numbers"], cells: int, less: float) -> Float[Array, " cells"]:
    """Masses of the mixtures of all the data, in these shares, on cells over [−½, 3/2].

    Args:
        less: width taken off each component, in squares.
    """
    centres = (jnp.arange(cells, dtype=shares.dtype) + 0.5) * (2 / cells) - 0.5
    last = jax.tree.map(lambda a: a[-1:], free)
    last = last._replace(width=jnp.sqrt(jnp.square(last.width) - less**2))
    terms = jnp.sum(jnp.exp(_log_terms(last, centres)), axis=2)[0]
    return shares @ terms * (2 / cells)


def _grid(dtype: jnp.dtype) -> Array:
    bins = BINS >> _OCTAVE
    return (jnp.arange(bins, dtype=dtype) + 0.5) / bins


def _live(dtype: jnp.dtype) -> Array:
    numbers = np.array(NUMBERS)
    return jnp.asarray(np.arange(max(NUMBERS)) < numbers[:, None], dtype)


def _start(w: Array) -> Free:
    """Means at evenly spaced quantiles, and one width that makes them overlap."""
    grid, live = _grid(w.dtype), _live(w.dtype)
    numbers = jnp.sum(live, axis=-1, keepdims=True)
    levels = jnp.minimum((jnp.arange(max(NUMBERS), dtype=w.dtype) + 0.5)[None, :] / numbers, 1)
    mean = jnp.interp(levels, jnp.cumsum(w[0]), grid)
    centre = jnp.sum(w[0] * grid)
    spread = jnp.sqrt(jnp.sum(w[0] * jnp.square(grid - centre)))
    width = jnp.maximum(jnp.broadcast_to(1.2 * spread / numbers, mean.shape), _LEAST)
    return Free((live / numbers)[None], mean[None], width[None])


def _log_terms(free: Free, grid: Array) -> Array:
    """Logarithm of weight times density, shape (splits, numbers, components, points)."""
    z = (grid[None, None, None] - free.mean[..., None]) / free.width[..., None]
    height = jnp.where(free.weight > 0, jnp.log(jnp.maximum(free.weight, 1e-30)) - jnp.log(free.width), -jnp.inf)
    return height[..., None] - 0.5 * jnp.square(z) - 0.5 * math.log(2 * math.pi)


def _em(free: Free, w: Array) -> Free:
    grid, live = _grid(w.dtype), _live(w.dtype)
    terms = jnp.exp(_log_terms(free, grid))
    ratio = w[:, None] / jnp.maximum(jnp.sum(terms, axis=2), 1e-12)
    taken = terms * ratio[:, :, None]
    powers = jnp.stack([jnp.ones_like(grid), grid, jnp.square(grid)])
    mass, first, second = jnp.moveaxis(jnp.einsum("snkb,qb->snkq", taken, powers), -1, 0)
    safe = jnp.maximum(mass, 1e-12)
    mean = jnp.where(mass > 1e-9, first / safe, free.mean)
    variance = jnp.where(mass > 1e-9, second / safe - jnp.square(mean), jnp.square(free.width))
    weight = live[None] * (mass + 1e-6)
    return Free(weight / jnp.sum(weight, axis=-1, keepdims=True), mean, jnp.sqrt(jnp.maximum(variance, _LEAST**2)))
