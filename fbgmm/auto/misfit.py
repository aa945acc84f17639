"""Goodness of fit: the greatest difference between the distribution functions of a fit and of its data."""

from __future__ import annotations

from .._typing import AnyArray, Float
from .namespace import namespace
from .subsample import Sample

ALLOWED, ALLOWED_TIED = 0.05, 0.08
"""Beyond 1/√N, which is what a sample differs from its own law; the second where MOST_TIED of the points are tied."""

MOST_TIED = 0.3


def misfit(edges: Float[AnyArray, " edges"], pi: Float[AnyArray, " n"], sample: Sample) -> dict[str, AnyArray]:
    """The greatest difference at the middles between neighbouring values, `misfit`, and how much is `allowed`.

    The mixture's own distribution function is taken from its weights below each cell: its components are as wide as
    their cells, so that the two differ by little.
    """
    xp = namespace(pi)
    present = sample.w > 0
    total = xp.sum(sample.w)
    share = xp.cumsum(sample.w) / total
    gap = (sample.x[1:] > sample.x[:-1]) & present[1:]
    middle = sample.x[:-1] / 2 + sample.x[1:] / 2
    below = xp.concatenate([xp.zeros(1, pi.dtype), xp.cumsum(pi)])
    fitted = xp.interp(middle, edges, below)
    number = xp.maximum(xp.sum(present), 1)
    tied = xp.sum(xp.where(present, sample.tied, 0)) / number
    allowed = xp.where(tied > MOST_TIED, ALLOWED_TIED, ALLOWED) + 1 / xp.sqrt(number.astype(pi.dtype))
    return {"misfit": xp.max(xp.where(gap, xp.abs(fitted - share[:-1]), 0), initial=0), "allowed": allowed}
