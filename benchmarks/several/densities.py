"""Made densities in several dimensions, by name: a generator of random numbers and N → points, shape (N, D)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr
from scipy.stats import beta, expon

Draw = Callable[[np.random.Generator, int], np.ndarray]


def banana(rng: np.random.Generator, N: int) -> np.ndarray:
    """A normal density bent along a parabola."""
    u, v = rng.normal(size=(2, N))
    return np.stack([u, u * u + v], axis=1)


def rings(rng: np.random.Generator, N: int) -> np.ndarray:
    """Two circles about the origin, of radii 1 and 3."""
    radius = rng.choice([1.0, 3.0], N, p=[0.3, 0.7]) + 0.15 * rng.normal(size=N)
    angle = rng.uniform(0, 2 * np.pi, N)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def clusters(rng: np.random.Generator, N: int) -> np.ndarray:
    """Four normal clusters of unlike shapes."""
    means = np.array([[-3.0, -3.0], [-3.0, 3.0], [3.0, -3.0], [3.0, 3.0]])
    scales = np.array([[0.5, 1.0], [1.0, 0.5], [0.7, 0.7], [1.0, 1.0]])
    i = rng.integers(0, 4, N)
    return means[i] + scales[i] * rng.normal(size=(N, 2))


def heavy_tails(rng: np.random.Generator, N: int) -> np.ndarray:
    """Student's t with 4 degrees of freedom, all correlations ½, in three dimensions."""
    root = np.linalg.cholesky(0.5 * np.eye(3) + 0.5)
    return rng.normal(size=(N, 3)) @ root.T / np.sqrt(rng.chisquare(4, N) / 4)[:, None]


def skewed(rng: np.random.Generator, N: int) -> np.ndarray:
    """Three lognormal columns that depend on one another."""
    root = np.linalg.cholesky(0.4 * np.eye(3) + 0.6)
    return np.exp(0.6 * rng.normal(size=(N, 3)) @ root.T)


def correlated(rng: np.random.Generator, N: int) -> np.ndarray:
    """A normal density in five dimensions, correlations ½."""
    return rng.normal(size=(N, 5)) @ np.linalg.cholesky(0.5 * np.eye(5) + 0.5).T


def swiss_roll(rng: np.random.Generator, N: int) -> np.ndarray:
    """A rolled-up sheet in three dimensions, with noise."""
    angle = 1.5 * np.pi * (1 + 2 * rng.uniform(size=N))
    x = np.stack([angle * np.cos(angle), 20 * rng.uniform(size=N), angle * np.sin(angle)], axis=1)
    return x / 5 + 0.15 * rng.normal(size=(N, 3))


def mixed_marginals(rng: np.random.Generator, N: int) -> np.ndarray:
    """A normal copula, correlations .7, of an exponential, a beta and a bimodal column."""
    q = ndtr(rng.normal(size=(N, 3)) @ np.linalg.cholesky(0.3 * np.eye(3) + 0.7).T)
    bumps = np.where(q[:, 2] < 0.5, -2.0, 2.0) + 3 * (np.mod(2 * q[:, 2], 1) - 0.5)
    return np.stack([expon.ppf(q[:, 0]), beta(2, 3).ppf(q[:, 1]), bumps], axis=1)


DENSITIES: dict[str, Draw] = {
    f.__name__: f for f in (banana, rings, clusters, heavy_tails, skewed, correlated, swiss_roll, mixed_marginals)
}
