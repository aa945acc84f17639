"""Counts on the bins of a coordinate, with tied values spread over the cells of their rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._typing import AnyArray, Bool, Float
from .coordinate import Coordinate, x_of
from .namespace import greatest_so_far, least_from_here, namespace
from .octaves import BINS
from .subsample import Sample

HEAVY = 1 / 64
_SEVERAL = 3  # points: of less a value is not heavy, however few the data
_REACH = 8  # bins: four widths of the narrowest component
_CELLS, _BLOCK = 1 << 17, 1 << 15  # for counting on the host: cells, and points at a time; both fit a cache


def bin_edges(at: Coordinate) -> Float[AnyArray, " edges"]:
    """Edges of the bins over the range of the data, in its units; shape (BINS + 1,)."""
    return x_of(at, namespace(at.x).arange(BINS + 1, dtype=at.x.dtype) / BINS)


def count_sample(edges: Float[AnyArray, " edges"], sample: Sample) -> Float[AnyArray, " bins"]:
    """How much of the sample falls into each bin."""
    xp = namespace(edges)
    below = xp.concatenate([xp.zeros(1, sample.w.dtype), xp.cumsum(sample.w)])
    inner = below[xp.searchsorted(sample.x, edges[1:-1], side="left")]
    return xp.diff(xp.concatenate([xp.zeros(1, inner.dtype), inner, below[-1:]]))


def count_points(edges: np.ndarray, x: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """How much of any number of points, in any order, falls into each bin; on the host.

    Points are first counted in many cells, whose number never falls as x grows, rounding included. Only those in a cell
    that an edge divides are compared with it.

    Args:
        w: data weights; None: 1 each.
    """
    inner = edges[1:-1]
    some = x[: 1 << 12]
    cell_of, at_edges, divided, _ = min(
        (_cells(cells, inner, some) for cells in (_even, _growing)), key=lambda c: c[-1]
    )
    sums, counts = np.zeros(_CELLS), np.zeros(BINS)
    for start in range(0, x.size, _BLOCK):
        points = x[start : start + _BLOCK]
        at = cell_of(points)
        close = np.flatnonzero(divided[at])
        bins = np.searchsorted(inner, points[close], side="right")
        weights = None if w is None else w[start : start + _BLOCK]
        sums += np.bincount(at, weights, _CELLS)
        counts += np.bincount(bins, None if weights is None else weights[close], BINS)
    whole = np.flatnonzero(~divided & (sums > 0))
    return counts + np.bincount(np.searchsorted(at_edges, whole), sums[whole], BINS)


def _cells(make: Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]], edges: np.ndarray, x: np.ndarray) -> Any:
    """Cells of a kind: of each point, of the edges, which ones an edge divides, and how many points are in those."""
    cell_of = make(edges)
    at_edges = cell_of(edges)
    divided = np.zeros(_CELLS, bool)
    divided[at_edges] = True
    return cell_of, at_edges, divided, np.count_nonzero(divided[cell_of(x)])


def _even(edges: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Cells of equal width."""
    low, width = edges[0], edges[-1] - edges[0]
    return lambda x: np.clip((x - low) / width * _CELLS, 0, _CELLS - 1).astype(np.intp)


def _growing(edges: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Cells as wide as 1/256 or less of the distance from the densest bin: the leading bits of that distance."""
    centre = edges[np.argmin(np.diff(edges))]

    def cell_of(x: np.ndarray) -> np.ndarray:
        distance = (x - centre).astype(np.float32) + np.float32(0)  # no −0
        bits = distance.view(np.int32)
        return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)) >> 15).astype(np.intp) + _CELLS // 2

    return cell_of


def resolved(edges: Float[AnyArray, " edges"], sample: Sample) -> Bool[AnyArray, " edges"]:
    """At which edges the share of the data below says something: not within the cell of a rounded value."""
    xp = namespace(edges)
    size = sample.x.shape[0]
    above = xp.searchsorted(sample.x, edges, side="left")
    lower, upper = xp.maximum(above - 1, 0), xp.minimum(above, size - 1)
    half = xp.asarray(xp.gradient(edges)) / 2
    in_lower = (above > 0) & (sample.x[lower] + sample.right[lower] - edges > half)
    in_upper = (above < size) & (edges - (sample.x[upper] - sample.left[upper]) > half)
    ends = xp.asarray(np.isin(np.arange(BINS + 1), (0, BINS)))
    return ends | ~(in_lower | in_upper)


def spread(counts: Float[AnyArray, "*rows bins"], at: Bool[AnyArray, " edges"]) -> Float[AnyArray, "*rows bins"]:
    """Counts spread evenly between neighbouring resolved edges."""
    xp = namespace(counts)
    i = xp.arange(BINS + 1)
    first = greatest_so_far(xp.where(at, i, 0))
    last = least_from_here(xp.where(at, i, BINS))
    below = xp.concatenate([xp.zeros_like(counts[..., :1]), xp.cumsum(counts, axis=-1)], axis=-1)
    # Of each bin: the resolved edges on either side, and its share of what lies between them.
    a, b = first[:-1], last[1:]
    bins = xp.broadcast_to(b - a, counts.shape)
    even = (below[..., b] - below[..., a]) / bins.astype(counts.dtype)
    return xp.where(bins > 1, even, counts)


def heavy_bins(
    edges: Float[AnyArray, " edges"], at: Bool[AnyArray, " edges"], sample: Sample
) -> Bool[AnyArray, " bins"]:
    """The bins of values that hold more than `HEAVY` of the points each, and those that a narrow component reaches."""
    xp = namespace(edges)
    much = sample.same > xp.maximum(HEAVY * xp.sum(sample.w), _SEVERAL)
    own = spread(count_sample(edges, sample._replace(w=xp.where(much, sample.w, 0))), at)
    reach = xp.ones(2 * _REACH + 1, own.dtype)
    return xp.convolve((own > 0).astype(own.dtype), reach, mode="same") > 0.5
