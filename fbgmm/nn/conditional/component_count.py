"""How fine a basis the targets ask for: the number of components of `DensityHead.from_targets` where none is given.

The density of all targets together is an average of those the network is to predict, each of which is narrower. So the
basis must be able to show it, and should be finer than that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...algorithms import maximum_likelihood
from ...fitting.fit import fit

NUMBERS = (8, 16, 32, 64, 128)
"""Of components that are tried, at t = 1; the answer is twice the first that serves."""

TOLERANCE = 0.06
"""L1 distance to the density of all targets at which a basis serves."""

_POINTS, _STEPS = 2048, 64


def components_for(y: Any, weights: Any = None) -> int:
    """Twice the least of NUMBERS whose mixture on a basis over the targets, at t = 1, comes within TOLERANCE of their
    density as `fbgmm.fit(y)` finds it. Targets that are all equal: the least.

    Args:
        y: targets, shape (N,), concrete.
        weights: shape (N,); zero means absent.

    Raises:
        ValueError: as `fbgmm.fit`.

    Example:
        >>> import numpy as np
        >>> from fbgmm.nn.conditional.component_count import components_for
        >>> rng = np.random.default_rng(0)
        >>> y = rng.normal(size=2000)
        >>> components_for(y), components_for(np.concatenate([y, 8 + 0.05 * y]))
        (16, 256)
    """
    y = np.asarray(y, np.float64)
    present = y if weights is None else y[np.asarray(weights) > 0]
    if present.size and np.ptp(present) == 0:
        return 2 * NUMBERS[0]
    whole = fit(y, weights=weights)
    low, high = float(present.min()), float(present.max())
    at = low + (np.arange(_POINTS) + 0.5) / _POINTS * (high - low)
    density = np.asarray(whole.prob(at), np.float64)
    algorithm = maximum_likelihood(_STEPS)
    for n in NUMBERS:
        coarse = fit(at, n, 1.0, algorithm, weights=density, low=low, high=high)
        if np.mean(np.abs(np.asarray(coarse.prob(at)) - density)) * (high - low) < TOLERANCE:
            return 2 * n
    return 2 * NUMBERS[-1]
