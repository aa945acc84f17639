"""The polynomials of `fbgmm.evaluation.tables` in the cells of an even basis, all by one product of matrices.

At y = (x − mu)/σ from the mean of a cell, the component k cells further has the height exp(−(y − u)²/2) with u = k·r/σ,
which is exp(−y²/2)·w·exp(u·y) with w = exp(−u²/2), and u and w are the same in all cells. So the Taylor coefficients of
Σ_k pi_k w_k exp(u_k y) are one matrix times the weights about the cells. Taking out the slope makes the series short.
Rounding moves means and centres by small parts of σ; the series are moved with them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

_MORE = 4  # terms beyond the degree, by which it is judged what the polynomials leave out
_STEEPEST = 2.0  # slopes of the logarithm over half a cell; the terms of steeper ones would cancel to less than 1e-13
_MOVED_TERMS = 8  # that are moved: the others are below 1e-6, and move by a part of 1e-4 of themselves
_MOST_MOVED = 3e-4  # in sigma: what is left out is half of its square times u², 1e-6 at u = 4.7


def even_cells(
    mu: np.ndarray,
    sigma: float,
    pi: np.ndarray,
    centre: np.ndarray,
    half: float,
    degree: int,
    reach: float,
    tolerance: float,
) -> tuple[np.ndarray, ...] | None:
    """The arrays of `tables.Pieces` for all cells, of the log density; None where rounding makes the means too uneven.

    Args:
        mu, pi: means and weights, shape (n,).
        centre, half: of the cells, in each of which lies one mean.
        degree: of the polynomials.
        reach: how many sigmas from a cell components are looked for.
        tolerance: what the polynomials may leave out, relative to their values.
    """
    n = mu.size
    if n < 2:
        return None
    r, h = (mu[-1] - mu[0]) / (n - 1), half / sigma
    grid = mu[0] + r * np.arange(n)
    moved, away = (mu - grid) / sigma, (centre - grid) / sigma  # of the means, and of the centres
    if max(np.abs(moved).max(), np.abs(away).max()) > _MOST_MOVED:
        return None
    width = math.ceil(reach * sigma / r)
    u, m = np.arange(-width, width + 1) * r / sigma, np.arange(degree + 1 + _MORE)
    power = np.exp(-0.5 * u * u) * np.cumprod(np.vstack([np.ones_like(u), u * h / m[1:, None]]), axis=0)
    with_means = -u * power[:_MOVED_TERMS]  # how the coefficients change
    with_means[1:] += h * power[: _MOVED_TERMS - 1]
    near, near_moved = (sliding_window_view(np.pad(a, width), u.size).T for a in (pi, pi * moved))
    g, few = power @ near, m[:_MOVED_TERMS, None]
    shift = away / h  # the centre lies there on the scale of v
    once, twice = (few + 1) * g[1 : _MOVED_TERMS + 1], (few + 1) * (few + 2) * g[2 : _MOVED_TERMS + 2]
    g[:_MOVED_TERMS] += with_means @ near_moved + shift * (once + 0.5 * shift * twice)

    mass = np.maximum(g[0], 1e-300)
    g /= mass
    steep, factor, series = g[1].copy(), np.ones(n), g.copy()
    for order in range(1, m.size):  # times exp(−steep·v)
        factor *= -steep / order
        series[order:] += factor * g[: m.size - order]
    offset = np.log(mass) - 0.5 * np.square(away) - math.log(sigma * math.sqrt(2 * math.pi))
    beyond = 2 * np.max(pi) * math.exp(-0.5 * reach**2 + reach * h)
    left_out = np.abs(series[degree + 1 :]).sum(axis=0) + beyond / mass
    hard = ~(left_out < tolerance) | (np.abs(steep) > _STEEPEST)
    return offset, steep - away * h, np.full(n, h * h), series[: degree + 1], hard
