"""Calibration of predicted densities, and intervals with guaranteed coverage (conformal prediction).

The guarantee of the functions that take a `coverage`: where the examples they are given and a new one are exchangeable
(drawn alike, none of them used to train the network), the interval holds the new target with at least that
probability, however wrong the density is.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np

from ..._typing import Array, ArrayLike
from .density import Density


def reliability(pit: ArrayLike, levels: ArrayLike) -> np.ndarray:
    """The share of targets below each predicted quantile: equal to the level where the densities are right.

    Args:
        pit: probability integral transforms, `density.cdf(y)`, any shape; uniform where the densities are right.
        levels: between 0 and 1, shape (L,).

    Raises:
        ValueError: no targets, or values that are not probabilities.

    Example:
        >>> from fbgmm.nn.conditional import reliability
        >>> reliability([0.1, 0.2, 0.3, 0.9], [0.25, 0.5]).tolist()
        [0.5, 0.75]
    """
    u = np.sort(_probabilities(pit))
    return np.searchsorted(u, np.asarray(levels, np.float64), side="right") / u.size


def conformal_threshold(pit: ArrayLike, coverage: float = 0.9) -> float:
    """The threshold h of the score |F(y) − ½|: the interval between the quantiles ½ − h and ½ + h has the guarantee.

    Distributional conformal prediction (Chernozhukov, Wüthrich and Zhu 2021).

    Args:
        pit: `density.cdf(y)` of targets that were not trained on, any shape.
        coverage: wanted.

    Returns:
        At most ½; ½, the whole line, where there are too few targets for so much coverage.

    Raises:
        ValueError: as `reliability`; coverage not between 0 and 1.
    """
    return min(_score(np.abs(_probabilities(pit) - 0.5), coverage), 0.5)


def conformal_interval(density: Density, threshold: ArrayLike) -> tuple[Array, Array]:
    """The interval between the quantiles ½ − threshold and ½ + threshold, each of the density's batch shape."""
    return density.icdf(0.5 - jnp.asarray(threshold)), density.icdf(0.5 + jnp.asarray(threshold))


def conformal_margin(low: ArrayLike, high: ArrayLike, y: ArrayLike, coverage: float = 0.9) -> float:
    """The margin to add to the intervals [low, high] on either side for the guarantee above; it may be negative.

    Conformalised quantile regression (Romano, Patterson and Candès 2019). Unlike `conformal_threshold` it widens all
    intervals by the same amount.

    Args:
        low, high: intervals predicted for targets that were not trained on, shape (N,).
        y: the targets, shape (N,).
        coverage: wanted.

    Returns:
        The margin in units of y; inf where there are too few targets for so much coverage.

    Raises:
        ValueError: no targets, values that are not finite, coverage not between 0 and 1.
    """
    lows, highs, targets = (np.asarray(a, np.float64) for a in (low, high, y))
    score = np.maximum(lows - targets, targets - highs)
    if not score.size or not np.isfinite(score).all():
        raise ValueError(f"low, high and y must be finite and at least one; found {score.size} examples")
    return _score(score, coverage)


def _score(scores: np.ndarray, coverage: float) -> float:
    """The ⌈(N + 1)·coverage⌉-th smallest score: at least that share of new scores is at or below it."""
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1; found {coverage!r}")
    rank = math.ceil((scores.size + 1) * coverage - 1e-9)
    return float(np.sort(scores, axis=None)[rank - 1]) if rank <= scores.size else math.inf


def _probabilities(pit: ArrayLike) -> np.ndarray:
    u = np.asarray(pit, np.float64).ravel()
    if not u.size or not ((u >= 0) & (u <= 1 + 1e-5)).all():
        raise ValueError(f"pit must be probabilities, and at least one; found {u.size} values")
    return np.minimum(u, 1)
