"""Fits of other libraries whose time is measured: of a density on about 200 points, or of its parameters."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .method import Method
from .names import Name


def numpy_histogram(x: np.ndarray) -> Any:
    return np.histogram(x, 200)


def scipy_kde(x: np.ndarray) -> Any:
    """Only the bandwidth: the density itself would cost N more for each point."""
    return importlib.import_module("scipy.stats").gaussian_kde(x)


def kdepy_fft(x: np.ndarray) -> Any:
    return importlib.import_module("KDEpy").FFTKDE(bw="silverman").fit(x).evaluate(256)


def kde_diffusion(x: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where its bandwidth equation has no root
        return importlib.import_module("kde_diffusion").kde1d(x, n=256)


def kdexpress(x: np.ndarray) -> Any:
    package = importlib.import_module("KDExpress")
    points = jnp.linspace(float(x.min()), float(x.max()), 256)
    return jax.block_until_ready(package.fft_kde1d(points, jnp.asarray(x)))


def gmmx_em(x: np.ndarray) -> Any:
    """Ten steps of EM with 8 components."""
    gmmx = importlib.import_module("gmmx")
    means = np.linspace(x.min(), x.max(), 8, dtype=np.float32)[:, None]
    start = gmmx.GaussianMixtureModelJax.from_squeezed(
        means=means, covariances=np.full((8, 1, 1), x.var(), np.float32), weights=np.full(8, 1 / 8, np.float32)
    )
    return gmmx.EMFitter(tol=0.0, max_iter=10).fit(x=jnp.asarray(x)[:, None], gmm=start).gmm.means


def sklearn_em(x: np.ndarray) -> Any:
    """Ten steps of EM with 8 components."""
    mixture = importlib.import_module("sklearn.mixture")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that ten steps do not converge
        return mixture.GaussianMixture(8, max_iter=10, tol=0.0, init_params="random_from_data").fit(x[:, None])


TIMED: dict[Name, Method] = {
    name: Method("timed", None, package=package, timed=work)
    for name, package, work in (
        ("numpy.histogram", "numpy", numpy_histogram),
        ("scipy gaussian_kde (bandwidth only)", "scipy", scipy_kde),
        ("KDEpy FFTKDE", "KDEpy", kdepy_fft),
        ("kde-diffusion", "kde_diffusion", kde_diffusion),
        ("KDExpress fft_kde1d", "KDExpress", kdexpress),
        ("gmmx EM (8, 10 steps)", "gmmx", gmmx_em),
        ("scikit-learn EM (8, 10 steps)", "sklearn", sklearn_em),
    )
}
