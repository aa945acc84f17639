"""Cross-validation on counts: folds drawn of them, and the log-likelihood of what was fitted to the others."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .._typing import AnyArray, Float
from .namespace import namespace

FOLDS = 5

FLOOR = 1e-4
"""Share of a uniform density in every candidate when it is scored."""

_SEED = 20230215
_ONE_BY_ONE = 16  # points of a bin up to which each draws its fold; of more, the numbers are nearly normal


def draw_folds(counts: Float[AnyArray, " bins"]) -> Float[AnyArray, "folds bins"]:
    """Splits counts at random into folds, as if each point had drawn its fold; the same draws always.

    Few points in a bin draw their folds one by one. For many the numbers are rounded normal ones of the same mean and
    covariance: a Brownian bridge. What is not whole is split evenly.
    """
    xp = namespace(counts)
    taken, bridge = _draws(counts.shape[0])
    whole = xp.floor(counts)
    few = xp.take_along_axis(xp.asarray(taken, counts.dtype), xp.minimum(whole, _ONE_BY_ONE).astype(int)[None, None], 1)
    share = np.arange(1, FOLDS)[:, None] / FOLDS
    row = whole[None]
    walk = row * xp.asarray(share, counts.dtype) + xp.sqrt(row) * xp.asarray(bridge, counts.dtype)
    ends = [xp.zeros_like(whole)]
    for step in xp.clip(xp.round(walk), 0, row):
        ends.append(xp.maximum(ends[-1], step))
    many = xp.diff(xp.stack([*ends, whole]), axis=0)
    return xp.where(row > _ONE_BY_ONE, many, few[:, 0]) + (counts - whole)[None] / FOLDS


@lru_cache
def _draws(bins: int) -> tuple[np.ndarray, np.ndarray]:
    """How many of the first 0, 1, 2 … points of a bin go to each fold, shape (FOLDS, 17, bins), and the bridges."""
    rng = np.random.default_rng(_SEED)
    fold = rng.integers(0, FOLDS, (_ONE_BY_ONE, bins))
    taken = np.zeros((FOLDS, _ONE_BY_ONE + 1, bins), np.int8)
    taken[:, 1:] = np.cumsum(fold[None] == np.arange(FOLDS)[:, None, None], axis=1)
    steps = rng.standard_normal((FOLDS, bins)) / np.sqrt(FOLDS)
    return taken, np.cumsum(steps - steps.mean(axis=0), axis=0)[:-1].astype(np.float32)


def scores(
    density: Float[AnyArray, "*candidates folds bins"], folds: Float[AnyArray, "folds bins"]
) -> Float[AnyArray, "*candidates"]:
    """Log-likelihood of each fold under the candidates fitted without it, above that of a uniform density in u."""
    xp = namespace(density)
    return xp.einsum("fb,...fb->...", folds, xp.log((1 - FLOOR) * density + FLOOR))
