"""Distances between a known density f and an estimate g, from the probabilities of many small cells.

For f these probabilities are exact, from its cdf, so that infinite peaks and sharp edges need no care; for g they come
from Simpson's rule. A sum over cells falls short of its integral only in the few cells where f − g changes sign.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from ..methods.fitted import Function

CELLS = 200
"""Cells of the paper's loss: those of its n = 200 Gaussians over the range of the data."""

QUANTILE_NODES, RANGE_NODES, OUTER_NODES = 16_000, 16_000, 1_000
MARGIN, REACH = 0.2, 2.0  # in ranges of the data: to where the fine grid goes, and the coarse one


class KnownDensity(Protocol):
    """A density that estimates are compared with."""

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """P(X ≤ x) at points of any shape."""

    def sample(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Independent draws, shape (number,)."""

    def nodes(self, number: int) -> np.ndarray:
        """About so many points, sorted, most of them where the mass is."""


class Losses(NamedTuple):
    """How far g is from f.

    Attributes:
        l1: ∫ |f − g|, in [0, 2].
        hellinger: (½ ∫ (√f − √g)²)^½, in [0, 1].
        paper_loss: Eq. 9 on 200 cells over the range of the data, whatever the estimator's own cells are.
        mass: ∫ g, which is one for a density.
    """

    l1: float
    hellinger: float
    paper_loss: float
    mass: float


def grid(density: KnownDensity, x: np.ndarray) -> np.ndarray:
    """Edges of the small cells for a sample x: quantiles of f, a fine grid over the data, a coarse one far beyond."""
    low, high = float(x.min()), float(x.max())
    width = high - low
    return np.unique(
        np.concatenate(
            [
                density.nodes(QUANTILE_NODES),
                np.linspace(low - MARGIN * width, high + MARGIN * width, RANGE_NODES),
                np.linspace(low - REACH * width, low - MARGIN * width, OUTER_NODES),
                np.linspace(high + MARGIN * width, high + REACH * width, OUTER_NODES),
                np.linspace(low, high, CELLS + 1),
            ]
        )
    )


def cell_masses(pdf: Function, edges: np.ndarray) -> np.ndarray:
    """The integral of a pdf over each cell by Simpson's rule, shape (cells,)."""
    middle = (edges[1:] + edges[:-1]) / 2
    values = np.asarray(pdf(np.concatenate([edges, middle])), np.float64)
    ends, inner = values[: edges.size], values[edges.size :]
    return np.diff(edges) * (ends[1:] + 4 * inner + ends[:-1]) / 6


class Reference(NamedTuple):
    """What is known before any estimate: the cells for a sample, and f's probabilities up to their edges.

    Attributes:
        edges, cumulative: of the small cells, shape (edges,).
        at: which of them are the edges of Eq. 9's cells, shape (CELLS + 1,).
    """

    edges: np.ndarray
    cumulative: np.ndarray
    at: np.ndarray


def reference(density: KnownDensity, x: np.ndarray) -> Reference:
    edges = grid(density, x)
    return Reference(edges, density.cdf(edges), np.searchsorted(edges, np.linspace(x.min(), x.max(), CELLS + 1)))


def distances(known: Reference, pdf: Function) -> Losses:
    """The losses of an estimate made from the reference's sample.

    Beyond the grid, two ranges away from the data, the estimate counts as zero.
    """
    cumulative, at = known.cumulative, known.at
    f, g = np.diff(cumulative), cell_masses(pdf, known.edges)
    beyond = cumulative[0] + 1 - cumulative[-1]
    squared = np.sum((np.sqrt(np.maximum(f, 0)) - np.sqrt(np.maximum(g, 0))) ** 2) + beyond
    ours = np.concatenate([[0.0], np.cumsum(g)])
    tails = abs(cumulative[at[0]] - ours[at[0]]) + abs(cumulative[at[-1]] - 1 + ours[-1] - ours[at[-1]])
    return Losses(
        l1=float(np.sum(np.abs(f - g)) + beyond),
        hellinger=float(np.sqrt(squared / 2)),
        paper_loss=float(tails + np.sum(np.abs(np.diff(cumulative[at] - ours[at])))),
        mass=float(ours[-1]),
    )


def log_likelihood(log_pdf: Function, held_out: np.ndarray) -> tuple[float, float]:
    """The mean log density of points that the estimate has not seen, and the share of them that it holds impossible.

    Nothing is cut off: with one impossible point the mean is −∞.
    """
    logs = np.asarray(log_pdf(held_out), np.float64)
    return float(np.mean(logs)), float(np.mean(np.isneginf(logs)))
