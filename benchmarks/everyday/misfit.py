"""Misfit of an estimate: the greatest difference of its distribution function from that of the data."""

from __future__ import annotations

import math

import numpy as np

from fbgmm.auto.misfit import ALLOWED, ALLOWED_TIED, MOST_TIED

from ..methods.fitted import Function


def misfit(cdf: Function, x: np.ndarray) -> tuple[float, float]:
    """The greatest difference between a cdf and the data's, over the middles of the gaps, and where it is.

    NaN if the cdf is NaN at any of them.
    """
    values, counts = np.unique(x, return_counts=True)
    middles = (values[:-1] + values[1:]) / 2
    off = np.abs(np.asarray(cdf(middles), np.float64) - np.cumsum(counts)[:-1] / x.size)
    worst = int(np.argmax(off))  # the first NaN, if there is one
    return float(off[worst]), float(middles[worst])


def allowed(x: np.ndarray) -> float:
    """How much of a misfit is none."""
    counts = np.unique(x, return_counts=True)[1]
    tied = counts[counts > 1].sum() / x.size
    return (ALLOWED_TIED if tied > MOST_TIED else ALLOWED) + 1 / math.sqrt(x.size)
