"""Tables of short polynomials for the log density and the distribution function of one mixture, in numpy and float64.

Within a cell a mixture of Gaussians about as wide as the cell is a smooth function. In a piece with the centre c and
the half-width h, at v = (x − c)/h, the log density is

    log g = offset + slope·v − ½ curvature·v² + log Σ_m coefficient_m v^m.

offset, slope and curvature are those of the components at c, and the sum is the Taylor series of what is left, each
component's own by a recurrence. The distribution function is the integral of such series. A point then costs a few
loads and Horner's rule instead of a sum over components. Pieces are the cells, cut where they are wider than their
component, and tails beyond either end. Where the series leaves out too much (the middle of a wide gap) a piece is
`hard`: it has to be summed.
"""

from __future__ import annotations

import math
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.polynomial.polynomial import polyval

from ..basis import Basis, even_edges
from .even_cells import even_cells
from .local_sums import Precision, precision
from .lookup import Lookup, lookup

_TOGETHER = 1 << 15  # terms of several pieces: few calls of numpy, and arrays that stay in cache


class Pieces(NamedTuple):
    """One polynomial for each piece; each array has the shape (pieces,).

    Attributes:
        offset, slope, curvature: of a log density, as above. Of a distribution function `slope` is the logarithm of the
            density's ratio between the ends of the piece, and the others are 0.
        coefficients: of the powers of v, from the constant on, shape (degree + 1, pieces).
        hard: whether the polynomial is not good enough.
    """

    offset: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray
    coefficients: np.ndarray
    hard: np.ndarray


class Shape(NamedTuple):
    """Pieces and components.

    Attributes:
        edges: of the pieces, ascending, shape (pieces + 1,).
        centre, half: of each piece, shape (pieces,).
        mu, sigma, pi: the components, shape (n,).
    """

    edges: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    mu: np.ndarray
    sigma: np.ndarray
    pi: np.ndarray

    def at(self, pieces: np.ndarray | slice) -> Shape:
        """Of some of the pieces, whose edges are not needed."""
        return self._replace(centre=self.centre[pieces], half=self.half[pieces])


class Runs(NamedTuple):
    """Runs of components to sum in each piece: the indices first + step·k, k < length, which need not exist."""

    first: np.ndarray
    step: np.ndarray
    length: int

    def at(self, pieces: np.ndarray | slice) -> Runs:
        return self._replace(first=self.first[:, pieces])


class Tables:
    """What evaluates one mixture; each table is made when it is first asked for.

    Attributes:
        shape: pieces and components.
        log_density, cdf: the polynomials.
        heights: the distribution function at the edges of the pieces.
        at_edges, at_heights: find where a point lies among the edges, and a probability among the heights.
    """

    def __init__(self, shape: Shape, runs: Runs, even: slice | None, dtype: np.dtype) -> None:
        self.shape, self._runs, self._even, self._dtype = shape, runs, even, dtype

    @cached_property
    def log_density(self) -> Pieces:
        bounds, tolerance = precision(self._dtype), 4 * float(np.finfo(self._dtype).eps)
        shape, degree = self.shape, bounds.degree
        even, cells = self._even, None
        if even is not None:
            alike = shape.mu, shape.sigma[0], shape.pi, shape.centre[even], shape.half[even][0]
            cells = even_cells(*alike, degree, bounds.even_reach, tolerance)
        if even is None or cells is None:
            return _log_density(shape, self._runs, degree, tolerance)
        ends = even.start, shape.centre.size - even.stop
        pieces = [np.pad(a, [(0, 0)] * (a.ndim - 1) + [ends], constant_values=1) for a in cells]
        rest = np.flatnonzero(pieces[-1])
        # Each tail, and the cells in gaps: a tail has components on one side alone.
        for part in np.split(rest, np.searchsorted(rest, [even.start, even.stop])):
            if part.size:
                summed = _log_density(shape.at(part), self._runs.at(part), degree, tolerance)
                for every, some in zip(pieces, summed, strict=True):
                    every[..., part] = some
        return Pieces(*pieces)

    @cached_property
    def _cdf(self) -> tuple[Pieces, np.ndarray]:
        return _cdf(self.shape, self.log_density)

    @property
    def cdf(self) -> Pieces:
        return self._cdf[0]

    @property
    def heights(self) -> np.ndarray:
        return self._cdf[1]

    @cached_property
    def at_edges(self) -> Lookup:
        edges = self.shape.edges
        return lookup(edges, self._dtype, edges[edges.size // 2])

    @cached_property
    def at_heights(self) -> Lookup:
        return lookup(self.heights, self._dtype, 0.0)


_MOST_PIECES = 1 << 17  # they take half a second to make and some 50 MB


def tables_of(basis: Basis, pi: np.ndarray) -> Tables | None:
    """The tables of a mixture whose arrays are concrete; None where sums are the only way.

    That is: a batch, a weight below zero, widths that differ by any factor from one component to the next, components
    so narrow that there would be very many pieces.

    Args:
        basis: of either precision; the pieces' centres are rounded to it, so that x − c is exact.
        pi: weights, shape (capacity,).
    """
    dtype = np.dtype(basis.dtype)
    if np.ndim(pi) != 1 or not (basis.even or basis.t_max) or not np.all(np.asarray(pi) >= 0) or not np.any(pi):
        return None
    n = int(basis.n)
    mu, pi = (np.asarray(a, np.float64)[:n] for a in (basis.mu, pi))
    sigma = np.broadcast_to(np.asarray(basis.widths, np.float64), mu.shape)
    cells = cell_edges(basis, n).astype(np.float64)
    if np.sum(np.diff(cells) / sigma) > _MOST_PIECES:
        return None
    tail = _tail(precision(dtype))
    edges, cell = _pieces(cells, sigma, tail)
    edges = edges.astype(dtype).astype(np.float64)
    if not np.all(np.diff(edges) > 0) or not np.all(np.isfinite(edges)):
        return None  # cells of a few roundings
    centre = ((edges[1:] + edges[:-1]) / 2).astype(dtype).astype(np.float64)
    half = np.maximum(edges[1:] - centre, centre - edges[:-1])
    even = slice(tail.size, tail.size + n) if basis.even and centre.size == n + 2 * tail.size else None
    if even is not None:
        half[even] = half[even].max()
    shape = Shape(edges, centre, half, mu, sigma, pi)
    exact = precision(np.float64)  # also for float32: weights may fall by many powers of ten from one to the next
    reach = exact.reach * (sigma[0] / np.diff(cells)[0] if basis.even else 1.35 * (basis.t_max or 1))
    runs = _runs(cell, pi, min(n, math.ceil(reach)), exact.negligible)
    return Tables(shape, runs, even, dtype)


def cell_edges(basis: Basis, n: int) -> np.ndarray:
    """`basis.edges` of the n live cells, the same numbers in numpy: calls of JAX would take half a millisecond."""
    if basis.bounds is not None:
        return np.asarray(basis.bounds)[: n + 1]
    low, high, r = (np.asarray(a) for a in (basis.low, basis.high, basis.r))
    return even_edges(np.arange(n + 1, dtype=low.dtype), low, high, r, n, np)


def _pieces(cells: np.ndarray, sigma: np.ndarray, tail: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the pieces, and the cell that each belongs to: cells in parts of at most one sigma, then the tails."""
    parts = np.maximum(np.ceil(np.diff(cells) / sigma - 1e-3), 1).astype(int)
    cell = np.repeat(np.arange(sigma.size), parts)
    within = np.arange(cell.size) - np.repeat(np.cumsum(parts) - parts, parts)
    inner = cells[cell] + np.diff(cells)[cell] * within / parts[cell]
    edges = np.concatenate([(cells[0] - sigma[0] * tail)[::-1], inner, cells[-1:], cells[-1] + sigma[-1] * tail])
    return edges, np.concatenate([np.zeros(tail.size, int), cell, np.full(tail.size, sigma.size - 1)])


@cache
def _tail(bounds: Precision) -> np.ndarray:
    """Edges of the pieces beyond an end, in sigmas from it: half a sigma wide, and further out narrower, as the density
    falls by exp(z²/2): the polynomials of the distribution function would else need a higher degree there."""
    z = [0.0]
    while z[-1] < bounds.underflow:
        z.append(z[-1] + min(0.5, bounds.fall / max(z[-1], 1)))
    return np.array(z[1:])


def _runs(cell: np.ndarray, pi: np.ndarray, length: int, negligible: float) -> Runs:
    """The components near each piece, above and below, and those of the next heavy component on either side, as
    `fbgmm.evaluation.local_sums.runs` has them."""
    n, i = pi.size, np.arange(pi.size)
    heavy = pi > negligible * pi.max()
    left = np.maximum.accumulate(np.where(heavy, i, -1))
    right = np.minimum.accumulate(np.where(heavy, i, n)[::-1])[::-1]
    far_left = np.where(cell - length >= 0, left[np.maximum(cell - length, 0)], -1)
    far_right = np.where(cell + 1 + length < n, right[np.minimum(cell + 1 + length, n - 1)], n)
    return Runs(np.stack([cell, cell + 1, far_left, far_right]), np.array([[-1], [1], [-1], [1]]), length)


def _terms(shape: Shape, runs: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z at the pieces' centres, h/sigma and pi of all terms that a piece has, shape (terms, pieces); pi is 0 where no
    component is."""
    mu, sigma, pi = shape.mu, shape.sigma, shape.pi
    j = (runs.first[:, None] + runs.step[:, None] * np.arange(runs.length)[:, None]).reshape(-1, shape.centre.size)
    there = (j >= 0) & (j < pi.size)
    j = np.where(there, j, 0)
    weight = np.where(there, pi[j], 0)
    some = weight.any(axis=1)
    j, weight = j[some], weight[some]
    return (shape.centre - mu[j]) / sigma[j], shape.half / sigma[j], weight


def _log_density(shape: Shape, runs: Runs, degree: int, tolerance: float) -> Pieces:
    """By sums over the components near each piece, some pieces at a time."""
    size = max(1, _TOGETHER // (len(runs.first) * runs.length))
    starts = range(0, shape.centre.size, size)
    each = [_block(shape.at(at), runs.at(at), degree, tolerance) for at in (slice(i, i + size) for i in starts)]
    return Pieces(*(np.concatenate(parts, axis=-1) for parts in zip(*each, strict=True)))


def _block(shape: Shape, runs: Runs, degree: int, tolerance: float) -> Pieces:
    z, h, weight = _terms(shape, runs)
    with np.errstate(divide="ignore"):
        logs = np.log(weight * h) - 0.5 * z * z  # h: the heights but for one factor in each piece
    top = logs.max(axis=0)
    logs -= top
    share = np.exp(logs)
    mass = share.sum(axis=0)
    share /= mass
    rate, square = -z * h, h * h
    slope, curvature = (share * rate).sum(axis=0), (share * square).sum(axis=0)
    rate -= slope
    coefficients = np.zeros((degree + 1, shape.centre.size))
    _add_series(coefficients, share, rate, square - curvature)
    # Of exp(rate·v) at the ends of the piece, where a component may matter that is nothing at the centre.
    rest = np.abs(rate)
    rest += logs - np.log(mass) + (degree + 1) * np.log(rest + 1e-300) - math.lgamma(degree + 2)
    left_out = np.exp(np.minimum(rest, 0)).sum(axis=0)
    offset = top + np.log(mass) - np.log(shape.half) - 0.5 * math.log(2 * math.pi)
    return Pieces(offset, slope, curvature, coefficients, ~(left_out < tolerance))


def _cdf(shape: Shape, log_density: Pieces) -> tuple[Pieces, np.ndarray]:
    """The polynomials, and the values at the edges: sums of the pieces' masses, which are right to rounding also where
    they are small."""
    degree = len(log_density.coefficients) - 1
    before, factor = np.zeros_like(shape.centre), shape.half * np.exp(log_density.offset)
    series = factor * log_density.coefficients[:degree]
    for m in range(1, degree):  # times exp(slope·v − ½ curvature·v²)
        before, factor = factor, (log_density.slope * factor - log_density.curvature * before) / m
        series[m:] += factor * log_density.coefficients[: degree - m]
    integral = series / np.arange(1, degree + 1)[:, None]
    ends = (shape.edges[:-1] - shape.centre) / shape.half, (shape.edges[1:] - shape.centre) / shape.half
    left, right = (end * polyval(end, integral, tensor=False) for end in ends)
    masses = np.maximum(right - left, 0)
    total = shape.pi.sum()
    heights = np.concatenate([[0.0], np.cumsum(masses)])
    heights *= total / heights[-1]
    zero = np.zeros_like(left)
    low, high = (polyval(end, series, tensor=False) for end in ends)
    fine = (low > 0) & (high > 0)
    growth = np.where(fine, np.log(np.where(fine, high, 1)) - np.log(np.where(fine, low, 1)), 0)
    return Pieces(zero, growth, zero, np.concatenate([(heights[:-1] - left)[None], integral]), zero > 0), heights


def _add_series(sums: np.ndarray, share: np.ndarray, slope: np.ndarray, curvature: np.ndarray) -> None:
    """Adds the Taylor coefficients of Σ share·exp(slope·v − ½ curvature·v²), a sum over the first axis."""
    before, term = np.zeros_like(share), share
    for m in range(len(sums)):
        sums[m] += term.sum(axis=0)
        before, term = term, (slope * term - curvature * before) / (m + 1)
