"""Who takes part in `python -m benchmarks accuracy`: this library's estimators, and the rivals."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fbgmm

from .fitted import Fitted, Function
from .rivals import RIVALS, Fit, installed, quietly

AUTO = "auto"

BANDWIDTH_BINS = 1000

_POINTS_AT_ONCE = 2**14


def ours(**settings: Any) -> Fit:
    """`fbgmm.fit(x, **settings)` as an estimator."""

    def fit(x: np.ndarray) -> Fitted:
        return fitted_of(jax.block_until_ready(fbgmm.fit(x, **settings)))

    return fit


def with_bandwidth(select: Callable[[Any, Any], Any]) -> Fit:
    """Algorithm 2 with sigma from a bandwidth selector, on as many components as a bin is wide."""

    def fit(x: np.ndarray) -> Fitted:
        basis = fbgmm.init_basis_from(x, n=BANDWIDTH_BINS)
        counts, _ = np.histogram(x, np.asarray(basis.edges, x.dtype))
        t = max(float(select(jnp.asarray(counts, basis.r.dtype), basis.r) / basis.r), 0.5)
        return fitted_of(jax.block_until_ready(fbgmm.fit(x, n=BANDWIDTH_BINS, t=t)))

    return fit


def fitted_of(gmm: Any) -> Fitted:
    """A mixture of this library as what all estimators return."""
    return Fitted(_in_blocks(gmm.prob), _in_blocks(gmm.log_prob), _in_blocks(gmm.cdf))


def _in_blocks(function: Callable[[Any], Any]) -> Function:
    """A function on the host, called with blocks of one size: any other number of points would compile anew."""

    def on_host(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, np.float64)
        blocks = max(-(-x.size // _POINTS_AT_ONCE), 1)
        padded = np.full((blocks, _POINTS_AT_ONCE), x.flat[0] if x.size else 0.0)
        padded.ravel()[: x.size] = x.ravel()
        values = np.concatenate([np.asarray(function(block), np.float64) for block in padded])
        return values[: x.size].reshape(x.shape)

    return on_host


OURS: dict[str, Fit] = {
    **{f"Algorithm {a}, {t}r": ours(n=200, t=float(t), algorithm=a) for a in (1, 2) for t in (1, 2, 3)},
    "maximum likelihood, 16 steps": ours(n=200, t=2.0, algorithm=fbgmm.maximum_likelihood(16)),
    "maximum likelihood, accelerated": ours(n=200, t=2.0, algorithm=fbgmm.maximum_likelihood(16, accelerated=True)),
    "interior point": ours(n=200, t=3.0, algorithm=fbgmm.interior_point()),
    "roughness": ours(n=200, t=2.0, algorithm=fbgmm.roughness()),
    "multi-scale": ours(n=200, t=1.0, algorithm=fbgmm.multi_scale()),
    "least squares": ours(n=200, t=2.0, algorithm=fbgmm.least_squares()),
    "Algorithm 2, ISJ": with_bandwidth(fbgmm.isj),
    "Algorithm 2, Sheather–Jones": with_bandwidth(fbgmm.sheather_jones),
    # A new algorithm is one line here: "name": ours(algorithm=…, n=…, t=…).
    AUTO: ours(),
}
"""This library's estimators by name."""

FEW_SEEDS = {"least squares": ((0, 5),)}
"""As in `Rival.seeds`, for ours that are slow."""


def names() -> list[str]:
    """All that can run here, ours first."""
    return [*OURS, *filter(installed, RIVALS)]


def by_group() -> dict[str, list[str]]:
    """The names of all that can run here: "ours" and "rivals"."""
    return {"ours": list(OURS), "rivals": list(filter(installed, RIVALS))}


def absent() -> list[str]:
    return [name for name in RIVALS if not installed(name)]


def fit_of(name: str) -> Fit:
    return quietly(OURS[name] if name in OURS else RIVALS[name].fit)


def calls(name: str) -> int:
    """Calls of the fit on a sample, of which the last is timed: ours compile in the first."""
    return 2 if name in OURS else 1


def seeds_allowed(name: str, size: int) -> float:
    """On how many seeds a slow estimator is run at a size."""
    every = RIVALS[name].seeds if name in RIVALS else FEW_SEEDS.get(name, ())
    limits = [seeds for least, seeds in every if size >= least]
    return min(limits, default=float("inf"))


@cache
def rival_versions() -> dict[str, str]:
    """Versions of the rivals' packages that are installed."""
    distributions = importlib.metadata.packages_distributions()
    packages = sorted({RIVALS[name].package for name in filter(installed, RIVALS)})
    return {package: importlib.metadata.version(distributions[package][0]) for package in packages}
