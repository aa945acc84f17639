"""Mixtures of a few normal densities with free means and widths, fitted to bins by EM: candidates of `fit(x)`.

Where the data are a few normal clumps, these need the fewest numbers. Their widths stay above that of the answer's
basis, so that they too are smears of it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import AnyArray, Array, Float
from .namespace import namespace
from .octaves import BINS, coarser, finer
from .report import NUMBERS

_OCTAVE = 3  # the grid on which they are fitted: 256 bins
_LEAST = 1.5 * 2**_OCTAVE / BINS  # least width: one and a half of its bins
_STEPS, _FOLD_STEPS = 120, 40  # of EM on all data, and from there on each training part
_PACE = 1.8  # times the step of EM: below 2 it still converges, in little more than half of the steps


class FreeMixtures(NamedTuple):
    """Parameters, shape (splits, components), in units of the range: the components of all mixtures in a row.

    The mixtures are those of each number from the first start, then from the second.
    """

    weight: Array
    mean: Array
    width: Array


_OF = np.repeat(np.arange(2 * len(NUMBERS)), NUMBERS * 2)  # the mixture of each component
_MEMBERS = np.equal(np.arange(2 * len(NUMBERS))[:, None], _OF)  # (mixtures, components)


def fit_free_mixtures(shares: Float[Array, "splits bins"]) -> FreeMixtures:
    """Mixtures for each number of components, from both starts, and each split; the last split is all the data."""
    w = coarser(shares, _OCTAVE)
    start = _start(w[-1:])
    whole = jax.lax.fori_loop(0, _STEPS, lambda _, free: _em(free, w[-1:]), start)
    each = jax.tree.map(lambda a: jnp.broadcast_to(a, (w.shape[0], *a.shape[1:])), whole)
    return jax.lax.fori_loop(0, _FOLD_STEPS, lambda _, free: _em(free, w), each)


def densities(free: FreeMixtures) -> Float[Array, "mixtures splits bins"]:
    """Density on the finest bins."""
    terms = _terms(free, _grid(free.mean.dtype))
    return finer(jnp.einsum("skb,mk->msb", terms, _members(terms)), _OCTAVE)


def masses_on_bins(free: FreeMixtures, shares: Float[AnyArray, " mixtures"], less: float) -> Float[AnyArray, " bins"]:
    """Masses of the mixtures, in these shares, on the finest bins.

    Args:
        free: of one split, that of all the data.
        less: width taken off each component, in squares.
    """
    xp = namespace(shares)
    centres = (xp.arange(BINS, dtype=shares.dtype) + 0.5) / BINS
    narrower = xp.sqrt(xp.square(free.width) - less**2)
    terms = _terms(free._replace(weight=free.weight * shares[_OF][None], width=narrower), centres)
    return xp.sum(terms[0], axis=0) / BINS


def _grid(dtype: jnp.dtype) -> Array:
    bins = BINS >> _OCTAVE
    return (jnp.arange(bins, dtype=dtype) + 0.5) / bins


def _members(like: Array) -> Array:
    return jnp.asarray(_MEMBERS, like.dtype)


def _start(w: Array) -> FreeMixtures:
    """Means at evenly spaced quantiles; first with one width that makes them overlap, then with that of each gap."""
    grid = _grid(w.dtype)
    numbers = np.array(NUMBERS * 2)[_OF]
    rank = np.concatenate([np.arange(number) for number in NUMBERS * 2])
    below = jnp.cumsum(w[0])

    def quantile(shift: float) -> Array:
        level = np.clip((rank + shift) / numbers, 0.001, 0.999)
        return jnp.interp(jnp.asarray(level, w.dtype), below, grid)

    mean = quantile(0.5)
    centre = jnp.sum(w[0] * grid)
    spread = jnp.sqrt(jnp.sum(w[0] * jnp.square(grid - centre)))
    common, local = 1.2 * spread / jnp.asarray(numbers, w.dtype), 0.6 * (quantile(1.0) - quantile(0.0))
    width = jnp.maximum(jnp.where(len(NUMBERS) > _OF, common, local), _LEAST)
    return FreeMixtures(jnp.asarray(1 / numbers, w.dtype)[None], mean[None], width[None])


def _terms(free: FreeMixtures, grid: AnyArray) -> AnyArray:
    """Weight times density of each component, shape (splits, components, points)."""
    z = (grid[None, None] - free.mean[..., None]) / free.width[..., None]
    height = free.weight / (free.width * math.sqrt(2 * math.pi))
    xp = namespace(z)
    return height[..., None] * xp.exp(-0.5 * xp.square(z))


def _em(free: FreeMixtures, w: Array) -> FreeMixtures:
    """A step of EM, lengthened by `_PACE` in the means and in the logarithms of weights and widths."""
    grid = _grid(w.dtype)
    terms = _terms(free, grid)
    members = _members(terms)
    ratio = w[:, None] / jnp.maximum(jnp.einsum("skb,mk->smb", terms, members), 1e-12)
    taken = terms * ratio[:, _OF]
    powers = jnp.stack([jnp.ones_like(grid), grid, jnp.square(grid)])
    mass, first, second = jnp.moveaxis(jnp.einsum("skb,qb->skq", taken, powers), -1, 0)
    safe = jnp.maximum(mass, 1e-12)
    some = mass > 1e-9
    mean = jnp.where(some, first / safe, free.mean)
    variance = jnp.where(some, second / safe - jnp.square(mean), jnp.square(free.width))
    width = jnp.sqrt(jnp.maximum(variance, _LEAST**2))
    weight = jnp.exp(_further(jnp.log(jnp.maximum(free.weight, 1e-9)), jnp.log(mass + 1e-6)))
    sums = jnp.einsum("sk,mk->sm", weight, members)
    return FreeMixtures(
        weight / sums[:, _OF],
        jnp.clip(_further(free.mean, mean), -0.2, 1.2),
        jnp.clip(jnp.exp(_further(jnp.log(free.width), jnp.log(width))), _LEAST, 2.0),
    )


def _further(before: Array, after: Array) -> Array:
    return before + _PACE * (after - before)
