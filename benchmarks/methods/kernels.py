"""Gaussian kernel estimates: quick on a grid for distances, by exact sums for tails and distribution functions."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import fft, special

from .fitted import Fitted

KDE_GRID = 2**13

DENSE = 1e-5
"""Of the greatest density: where a grid point has more, the logarithm is taken from the grid, elsewhere from sums."""

COARSEST = 0.25
"""Steps of the grid, in bandwidths, above which no logarithm is taken from it."""

PAIRS_AT_ONCE = 2**22
NOTHING = 40.0  # nats below the nearest kernel, where another one adds nothing
ALL_OF_IT = 9.0  # bandwidths from its point, where a kernel has all of its mass


def gaussian_kde(x: np.ndarray, bandwidth: float) -> Fitted:
    """The Gaussian kernel estimate.

    The density comes from linear binning, FFT and linear interpolation, and is zero 8 bandwidths from the data; its
    logarithm is that of the sum of kernels everywhere.
    """
    low, high = x.min() - 8 * bandwidth, x.max() + 8 * bandwidth
    number = 2 ** math.ceil(math.log2(max(KDE_GRID, min(10 * (high - low) / bandwidth, 2**21))))
    step = (high - low) / number
    counts = linear_counts(x, low, step, number)
    frequency = 2 * np.pi * fft.rfftfreq(number, step)
    smooth = fft.irfft(fft.rfft(counts) * np.exp(-0.5 * (bandwidth * frequency) ** 2), number)
    points, values = low + step * np.arange(number), np.maximum(smooth, 0) / (x.size * step)
    dense = (values > DENSE * values.max()) & (step < COARSEST * bandwidth)
    log_values = np.log(values, out=np.full(number, np.nan), where=dense)
    ordered = np.sort(x)

    def log_pdf(at: np.ndarray) -> np.ndarray:
        at = np.asarray(at, np.float64)
        found = np.interp(at, points, log_values, left=np.nan, right=np.nan)
        sparse = np.isnan(found)
        found[sparse] = log_sums(ordered, bandwidth, at[sparse])
        return found

    return Fitted(
        pdf=lambda at: np.interp(at, points, values, left=0.0, right=0.0),
        log_pdf=log_pdf,
        cdf=lambda at: cdf_sums(ordered, bandwidth, np.ravel(at)).reshape(np.shape(at)),
    )


def linear_counts(x: np.ndarray, low: float, step: float, number: int) -> np.ndarray:
    """Counts on the grid low + i·step: each point is shared between its two neighbours."""
    place = (x - low) / step
    left = np.clip(place.astype(np.int64), 0, number - 2)
    share = place - left
    return np.bincount(left, 1 - share, number) + np.bincount(left + 1, share, number)


def log_sums(ordered: np.ndarray, bandwidth: float, at: np.ndarray) -> np.ndarray:
    """log of the mean of the kernels about sorted data, shape (points,): right however far from them.

    Only kernels within e^−40 of the nearest one are added.
    """
    place = np.searchsorted(ordered, at)
    below, above = ordered[np.maximum(place - 1, 0)], ordered[np.minimum(place, ordered.size - 1)]
    nearest = np.minimum(np.abs(at - below), np.abs(above - at))
    reach = np.sqrt(nearest**2 + 2 * NOTHING * bandwidth**2) * (1 + 1e-12)
    first, last = np.searchsorted(ordered, at - reach), np.searchsorted(ordered, at + reach, side="right")
    least = (nearest / bandwidth) ** 2 / 2
    sums = np.empty(at.size)
    for rows, row, point in _pairs(first, last):
        z = (at[rows][row] - ordered[point]) / bandwidth
        sums[rows] = np.bincount(row, np.exp(least[rows][row] - z * z / 2), rows.stop - rows.start)
    return np.log(sums) - least - math.log(ordered.size * bandwidth * math.sqrt(2 * math.pi))


def cdf_sums(ordered: np.ndarray, bandwidth: float, at: np.ndarray) -> np.ndarray:
    """The mean of the kernels' distribution functions, shape (points,)."""
    first = np.searchsorted(ordered, at - ALL_OF_IT * bandwidth)
    last = np.searchsorted(ordered, at + ALL_OF_IT * bandwidth)
    sums = np.empty(at.size)
    for rows, row, point in _pairs(first, last):
        z = (at[rows][row] - ordered[point]) / bandwidth
        sums[rows] = np.bincount(row, special.ndtr(z), rows.stop - rows.start)
    return (first + sums) / ordered.size


def _pairs(first: np.ndarray, last: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Row i with each of first[i] … last[i] − 1, some rows at once: the rows, and for each pair its row and its point.

    Rows are counted from the first of those at once.
    """
    lengths = last - first
    ends = np.cumsum(lengths)
    start = 0
    while start < lengths.size:
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + PAIRS_AT_ONCE, side="right")))
        part = lengths[start:stop]
        row = np.repeat(np.arange(part.size), part)
        offset = np.cumsum(part) - part
        yield slice(start, stop), row, np.arange(row.size) - offset[row] + first[start:stop][row]
        start = stop
