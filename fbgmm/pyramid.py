"""A data set's bins at eight resolutions, and normal blurs of sixteen widths on them.

A blur of width σ needs bins of about σ/4, no finer. So the widths σ = 4·2^(j/2) bins, j = 0 … 15, stand on eight grids,
each with half the bins of the one before and two widths, 4 and 4√2 of its own bins: a blur costs the same per bin at
every width, and all widths together little more than four times the finest.

The bins cover [0, 1]. At either end the data may be mirrored (a density that ends there at its full height) or not (one
that runs out).
"""

from __future__ import annotations

import math
from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from ._typing import Array, Float, Int

BINS = 2048
OCTAVES = 8
RATIOS = (4.0, 4.0 * math.sqrt(2.0))
SIGMAS = np.array([[ratio * 2**octave / BINS for ratio in RATIOS] for octave in range(OCTAVES)])
"""Widths of the blurs in units of the range, shape (OCTAVES, 2)."""

_BLOCK = 64  # bins whose blur is one row of a matrix product
_DENSE = 128  # bins up to which the whole grid is one matrix


def coarser(counts: Float[Array, "... bins"], octave: int) -> Float[Array, "... coarse"]:
    """Counts on the grid of an octave, from those on the finest."""
    return counts.reshape(*counts.shape[:-1], BINS >> octave, 1 << octave).sum(-1)


def blur(
    p: Float[Array, "two splits bins"], octave: int, mirror: Int[Array, ""], less: float = 0.0
) -> Float[Array, "two splits bins"]:
    """The masses p, each blurred by a normal density of its width; mass per bin.

    Args:
        p: masses on the bins of an octave, one row for each of its two widths.
        mirror: 1: at the left end, 2: at the right end, 3: at both, 0: at none.
        less: width in bins of the finest grid that is taken off the blur, in squares.
    """
    bins = p.shape[-1]
    less /= 1 << octave
    if bins <= _DENSE:
        matrix = jnp.asarray(_dense(bins, less), p.dtype)[mirror]
        return jnp.einsum("ksb,kba->ksa", p, matrix)
    half = _BLOCK // 2
    left = jnp.where(mirror % 2 == 1, p[..., :half][..., ::-1], 0)
    right = jnp.where(mirror // 2 == 1, p[..., -half:][..., ::-1], 0)
    blocks = jnp.concatenate([left, p, right], axis=-1).reshape(*p.shape[:-1], bins // _BLOCK + 1, _BLOCK)
    before, after = (jnp.asarray(part, p.dtype) for part in np.split(_banded(less), 2, axis=1))
    out = jnp.einsum("ksnb,kba->ksna", blocks[..., :-1, :], before)
    out = out + jnp.einsum("ksnb,kba->ksna", blocks[..., 1:, :], after)
    return out.reshape(p.shape)


def finer(values: Float[Array, "... coarse"], octaves: int) -> Float[Array, "... bins"]:
    """A smooth function on a grid so many octaves finer: cubic interpolation, doubling by doubling.

    At σ/4 between points the cubic misses a normal density by less than 1/1000 of its height.
    """
    for _ in range(octaves):
        v = jnp.pad(values, [(0, 0)] * (values.ndim - 1) + [(2, 2)], mode="edge")
        a, b, c, d, e = (v[..., i : v.shape[-1] - 4 + i] for i in range(5))
        lower = (-5 * a + 35 * b + 105 * c - 7 * d) / 128
        upper = (-7 * b + 105 * c + 35 * d - 5 * e) / 128
        values = jnp.maximum(jnp.stack([lower, upper], axis=-1), 0).reshape(*values.shape[:-1], -1)
    return values


def all_finest(values: list[Array]) -> Array:
    """Functions on every octave's grid on the finest one, stacked: shape (octaves, *values[0].shape)."""
    stacked = values[-1][None]
    for coarse in values[-2::-1]:
        stacked = jnp.concatenate([coarse[None], finer(stacked, 1)])
    return stacked


def sum_at_octave(values: list[Array], octave: int) -> Array:
    """The sum of functions on the grids of that octave and of all coarser ones, on its grid."""
    total = values[-1]
    for coarse in values[-2 : octave - 1 - len(values) : -1]:
        total = coarse + finer(total, 1)
    return total


def _normal(distance: np.ndarray, less: float) -> np.ndarray:
    """Normal densities at distances in bins, for both widths; shape (2, *distance)."""
    widths = np.sqrt(np.square(RATIOS) - less**2).reshape(2, *[1] * distance.ndim)
    return np.exp(-0.5 * (distance / widths) ** 2) / (widths * math.sqrt(2 * math.pi))


@lru_cache
def _banded(less: float) -> np.ndarray:
    """From two neighbouring blocks of bins to the block in their middle, shape (2, 2·_BLOCK, _BLOCK)."""
    source, target = np.arange(2 * _BLOCK)[:, None], np.arange(_BLOCK)[None, :] + _BLOCK // 2
    return _normal(source - target, less)


@lru_cache
def _dense(bins: int, less: float) -> np.ndarray:
    """The blur of a whole grid with its mirror images, for each choice of ends: shape (4, 2, bins, bins)."""
    a = np.arange(bins) + 0.5
    b, images = a[:, None], range(-4, 5)
    none = _normal(b - a, less)
    left = none + _normal(b + a, less)
    right = none + _normal(2 * bins - b - a, less)
    both = sum(_normal(b - a + 2 * bins * i, less) + _normal(b + a + 2 * bins * i, less) for i in images)
    return np.stack([none, left, right, both])
