"""Goodness of fit: the greatest difference between the distribution functions of a fit and of its data."""

from __future__ import annotations

from typing import Any

from .._typing import AnyArray, Float
from .namespace import namespace
from .subsample import Sample

ALLOWED, ALLOWED_TIED = 0.05, 0.08
"""Beyond 1/√N, which is what a sample differs from its own law; the second where MOST_TIED of the points are tied."""

MOST_TIED = 0.3


def misfit(cells: Any, pi: Float[AnyArray, " n"], sample: Sample) -> dict[str, AnyArray]:
    """The greatest difference at the middles between neighbouring values, `misfit`, and how much is `allowed`.

    The mixture's own distribution function is taken from the components of the neighbouring cells, and the weights
    below: components are as wide as their cells.
    """
    xp = namespace(pi)
    present = sample.w > 0
    total = xp.sum(sample.w)
    data = xp.cumsum(sample.w) / total
    gap = (sample.x[1:] > sample.x[:-1]) & present[1:]
    middle = sample.x[:-1] / 2 + sample.x[1:] / 2
    below = xp.concatenate([xp.zeros(1, pi.dtype), xp.cumsum(pi)])
    first = xp.clip(xp.searchsorted(cells.edges, middle, side="right") - 1 - _NEAR, 0, pi.shape[0] - 2 * _NEAR - 1)
    near = first[:, None] + xp.arange(2 * _NEAR + 1)[None]
    fitted = below[first] + xp.sum(
        pi[near] * _normal_cdf((middle[:, None] - cells.mu[near]) / cells.sigma[near]), axis=1
    )
    number = xp.maximum(xp.sum(present), 1)
    tied = xp.sum(xp.where(present, sample.tied, 0)) / number
    allowed = xp.where(tied > MOST_TIED, ALLOWED_TIED, ALLOWED) + 1 / xp.sqrt(number.astype(pi.dtype))
    return {"misfit": xp.max(xp.where(gap, xp.abs(fitted - data[:-1]), 0), initial=0), "allowed": allowed}


_NEAR = 4  # cells to either side, in units of about sigma


def _normal_cdf(z: AnyArray) -> AnyArray:
    """Φ(z) to 2e-4, in numpy and in JAX (Page 1977, Appl. Statist. 26, 75–76)."""
    return 0.5 * (1 + namespace(z).tanh(z * (0.7978846 + 0.0356774 * z * z)))
