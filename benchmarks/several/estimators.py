"""Estimators of joint densities, ours and others: by name, points → log density of other points."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np

import fbgmm

LogDensity = Callable[[np.ndarray], np.ndarray]
Estimator = Callable[[np.ndarray], LogDensity]

COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
"""Numbers of components among which BIC chooses."""


def ours(x: np.ndarray) -> LogDensity:
    """`fbgmm.fit_rotated(x)`."""
    density = jax.block_until_ready(fbgmm.fit_rotated(x.astype(np.float32)))
    return lambda new: np.asarray(density.log_prob(new.astype(np.float32)), np.float64)


def four_rounds(x: np.ndarray) -> LogDensity:
    """`fbgmm.fit_rotated(x, rounds=4)`: rotations and marginals of Algorithm 2."""
    density = jax.block_until_ready(fbgmm.fit_rotated(x.astype(np.float32), rounds=4))
    return lambda new: np.asarray(density.log_prob(new.astype(np.float32)), np.float64)


def em_by_bic(x: np.ndarray) -> LogDensity:
    """scikit-learn's GaussianMixture, its number of components by BIC."""
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [GaussianMixture(k, random_state=0).fit(x) for k in COUNTS if 5 * k <= len(x)]
    return min(fits, key=lambda fit: fit.bic(x)).score_samples


def bayesian_mixture(x: np.ndarray) -> LogDensity:
    """scikit-learn's BayesianGaussianMixture of at most 20 components."""
    from sklearn.mixture import BayesianGaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return BayesianGaussianMixture(n_components=20, max_iter=500, random_state=0).fit(x).score_samples


def kernel_estimate(x: np.ndarray) -> LogDensity:
    """scipy's gaussian_kde, with its own bandwidth."""
    from scipy.stats import gaussian_kde

    kernel = gaussian_kde(x.T)
    return lambda new: kernel.logpdf(new.T)


def flow(x: np.ndarray) -> LogDensity:
    """flowjax's masked autoregressive flow with rational quadratic splines, on standardised columns."""
    from flowjax.bijections import RationalQuadraticSpline
    from flowjax.distributions import Normal
    from flowjax.flows import masked_autoregressive_flow
    from flowjax.train import fit_to_data

    mean, scale = x.mean(axis=0), x.std(axis=0)
    key, key_fit = jax.random.split(jax.random.key(0))
    spline = RationalQuadraticSpline(knots=8, interval=4)
    begin = masked_autoregressive_flow(
        key, base_dist=Normal(jnp.zeros(x.shape[1])), transformer=spline, flow_layers=4, invert=True
    )
    data = jnp.asarray((x - mean) / scale, jnp.float32)
    fitted, _ = fit_to_data(key_fit, begin, data, learning_rate=1e-3, max_epochs=100, show_progress=False)
    log_prob = jax.jit(lambda z: fitted.log_prob(z))  # a flow itself cannot be hashed
    inside = float(np.log(scale).sum())
    return lambda new: np.asarray(log_prob(jnp.asarray((new - mean) / scale, jnp.float32)), np.float64) - inside


def estimators() -> dict[str, Estimator]:
    """By name; the flow where flowjax is installed."""
    found = {
        "fit_rotated": ours,
        "fit_rotated, rounds = 4": four_rounds,
        "EM by BIC": em_by_bic,
        "Bayesian mixture": bayesian_mixture,
        "gaussian_kde": kernel_estimate,
    }
    return found | ({"flow (flowjax)": flow} if find_spec("flowjax") else {})
