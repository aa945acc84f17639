"""Number of components for a density head, chosen from the targets (`DensityHead.from_targets` with n = None).

The density of all targets is an average of the narrower ones that the network is to predict. So the basis must be able
to represent it, and should be finer than that takes.
"""

from __future__ import annotations

import numpy as np

from ..._typing import ArrayLike
from ...algorithms import maximum_likelihood
from ...fitting.fit import fit

NUMBERS = (8, 16, 32, 64, 128)
"""Numbers of components that are tried, at t = 1; the answer is twice the first that is enough."""

TOLERANCE = 0.06
"""L1 distance to the density of all targets below which a number is enough."""

_POINTS, _STEPS = 2048, 64


def components_for(y: ArrayLike, weights: ArrayLike | None = None) -> int:
    """Twice the least of NUMBERS with which a mixture on a basis over the targets, at t = 1, comes within TOLERANCE of
    their density as `fbgmm.fit(y)` finds it; twice the first number for targets that are all equal.

    Args:
        y: targets, shape (N,), concrete.
        weights: shape (N,); zero means absent.

    Raises:
        ValueError: as `fbgmm.fit`.

    Example:
        >>> import numpy as np
        >>> from fbgmm.nn.conditional import components_for
        >>> rng = np.random.default_rng(0)
        >>> y = rng.normal(size=2000)
        >>> components_for(y), components_for(np.concatenate([y, 8 + 0.05 * y]))
        (16, 256)
    """
    targets = np.asarray(y, np.float64)
    present = targets if weights is None else targets[np.asarray(weights) > 0]
    if present.size and np.ptp(present) == 0:
        return 2 * NUMBERS[0]
    whole = fit(targets, weights=weights)
    low, high = float(present.min()), float(present.max())
    at = low + (np.arange(_POINTS) + 0.5) / _POINTS * (high - low)
    density = np.asarray(whole.prob(at), np.float64)
    algorithm = maximum_likelihood(_STEPS)
    for n in NUMBERS:
        coarse = fit(at, n, 1.0, algorithm, weights=density, low=low, high=high)
        if np.mean(np.abs(np.asarray(coarse.prob(at)) - density)) * (high - low) < TOLERANCE:
            return 2 * n
    return 2 * NUMBERS[-1]
