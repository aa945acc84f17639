"""Bins on grids an octave apart, and convolutions of them with normal densities of eighteen widths.

A blur of width σ needs bins of about σ/2, no finer. So the widths σ = 2·2^(j/2) bins, j = 0 … 15, stand on eight grids,
each with half the bins of the one before and two widths, 2 and 2√2 of its own bins: a blur costs the same per bin at
every width, and all widths together little more than four times the finest. The widest two stand on the coarsest grid
once more, which is one block.

Functions on all grids lie in one row, the finest first, in blocks of 16 bins. A blur reaches no further than the next
block on either side, so that all of them are one product of matrices: small to compile, and fast.

The bins cover [0, 1]. At either end the data may be mirrored (a density that ends there at its full height) or not (one
that runs out).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .._typing import AnyArray, Float
from .namespace import namespace

BINS = 2048
OCTAVES = 9
BLOCK = 16
RATIOS = (2.0, 2.0 * math.sqrt(2.0))
SIGMAS = np.array([[ratio * 2**octave / BINS for ratio in RATIOS] for octave in range(OCTAVES)])
"""Widths of the blurs in units of the range, shape (OCTAVES, 2)."""

SIZES = np.array([*(BINS >> np.arange(OCTAVES - 1)), BLOCK])
"""Bins of each octave's grid."""

OCTAVE = np.repeat(np.arange(OCTAVES), SIZES)
"""The octave of each place of a row."""

PER_BIN = SIZES[OCTAVE].astype(float)
"""Density of a mass of one in each bin of a row."""

_ENDS = np.cumsum(SIZES)
_FIRST = np.isin(np.arange(_ENDS[-1] // BLOCK), (_ENDS - SIZES) // BLOCK)
_LAST = np.isin(np.arange(_ENDS[-1] // BLOCK), _ENDS // BLOCK - 1)

_FINER = np.array([[-45, 35], [420, -252], [1890, 1890], [-252, 420], [35, -45]]) / 2048
"""Lagrange's weights of five neighbouring points for the points a quarter before and after the middle one."""


def split(row: Float[AnyArray, "... row"]) -> list[AnyArray]:
    """The functions on each octave's grid, the finest first."""
    return [row[..., end - size : end] for end, size in zip(_ENDS, SIZES, strict=True)]


def join(parts: Sequence[AnyArray]) -> Float[AnyArray, "... row"]:
    """Functions on each octave's grid as one row."""
    return namespace(parts[0]).concatenate(parts, axis=-1)


def coarser(counts: Float[AnyArray, "... bins"], octave: int) -> Float[AnyArray, "... coarse"]:
    """Counts on the grid of an octave, from those on the finest."""
    for _ in range(octave):
        counts = counts[..., ::2] + counts[..., 1::2]
    return counts


def all_coarser(counts: Float[AnyArray, "... bins"]) -> Float[AnyArray, "... row"]:
    """Counts on all grids, from those on the finest."""
    parts = [counts]
    for _ in range(1, OCTAVES - 1):
        parts.append(coarser(parts[-1], 1))
    return join([*parts, parts[-1]])


def blur(
    p: Float[AnyArray, "widths splits row"],
    mirror: AnyArray,
    less: float = 0.0,
    ratios: tuple[float, ...] = RATIOS,
) -> Float[AnyArray, "widths splits row"]:
    """The masses p on each octave's grid, blurred by normal densities; mass per bin. What leaves the range is lost.

    Args:
        p: one row for each width.
        mirror: 1: at the left end, 2: at the right end, 3: at both, 0: at none.
        less: width in bins of the finest grid that is taken off the blur, in squares.
        ratios: the widths, in bins of each octave.
    """
    xp = namespace(p)
    three = _with_neighbours(p, mirror)
    matrix = xp.asarray(_matrix(less, ratios), p.dtype)
    if less:
        out = xp.matmul(three[..., None, :], matrix[:, None, OCTAVE[::BLOCK]])[..., 0, :]
    else:  # one matrix for all octaves but the last
        out = xp.concatenate(
            [_times(three[..., :-1, :], matrix[:, 0]), _times(three[..., -1:, :], matrix[:, -1])], axis=2
        )
    return out.reshape(p.shape)


def densities(
    p: Float[AnyArray, "widths splits row"], mirror: AnyArray, ratios: tuple[float, ...] = RATIOS
) -> Float[AnyArray, "octaves widths splits bins"]:
    """Of the masses p on each octave's grid, blurred: their densities in u at the centres of the finest bins."""
    xp = namespace(p)
    three = _with_neighbours(p, mirror)
    blocks = np.concatenate([[0], _ENDS // BLOCK])
    each = [
        _times(three[..., blocks[octave] : blocks[octave + 1], :], xp.asarray(matrix, p.dtype))
        for octave, matrix in enumerate(_to_finest(ratios))
    ]
    return xp.stack([found.reshape(*p.shape[:-1], BINS) for found in each])


def _with_neighbours(
    p: Float[AnyArray, "widths splits row"], mirror: AnyArray
) -> Float[AnyArray, "widths splits blocks three"]:
    """Each block between the two beside it."""
    xp = namespace(p)
    blocks = p.reshape(*p.shape[:-1], -1, BLOCK)
    back = blocks[..., ::-1]
    at_left = xp.where(mirror % 2 == 1, back, 0)
    at_right = xp.where(mirror // 2 == 1, back, 0)
    left = xp.where(xp.asarray(_FIRST)[:, None], at_left, xp.roll(blocks, 1, axis=-2))
    right = xp.where(xp.asarray(_LAST)[:, None], at_right, xp.roll(blocks, -1, axis=-2))
    return xp.concatenate([left, blocks, right], axis=-1)


def _times(three: AnyArray, matrix: AnyArray) -> AnyArray:
    """Products with a matrix for each width: of all splits and blocks at once."""
    widths, splits, blocks, width = three.shape
    product = namespace(three).matmul(three.reshape(widths, splits * blocks, width), matrix)
    return product.reshape(widths, splits, blocks, matrix.shape[-1])


@lru_cache
def _matrix(less: float, ratios: tuple[float, ...]) -> np.ndarray:
    """The blur from a block and its two neighbours to the block, for each width and octave, in bins of its grid."""
    distance = np.arange(-BLOCK, 2 * BLOCK)[:, None] - np.arange(BLOCK)[None]
    bins = BINS // SIZES  # of the finest grid in one of each
    widths = np.sqrt([(ratio * 2.0 ** np.arange(OCTAVES)) ** 2 - less**2 for ratio in ratios]) / bins
    return _normal(distance, widths[..., None, None])


@lru_cache
def _to_finest(ratios: tuple[float, ...]) -> list[np.ndarray]:
    """For each octave the densities of a block and its two neighbours at the finest bins of the block."""
    centres = np.arange(-BLOCK, 2 * BLOCK)[:, None] + 0.5
    found = []
    for octave, bins in enumerate(BINS // SIZES):
        finest = (np.arange(BLOCK * bins)[None] + 0.5) / bins
        widths = np.array(ratios)[:, None, None] * 2.0**octave / bins
        found.append(_normal(finest - centres, widths) * (BINS / bins))
    return found


def _normal(distance: np.ndarray, width: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * (distance / width) ** 2) / (width * math.sqrt(2 * math.pi))


def finer(values: Float[AnyArray, "... coarse"], octaves: int) -> Float[AnyArray, "... bins"]:
    """A smooth function on a grid so many octaves finer: quartic interpolation, doubling by doubling.

    At σ/2 between points it misses a normal density by less than 1/500 of its height.
    """
    xp = namespace(values)
    for _ in range(octaves):
        padded = xp.pad(values, [(0, 0)] * (values.ndim - 1) + [(2, 2)], mode="edge")
        size = values.shape[-1]
        pair = [sum(float(w) * padded[..., k : k + size] for k, w in enumerate(weights)) for weights in _FINER.T]
        values = xp.maximum(xp.stack(pair, axis=-1), 0).reshape(*values.shape[:-1], 2 * size)
    return values


def sum_finest(row: Float[AnyArray, "*shape row"]) -> Float[AnyArray, "*shape bins"]:
    """The sum of the functions on every octave's grid, on the finest one."""
    parts = split(row)
    total = parts[-1] + parts[-2]
    for coarse in parts[-3::-1]:
        total = coarse + finer(total, 1)
    return total
