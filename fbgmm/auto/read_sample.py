"""What `fit(x)` reads from a sample before anything is fitted: coordinate, edges of the bins, mirrored ends, tails.

The coordinate, and the ends of the range at which the data are mirrored, are those of the best of eight kernel density
estimates in cross-validation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._typing import AnyArray, Bool, Float
from .bins import bin_edges, count_sample, heavy_bins, resolved, spread
from .coordinate import GRADES, Coordinate, coordinate, h_of
from .folds import draw_folds, scores
from .namespace import log_of_sum, map_in_turn, map_rows, namespace
from .octaves import BINS, RATIOS, all_coarser, densities
from .subsample import Sample
from .tails import Tail, tails

# Constants of `fit(x)` were set by hand on the tune half of the benchmark's densities, with seeds of their own. What
# half and twice of each changes (L1 as a ratio) is measured by `python -m benchmarks constants`.

EDGE_EVIDENCE = 2.0
"""Nats of cross-validated likelihood that an edge must gain to be believed. Halved L1 1.005, doubled 1.010."""

BEND_RANGE, BEND_POINTS = 13.0, 200.0
"""Times the length of data that would have a mass of one at the densest place: over a shorter range linear bins are
fine. Of fewer points, which say less about the densest place, so much less. Halved L1 1.018, doubled 1.005."""

BEND_EVIDENCE = 7.0, 0.02
"""Nats of cross-validated likelihood that a bent coordinate must gain over the linear one: so many, and so many for
each point. Halved L1 .984, doubled 1.005."""


class SampleFacts(NamedTuple):
    """What is read from the sample of one data set.

    Attributes:
        sample: as it was given.
        at: the coordinate.
        edges: of the bins, in the units of the data, shape (BINS + 1,).
        resolved: which of them are not within the cell of a rounded value.
        heavy: bins in and about the cells of values that hold much of the data each, shape (BINS,).
        mirror: at which ends of the range mirrored data predict better: 1 low, 2 high, 3 both.
        tails: below and above the data; leaves have an axis of two.
        distinct: share of the points whose value is not that of another.
        bend: which of `fbgmm.auto.coordinate.GRADES`.
        given: which ends of the range were given: 1 low, 2 high, 3 both.
    """

    sample: Sample
    at: Coordinate
    edges: Float[AnyArray, "*batch edges"]
    resolved: Bool[AnyArray, "*batch edges"]
    heavy: Bool[AnyArray, "*batch bins"]
    mirror: AnyArray
    tails: Tail
    distinct: AnyArray
    bend: AnyArray
    given: AnyArray


def read_sample(sample: Sample, low: AnyArray, high: AnyArray, given: AnyArray, total: AnyArray) -> SampleFacts:
    """Reads it from the sample, in numpy or in JAX.

    Args:
        low, high: of the data, or given.
        given: which of them are given: 1 low, 2 high, 3 both.
        total: number of points of the data.
    """
    xp = namespace(sample.x)
    # A rounded value at the end of the range has a cell of its own, which reaches beyond.
    low = xp.where(given % 2 == 1, low, low - sample.left[0])
    high = xp.where(given // 2 == 1, high, high + sample.right[-1])
    at, bend, mirror = _coordinate_and_ends(sample, low, high)
    edges = bin_edges(at)
    least = xp.stack([edges[1] - edges[0], edges[-1] - edges[-2]])
    present = sample.w > 0
    distinct = 1 - xp.sum(sample.tied * present) / xp.maximum(xp.sum(present), 1)
    seen_at = resolved(edges, sample)
    heavy = heavy_bins(edges, seen_at, sample)
    return SampleFacts(sample, at, edges, seen_at, heavy, mirror, tails(sample, total, least), distinct, bend, given)


def _coordinate_and_ends(sample: Sample, low: AnyArray, high: AnyArray) -> tuple[Coordinate, Any, Any]:
    """The coordinate, which of `GRADES` it has, and at which ends the data are mirrored."""
    xp = namespace(sample.x)
    ats = map_rows(lambda grade: coordinate(sample, low, high, grade), xp.asarray(GRADES, low.dtype))
    seen = xp.sum(sample.w)
    # Of two points alone the spacing at each is zero: bins about them would have no width.
    coarse = (seen > 2) & (high - low > BEND_RANGE * xp.minimum(seen / BEND_POINTS, 1) * xp.min(ats.h[1]))
    if xp is np and not coarse:  # the bent one need not be tried
        ats = Coordinate(*(leaf[:1] for leaf in ats))
    evidence = map_rows(lambda at: _evidence(sample, at), ats)  # by coordinate and ends that are mirrored
    evidence = evidence - EDGE_EVIDENCE * xp.asarray([[0, 1, 1, 2]])
    best = xp.max(evidence, axis=1)
    gained = best[-1] - best[0] > BEND_EVIDENCE[0] + BEND_EVIDENCE[1] * seen
    bend = xp.where(gained & coarse, 1, 0)
    at = Coordinate(*(leaf[bend] for leaf in ats))
    return at, bend, xp.argmax(evidence[bend]).astype("int32")


def _evidence(sample: Sample, at: Coordinate) -> Any:
    """Cross-validated log-likelihood of kernel estimates, in the units of the data, for each choice of ends; (4,)."""
    xp = namespace(at.x)
    edges = bin_edges(at)
    counts = count_sample(edges, sample)
    both = spread(xp.concatenate([draw_folds(counts), counts[None]]), resolved(edges, sample))
    folds, total = both[:-1], both[-1]
    row = all_coarser(shares_of(total[None] - folds))[None]
    wide = RATIOS[1:]  # one width of each octave will do
    score = map_in_turn(lambda mirror: log_of_sum(scores(densities(row, mirror, wide), folds)), xp.arange(4))
    return score - xp.sum(total * xp.log(h_of(at, centres(total))))


def shares_of(counts: AnyArray) -> Any:
    """Counts as shares of their sum."""
    xp = namespace(counts)
    return counts / xp.maximum(xp.sum(counts, axis=-1, keepdims=True), 1e-30)


def centres(like: AnyArray) -> Any:
    """Of the bins, in u."""
    return ((namespace(like).arange(BINS) + 0.5) / BINS).astype(like.dtype)
