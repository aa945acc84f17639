"""The counts of one data set in folds, as cross-validation needs them."""

from __future__ import annotations

from typing import NamedTuple

from .._typing import AnyArray, Float
from .bins import spread
from .coordinate import h_of
from .folds import draw_folds
from .namespace import namespace
from .octaves import SIGMAS
from .read_sample import SampleFacts, centres, shares_of
from .report import STEPS


class FoldedCounts(NamedTuple):
    """The counts of one data set, for cross-validation.

    Attributes:
        folds: counts of each fold, shape (folds, BINS).
        counts: their sum.
        log_h: log dx/du at the centres of the bins: scores are in the units of the data.
        mirror: at which ends the data are mirrored: 1 low, 2 high, 3 both.
        rule: logarithms of the weights of the candidates of one width where the points are too few to choose, of which
            one is not −∞; shape (octave, steps, width).
    """

    folds: Float[AnyArray, "*batch folds bins"]
    counts: Float[AnyArray, "*batch bins"]
    log_h: Float[AnyArray, "*batch bins"]
    mirror: AnyArray
    rule: AnyArray


def fold_counts(counts: Float[AnyArray, " bins"], found: SampleFacts, support: AnyArray) -> FoldedCounts:
    """Draws the folds, in numpy or in JAX.

    Args:
        counts: of all the data, on the bins of the coordinate.
        support: at which ends of the range the support of the density ends: 1 low, 2 high, 3 both; −1: where the
            data say so.
    """
    xp = namespace(counts)
    both = spread(xp.concatenate([draw_folds(counts), counts[None]]), found.resolved)
    mirror = xp.where(support < 0, found.mirror, support)
    log_h = xp.log(h_of(found.at, centres(counts)))
    return FoldedCounts(both[:-1], both[-1], log_h, mirror, _silverman(shares_of(both[-1]), xp.sum(counts)))


def _silverman(share: AnyArray, points: AnyArray) -> AnyArray:
    """A table with one candidate: the kernel density estimate whose width is next to Silverman's."""
    xp = namespace(share)
    below = xp.cumsum(share)
    q1, q3 = (xp.interp(xp.asarray(q, share.dtype), below, centres(share)) for q in (0.25, 0.75))
    width = xp.maximum((q3 - q1) / 1.34, 1e-3)
    target = 0.9 * width * xp.maximum(points, 1) ** -0.2
    distance = xp.abs(xp.log(xp.asarray(SIGMAS, share.dtype)) - xp.log(target))
    table = xp.where(distance == xp.min(distance), 0.0, -xp.inf).astype(share.dtype)
    return xp.stack([table, *[xp.full_like(table, -xp.inf)] * (len(STEPS) - 1)], axis=1)
