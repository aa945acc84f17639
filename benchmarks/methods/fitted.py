"""Interface of all estimates: density, log density and distribution function, on the host in float64.

The logarithm stands for itself: it is right also where the density underflows. It is −∞ only where an estimate says
that nothing can lie, beyond the last bin of a histogram for one, and is never cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """An estimate.

    Attributes:
        pdf: g(x) at points of any shape.
        log_pdf: log g(x), −∞ where the estimate itself is zero.
        cdf: P(X ≤ x).
    """

    pdf: Function
    log_pdf: Function
    cdf: Function


def of_steps(edges: np.ndarray, heights: np.ndarray) -> Fitted:
    """A histogram: heights on the bins (edges[i], edges[i + 1]], zero outside; its cdf is linear in each bin."""
    cumulative = np.concatenate([[0.0], np.cumsum(heights * np.diff(edges))])
    padded = np.concatenate([[0.0], heights, [0.0]])

    def pdf(at: np.ndarray) -> np.ndarray:
        at = np.asarray(at, np.float64)
        found = padded[np.searchsorted(edges, at)]
        return np.where(at == edges[0], heights[0], found)

    return Fitted(pdf, logarithm(pdf), lambda at: np.interp(at, edges, cumulative / cumulative[-1]))


def of_points(points: np.ndarray, values: np.ndarray) -> Fitted:
    """A density that is linear between the points and zero outside."""
    slopes = np.diff(values) / np.diff(points)
    cumulative = np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(points))])

    def pdf(at: np.ndarray) -> np.ndarray:
        return np.interp(at, points, values, left=0.0, right=0.0)

    def cdf(at: np.ndarray) -> np.ndarray:
        inside = np.clip(np.asarray(at, np.float64), points[0], points[-1])
        cell = np.clip(np.searchsorted(points, inside, side="right") - 1, 0, slopes.size - 1)
        step = inside - points[cell]
        return (cumulative[cell] + step * (values[cell] + step * slopes[cell] / 2)) / cumulative[-1]

    return Fitted(pdf, logarithm(pdf), cdf)


def of_normals(weights: np.ndarray, means: np.ndarray, deviations: np.ndarray) -> Fitted:
    """A mixture of few normal densities."""

    def standardised(at: np.ndarray) -> np.ndarray:
        return (np.asarray(at, np.float64)[..., None] - means) / deviations

    def log_pdf(at: np.ndarray) -> np.ndarray:
        z = standardised(at)
        return special.logsumexp(-z * z / 2, b=weights / (deviations * np.sqrt(2 * np.pi)), axis=-1)

    return Fitted(lambda at: np.exp(log_pdf(at)), log_pdf, lambda at: special.ndtr(standardised(at)) @ weights)


def logarithm(pdf: Function) -> Function:
    """log of a density that is zero only where the estimate says so."""

    def log_pdf(at: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(pdf(at))

    return log_pdf
