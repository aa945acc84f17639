"""A data set's bins at nine resolutions, and normal blurs of eighteen widths on them.

A blur of width σ needs bins of about σ/2, no finer. So the widths σ = 2·2^(j/2) bins, j = 0 … 17, stand on nine grids,
each with half the bins of the one before and two widths, 2 and 2√2 of its own bins: a blur costs the same per bin at
every width, and all widths together little more than four times the finest.

Functions on all nine grids lie in one row, the finest first: one compiled loop serves them all. `split` takes the row
apart, `join` makes it.

The bins cover [0, 1]. At either end the data may be mirrored (a density that ends there at its full height) or not (one
that runs out).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from ._typing import Array, Float, Int

BINS = 2048
OCTAVES = 9
RATIOS = (2.0, 2.0 * math.sqrt(2.0))
SIGMAS = np.array([[ratio * 2**octave / BINS for ratio in RATIOS] for octave in range(OCTAVES)])
"""Widths of the blurs in units of the range, shape (OCTAVES, 2)."""

PER_BIN = np.repeat(BINS >> np.arange(OCTAVES), BINS >> np.arange(OCTAVES))
"""Density of a mass of one in each bin of a row."""

_FINER = np.array([[-45, 35], [420, -252], [1890, 1890], [-252, 420], [35, -45]]) / 2048
"""Lagrange's weights of five neighbouring points for the points a quarter before and after the middle one."""

_REACH = 4.5  # widths at which a blur ends
_DENSE = 16  # bins up to which a blur is a matrix, with images of images


def split(row: Float[Array, "... row"]) -> list[Array]:
    """The functions on each octave's grid, the finest first."""
    finest = row.shape[-1] * 2 ** (OCTAVES - 1) // (2**OCTAVES - 1)
    ends = np.cumsum([finest >> octave for octave in range(OCTAVES)])
    return [row[..., end - (finest >> octave) : end] for octave, end in enumerate(ends)]


def join(parts: Sequence[Array]) -> Float[Array, "... row"]:
    """Functions on each octave's grid as one row."""
    return jnp.concatenate(parts, axis=-1)


def coarser(counts: Float[Array, "... bins"], octave: int) -> Float[Array, "... coarse"]:
    """Counts on the grid of an octave, from those on the finest."""
    return counts.reshape(*counts.shape[:-1], counts.shape[-1] >> octave, 1 << octave).sum(-1)


def all_coarser(counts: Float[Array, "... bins"]) -> Float[Array, "... row"]:
    """Counts on all grids, from those on the finest."""
    parts = [counts]
    for _ in range(1, OCTAVES):
        parts.append(coarser(parts[-1], 1))
    return join(parts)


def blur(
    p: Float[Array, "widths splits row"],
    mirror: Int[Array, ""],
    less: float = 0.0,
    ratios: tuple[float, ...] = RATIOS,
) -> Float[Array, "widths splits row"]:
    """The masses p on each octave's grid, blurred by normal densities; mass per bin.

    Args:
        p: one row for each width.
        mirror: 1: at the left end, 2: at the right end, 3: at both, 0: at none.
        less: width in bins of the finest grid that is taken off the blur, in squares.
        ratios: the widths, in bins of each octave.
    """
    parts = split(p)
    long = [part for part in parts if part.shape[-1] > _DENSE]
    blurred = []
    for octave, part in enumerate(parts[len(long) :], len(long)):
        matrix = jnp.asarray(_dense(part.shape[-1], less / (1 << octave), ratios), p.dtype)[mirror]
        blurred.append(jnp.einsum("ksb,kba->ksa", part, matrix))

    taps = np.stack([_taps(less / (1 << octave), ratios) for octave in range(len(long))], axis=-1)
    reach = len(taps) - 1
    ends, pieces = [], []
    for part in long:
        left = jnp.where(mirror % 2 == 1, part[..., :reach][..., ::-1], 0)
        right = jnp.where(mirror // 2 == 1, part[..., -reach:][..., ::-1], 0)
        pieces += [left, part, right]
        ends.append(sum(piece.shape[-1] for piece in pieces) - 2 * reach)
    q = join(pieces)
    size = q.shape[-1] - 2 * reach
    if less:
        of = np.searchsorted(ends, np.arange(size), side="right")  # the octave of each place
        weights = [w[:, None] for w in jnp.asarray(taps, p.dtype)[..., np.minimum(of, len(long) - 1)]]
    else:
        weights = [w[:, None, None] for w in jnp.asarray(taps[..., 0], p.dtype)]
    out = weights[0] * q[..., reach : reach + size]
    for i, weight in enumerate(weights[1:], 1):
        out += weight * (q[..., reach - i : reach - i + size] + q[..., reach + i : reach + i + size])
    inner = [out[..., end - part.shape[-1] : end] for end, part in zip(ends, long, strict=True)]
    return join([*inner, *blurred])


def finer(values: Float[Array, "... coarse"], octaves: int) -> Float[Array, "... bins"]:
    """A smooth function on a grid so many octaves finer: quartic interpolation, doubling by doubling.

    At σ/2 between points it misses a normal density by less than 1/500 of its height.
    """
    for _ in range(octaves):
        edges = [(0, 0)] * (values.ndim - 1) + [(2, 2)]
        twice = jnp.repeat(jnp.pad(values, edges, mode="edge"), 2, axis=-1)
        size = 2 * values.shape[-1]
        weights = jnp.asarray(np.tile(_FINER, size // 2), values.dtype).reshape(5, *[1] * (values.ndim - 1), size)
        values = jnp.maximum(sum(w * twice[..., 2 * k : 2 * k + size] for k, w in enumerate(weights)), 0)
    return values


def all_finest(row: Float[Array, "*shape row"]) -> Float[Array, "octaves *shape bins"]:
    """The functions on every octave's grid on the finest one, stacked."""
    parts = split(row)
    stacked = parts[-1][None]
    for coarse in parts[-2::-1]:
        stacked = jnp.concatenate([coarse[None], finer(stacked, 1)])
    return stacked


def sum_finest(row: Float[Array, "*shape row"]) -> Float[Array, "*shape bins"]:
    """The sum of the functions on every octave's grid, on the finest one."""
    parts = split(row)
    total = parts[-1]
    for coarse in parts[-2::-1]:
        total = coarse + finer(total, 1)
    return total


def _normal(distance: np.ndarray, less: float, ratios: tuple[float, ...]) -> np.ndarray:
    """Normal densities at distances in bins, for each width; shape (widths, *distance)."""
    widths = np.sqrt(np.square(ratios) - less**2).reshape(-1, *[1] * distance.ndim)
    return np.exp(-0.5 * (distance / widths) ** 2) / (widths * math.sqrt(2 * math.pi))


@lru_cache
def _taps(less: float, ratios: tuple[float, ...]) -> np.ndarray:
    """Weights of the bins at distances 0, 1, …, shape (reach + 1, widths)."""
    return _normal(np.arange(math.ceil(_REACH * max(ratios)) + 1), less, ratios).T


@lru_cache
def _dense(bins: int, less: float, ratios: tuple[float, ...]) -> np.ndarray:
    """The blur of a whole grid with its mirror images, for each choice of ends: shape (4, widths, bins, bins)."""
    a = np.arange(bins) + 0.5
    b, images = a[:, None], range(-4, 5)
    none = _normal(b - a, less, ratios)
    left = none + _normal(b + a, less, ratios)
    right = none + _normal(2 * bins - b - a, less, ratios)
    shifts = np.stack([b - a, b + a])
    both = sum(_normal(shifts + 2 * bins * i, less, ratios).sum(axis=1) for i in images)
    return np.stack([none, left, right, both])
