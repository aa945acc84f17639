"""Mixtures as the distributions of other libraries, by the methods `to_…` of `Mixture`. Extra: `interchange`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from .. import checks
from .._typing import Array

if TYPE_CHECKING:
    from ..mixture import Mixture


def to_scipy(gmm: Mixture) -> Any:
    """The `fbgmm.interop.scipy.FixedBasisDistribution` of one mixture, frozen: `rvs(3)` are three draws."""
    _library("scipy.stats")
    from .scipy import FixedBasisDistribution

    return FixedBasisDistribution(_one("to_scipy", gmm))()


def to_numpyro(gmm: Mixture) -> Any:
    """numpyro's MixtureSameFamily(Categorical, Normal), of the mixture's batch shape."""
    numpyro = _library("numpyro.distributions")
    basis = gmm.basis
    normals = numpyro.Normal(basis.mu, basis.widths)
    return numpyro.MixtureSameFamily(numpyro.Categorical(logits=_logits(gmm)), normals)


def to_distrax(gmm: Mixture) -> Any:
    """distrax's MixtureSameFamily(Categorical, Normal), of the mixture's batch shape."""
    distrax = _library("distrax")
    mu = gmm.basis.mu
    normals = distrax.Normal(mu, jnp.broadcast_to(gmm.basis.widths, mu.shape))
    return distrax.MixtureSameFamily(distrax.Categorical(logits=_logits(gmm)), normals)


def to_sklearn(gmm: Mixture) -> Any:
    """A fitted sklearn.mixture.GaussianMixture of one mixture: the components with weights above zero."""
    library = _library("sklearn.mixture")
    gmm = _one("to_sklearn", gmm)
    pi = np.asarray(gmm.pi, np.float64)
    mu = np.asarray(gmm.basis.mu, np.float64)[pi > 0]
    variance = np.square(np.asarray(gmm.basis.sigma, np.float64))
    even = gmm.basis.even
    model = library.GaussianMixture(len(mu), covariance_type="tied" if even else "diag")
    model.weights_ = pi[pi > 0] / pi.sum()
    model.means_ = mu[:, None]
    model.covariances_ = np.array([[variance]]) if even else variance[pi > 0][:, None]
    model.precisions_ = 1 / model.covariances_
    model.precisions_cholesky_ = np.sqrt(model.precisions_)
    model.n_features_in_, model.n_iter_, model.converged_, model.lower_bound_ = 1, 0, True, -np.inf
    return model


def _one(method: str, gmm: Mixture) -> Mixture:
    """The mixture, where the other library can have it: without batch axes, with values and positive weights."""
    if gmm.batch_shape:
        raise ValueError(f"{method} is for one mixture; found batch shape {gmm.batch_shape}: take gmms[i].{method}()")
    if not checks.is_concrete(gmm):
        raise TypeError(f"{method} needs values; found a mixture that is traced by a transformation of JAX")
    _positive(gmm)
    return gmm


def _positive(gmm: Mixture) -> None:
    if checks.is_concrete(gmm.pi) and not ((pi := np.asarray(gmm.pi)) >= 0).all():
        raise ValueError(f"pi must be at least 0 to be the weights of a distribution; found {pi.min()}")


def _logits(gmm: Mixture) -> Array:
    """log pi, where a weight of zero is as small as can be but finite, as these libraries want it."""
    _positive(gmm)
    some = gmm.pi > 0
    return jnp.where(some, jnp.log(jnp.where(some, gmm.pi, 1)), float(jnp.finfo(gmm.pi.dtype).min) / 4)


def _library(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if (error.name or "").split(".")[0] != package:
            raise
        raise ModuleNotFoundError(
            f'this needs {package}, which is absent; install with: pip install "fbgmm[interchange]"',
            name=package,
        ) from error
