"""The race of evaluation: density, distribution function and quantiles at many points, against linear interpolation."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import partial

import jax
import numpy as np

import fbgmm

from ..harness.timing import Work

INTERPOLATION = "floor: numpy.interp on a grid of 2048"
"""What users of a kernel estimate on a grid do for each point."""

_SLOW = 20  # peers that sum over components take a part of the points, and are extrapolated

MIXTURES: dict[str, Callable[[np.ndarray], fbgmm.Mixture]] = {
    "n = 200": lambda x: fbgmm.fit(x, n=200, t=2.0),
    "n = 4096": lambda x: fbgmm.fit(x, n=4096, t=2.0),
    "chosen by the data": fbgmm.fit,
}


def evaluation(mixture: str, points: int) -> tuple[dict[str, Work], dict[str, float]]:
    """Contenders for one mixture at that many points, and the factor of each time.

    "made anew" includes the tables of polynomials, which a mixture makes once and keeps.
    """
    draw = np.random.default_rng(0)
    x = draw.standard_normal(points, np.float32)
    gmm = MIXTURES[mixture](x[: min(points, 10**5)])
    at, q = jax.numpy.asarray(0.95 * x), jax.numpy.asarray(draw.random(points, np.float32))
    grid = np.linspace(-5, 5, 2048)
    heights, host = np.asarray(gmm.prob(grid)), np.asarray(at)
    slope = jax.jit(jax.grad(lambda x: gmm.log_prob(x).sum()))
    works: dict[str, Work] = {
        INTERPOLATION: lambda: np.interp(host, grid, heights),
        "log_prob": partial(gmm.log_prob, at),
        "log_prob, made anew": lambda: fbgmm.Mixture(gmm.basis, gmm.pi).log_prob(at),
        "cdf": partial(gmm.cdf, at),
        "cdf, made anew": lambda: fbgmm.Mixture(gmm.basis, gmm.pi).cdf(at),
        "icdf": partial(gmm.icdf, q),
        "slope of log_prob": partial(slope, at),
        "sample": lambda: gmm.sample(jax.random.key(2), (points,)),
        "entropy": gmm.entropy,
    }
    if mixture != "n = 200":
        return works, dict.fromkeys(works, 1.0)
    stats = importlib.import_module("scipy.stats")
    histogram = stats.rv_histogram(np.histogram(x, 200), density=False)
    some = host[: points // _SLOW]
    slow: dict[str, Work] = {"to_scipy: logpdf": partial(gmm.to_scipy().logpdf, some)}
    if importlib.util.find_spec("sklearn"):
        slow["scikit-learn: score_samples"] = partial(gmm.to_sklearn().score_samples, some[:, None])
    works |= {
        "scipy rv_histogram: logpdf": partial(histogram.logpdf, host),
        "scipy rv_histogram: ppf": partial(histogram.ppf, np.asarray(q)),
        "numpy standard_normal": partial(draw.standard_normal, points, np.float32),
        **slow,
    }
    return works, {name: float(_SLOW) if name in slow else 1.0 for name in works}
