"""Metrics of sample quality: Fréchet distance, precision, recall, density, coverage, diversity, confusion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import NearestNeighbors

NEIGHBOURS = 5
_AT_ONCE = 500  # rows of a matrix of distances that are held at a time


class Manifold(NamedTuple):
    """How two samples lie in each other, with balls about each point to its 5th neighbour in its own sample.

    Attributes:
        precision: share of the generated points inside a ball of a real one (Kynkäänniemi et al. 2019).
        recall: share of the real points inside a ball of a generated one.
        density: number of real balls that a generated point lies in, over 5 (Naeem et al. 2020); may exceed 1.
        coverage: share of the real balls with a generated point inside.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The squared Fréchet distance between the normal densities of the same means and covariances (Heusel et al. 2017).

    ‖m₁ − m₂‖² + tr(C₁ + C₂ − 2 (C₁C₂)^½), with the trace of the root as that of (√C₁ C₂ √C₁)^½, which is symmetric.

    Args:
        real, generated: features, shapes (N, F) and (M, F), at least two rows each.

    Raises:
        ValueError: shapes that do not match, fewer than two rows, values that are not finite.
    """
    real, generated = _checked(real, generated, least=2)
    between = real.mean(axis=0) - generated.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (real, generated))
    root = _symmetric_root(first)
    product = np.linalg.eigvalsh(root @ second @ root)
    return float(between @ between + np.trace(first) + np.trace(second) - 2 * np.sqrt(np.maximum(product, 0)).sum())


def _symmetric_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def manifold(real: np.ndarray, generated: np.ndarray, k: int = NEIGHBOURS) -> Manifold:
    """Precision, recall, density and coverage. Holds no matrix of all distances.

    Args:
        real, generated: features, shapes (N, F) and (M, F), more than k rows each.
        k: neighbours to a ball.

    Raises:
        ValueError: shapes that do not match, too few rows, values that are not finite.
    """
    real, generated = _checked(real, generated, least=k + 1)
    # Of each point to its k-th neighbour, itself not counted.
    balls = (NearestNeighbors(n_neighbors=k + 1).fit(each).kneighbors(each)[0] for each in (real, generated))
    real_radius, generated_radius = (distances[:, -1] for distances in balls)
    inside_real = np.zeros(len(generated), np.int64)  # how many real balls each generated point lies in
    covered, recalled = np.zeros(len(real), bool), np.zeros(len(real), bool)
    squares = np.einsum("nf,nf->n", generated, generated)
    for first in range(0, len(real), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        block = real[rows]
        distances = np.einsum("nf,nf->n", block, block)[:, None] + squares[None, :] - 2 * block @ generated.T
        distances = np.sqrt(np.maximum(distances, 0))
        inside = distances <= real_radius[rows, None]
        inside_real += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
        recalled[rows] = (distances <= generated_radius[None, :]).any(axis=1)
    shares = (inside_real > 0).mean(), recalled.mean(), inside_real.mean() / k, covered.mean()
    return Manifold(*map(float, shares))


def diversity(samples: np.ndarray) -> float:
    """Mean Euclidean distance over all pairs, in the units of the samples.

    Args:
        samples: images or features, shape (N, …), at least two.

    Raises:
        ValueError: fewer than two, or values that are not finite.
    """
    flat = np.asarray(samples, np.float64).reshape(len(samples), -1)
    flat, _ = _checked(flat, flat, least=2)
    return float(pdist(flat).mean())


def confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of the samples of each class that are taken for each class; rows sum to 1.

    Args:
        probabilities: of the classes by the judge, shape (N, C).
        labels: the classes asked for, shape (N,).

    Returns:
        Shares, shape (C, C): asked for × taken for. The diagonal is the share recognised.

    Raises:
        ValueError: a class without samples, or a label that is no class.
    """
    classes = probabilities.shape[1]
    labels = np.asarray(labels).astype(np.int64)
    if len(labels) != len(probabilities) or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must be {len(probabilities)} classes from 0 to {classes - 1}; found {labels!r}")
    if absent := sorted({*range(classes)} - {*labels.tolist()}):
        raise ValueError(f"each class needs samples; found none of {absent}")
    return confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(classes), normalize="true")


def _checked(real: np.ndarray, generated: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    real, generated = np.asarray(real, np.float64), np.asarray(generated, np.float64)
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        raise ValueError(f"features must have shapes (N, F) and (M, F); found {real.shape} and {generated.shape}")
    if min(len(real), len(generated)) < least:
        raise ValueError(f"at least {least} rows are needed; found {len(real)} and {len(generated)}")
    if not (np.isfinite(real).all() and np.isfinite(generated).all()):
        raise ValueError("features must be finite; found NaN or infinity")
    return real, generated
