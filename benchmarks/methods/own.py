"""The user's own methods: an Algorithm, a function from a sample to a mixture, or an estimator, by `module:name`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np

import fbgmm

from .fitted import Fitted, Function, of_steps
from .method import Fit, Method
from .names import ConfigError, called_if_needed, load, needed_arguments

POINTS_AT_ONCE = 2**14

CELLS, MARGIN = 2**14, 0.5
"""Where an estimate has no distribution function: cells of its integral, and how far beyond the data, in ranges."""


@cache  # the same object each time: compiled programs are found by it
def own_method(name: str) -> Method:
    """The method that `module:name` means.

    It may be an `fbgmm.Algorithm`, a function from a sample (float64, shape (N,)) to an estimate, an estimator with
    `fit` and `score_samples` as in scikit-learn, or a function or class without arguments that returns one of these.
    An estimate is what `fitted_of` takes.

    Raises:
        ConfigError: there is no such object, or it is none of these.
    """
    made = called_if_needed(load(name), name)
    if isinstance(made, fbgmm.Algorithm):
        return Method("own", on_basis(made), algorithm=made)
    if not isinstance(made, type):
        if hasattr(made, "fit") and hasattr(made, "score_samples"):
            return Method("own", _of_estimator(made))
        if callable(made) and needed_arguments(made) == 1:
            return Method("own", lambda x: fitted_of(made(x), x))
    raise ConfigError(
        f"{name} is {made!r}; allowed: an fbgmm.Algorithm, a function from a sample to a Mixture, an estimator with "
        "fit and score_samples, or a function without arguments that returns one of these"
    )


def on_basis(algorithm: fbgmm.Algorithm | int, n: int = 200, t: float = 2.0) -> Fit:
    """`fbgmm.fit(x, n=n, t=t, algorithm=algorithm)` as an estimator."""
    return lambda x: of_mixture(jax.block_until_ready(fbgmm.fit(x, n=n, t=t, algorithm=algorithm)))


def _of_estimator(estimator: Any) -> Fit:
    def fit(x: np.ndarray) -> Fitted:
        fresh = copy.deepcopy(estimator)
        fresh.fit(x[:, None])
        return _of_log_density(lambda at: fresh.score_samples(at.reshape(-1, 1)).reshape(at.shape), None, x)

    return fit


def fitted_of(estimate: Any, x: np.ndarray) -> Fitted:
    """What a user's function returned, as what all methods return.

    Args:
        estimate: a Mixture, anything else with `log_prob` and perhaps `cdf`, or with `logpdf` and perhaps `cdf`.
        x: the sample that it was made of.

    Raises:
        TypeError: none of these.
    """
    if isinstance(estimate, Fitted):
        return estimate
    if isinstance(estimate, fbgmm.Mixture):
        return of_mixture(estimate)
    for name in ("log_prob", "logpdf"):
        if hasattr(estimate, name):
            return _of_log_density(getattr(estimate, name), getattr(estimate, "cdf", None), x)
    raise TypeError(f"the method returned {estimate!r}; allowed: a Mixture, or an object with log_prob or logpdf")


def _of_log_density(log_density: Callable[[Any], Any], cdf: Callable[[Any], Any] | None, x: np.ndarray) -> Fitted:
    """An estimate from its log density; without a distribution function that is its integral over many cells."""

    def log_pdf(at: np.ndarray) -> np.ndarray:
        return np.asarray(log_density(np.asarray(at, np.float64)), np.float64)

    def integral(at: np.ndarray) -> np.ndarray:
        low, high = float(x.min()), float(x.max())
        reach = MARGIN * (high - low)
        edges = np.linspace(low - reach, high + reach, CELLS + 1)
        return of_steps(edges, np.exp(log_pdf((edges[1:] + edges[:-1]) / 2))).cdf(at)

    return Fitted(
        lambda at: np.exp(log_pdf(at)),
        log_pdf,
        integral if cdf is None else lambda at: np.asarray(cdf(np.asarray(at, np.float64)), np.float64),
    )


def of_mixture(gmm: fbgmm.Mixture) -> Fitted:
    """A mixture of this library as what all methods return."""
    return Fitted(_in_blocks(gmm.prob), _in_blocks(gmm.log_prob), _in_blocks(gmm.cdf))


def _in_blocks(function: Callable[[Any], Any]) -> Function:
    """A function on the host, called with blocks of one size: any other number of points would compile anew."""

    def on_host(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, np.float64)
        blocks = max(-(-x.size // POINTS_AT_ONCE), 1)
        padded = np.full((blocks, POINTS_AT_ONCE), x.flat[0] if x.size else 0.0)
        padded.ravel()[: x.size] = x.ravel()
        values = np.concatenate([np.asarray(function(block), np.float64) for block in padded])
        return values[: x.size].reshape(x.shape)

    return on_host
