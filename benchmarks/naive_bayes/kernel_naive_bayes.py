"""KernelNB: naive Bayes with a kernel density estimate for each class and feature, by scikit-learn's KernelDensity."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

BANDWIDTHS = (0.03, 0.06, 0.1, 0.2, 0.3, 0.5, 0.8)
"""In standard deviations of each feature."""


class KernelNB(ClassifierMixin, BaseEstimator):
    """Gaussian kernel estimates of standardised features.

    Args:
        bandwidth: in standard deviations of a feature over all classes; or "silverman", of each class and feature: its
            own deviation, or a hundredth of that of all classes where that is more, times (3N/4)^(−1/5).
    """

    def __init__(self, bandwidth: float | str = "silverman"):
        self.bandwidth = bandwidth

    def fit(self, X: np.ndarray, y: np.ndarray) -> KernelNB:
        self.classes_, sizes = np.unique(y, return_counts=True)
        self._log_prior = np.log(sizes / sizes.sum())
        self._used = np.ptp(X, axis=0) > 0
        self._mean, self._scale = X[:, self._used].mean(axis=0), X[:, self._used].std(axis=0)
        z = self._standardised(X)
        self._kernels = [[self._kernel(column) for column in z[y == label].T] for label in self.classes_]
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        z = self._standardised(X)
        joint = self._log_prior + np.stack(
            [
                np.sum([k.score_samples(z[:, [d]] / s) - np.log(s) for d, (k, s) in enumerate(kernels)], axis=0)
                for kernels in self._kernels
            ],
            axis=1,
        )
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _standardised(self, X: np.ndarray) -> np.ndarray:
        return (X[:, self._used] - self._mean) / self._scale

    def _kernel(self, column: np.ndarray) -> tuple[Any, float]:
        """An estimate of the column over a scale, and that scale."""
        scale = max(float(column.std()), 0.01) if self.bandwidth == "silverman" else 1.0
        return KernelDensity(bandwidth=self.bandwidth).fit(column[:, None] / scale), scale


def searched() -> Any:
    """KernelNB with the one of `BANDWIDTHS` that has the least log loss in three folds of the training data."""
    return GridSearchCV(KernelNB(), {"bandwidth": BANDWIDTHS}, scoring="neg_log_loss", cv=3)
