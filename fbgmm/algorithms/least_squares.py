"""Least squares: the least integrated squared error of the density, with a ridge by leave-one-out cross-validation."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np

from .._typing import Array, Float
from ..basis import Basis
from .base import Algorithm, Bound
from .convolution import curvature, kernel
from .fine_counts import coarse, from_fine_counts, shares
from .predictor_corrector import maximise

RIDGES = tuple(float(r) for r in np.geomspace(1e-5, 1.0, 16))
"""The path of ridges, in units of the largest eigenvalue that the Gram matrix can have, 2√π t."""


def least_squares(ridge: float | None = None) -> Algorithm:
    """The non-negative weights of least integrated squared error, with a ridge.

    ∫(g − f)² is, but for ∫f², pᵀG p − 2 bᵀp in units of 1/(2√π sigma): G_ij = exp(−(i − j)²/4t²) is the Gram matrix of
    the Gaussians (Eq. 11), b the mean over the data of a(x)_i = √2 exp(−(x − mu_i)²/2sigma²). The ridge adds ρ pᵀp.
    Without p ≥ 0 the weights M b, M = (G + ρ)⁻¹, are linear in the counts, and leaving out each point in turn has a
    closed form, the least-squares cross-validation of Rudemo and Bowman:

        CV(ρ) = ∫g² − (2/N) Σ_i g₋ᵢ(x_i) = bᵀM G M b − 2 [N bᵀM b − tr(M S)]/(N − 1), S = (1/N) Σ_i a(x_i) a(x_i)ᵀ.

    With the eigenvectors of G every ρ of a path costs O(n). For the best one p ≥ 0 is imposed, exactly, by the interior
    point of `interior_point`, and p divided by its sum. O(n³), whatever the number of points.

    Args:
        ridge: ρ in units of 2√π t, the bound of the eigenvalues of G. None: the best of 16 from 1e-5 to 1.

    Raises:
        ValueError: ridge not above 0 and finite.

    References:
        Rudemo 1982, Empirical choice of histograms and kernel density estimators, Scand. J. Statist. 9, 65–78. Bowman
        1984, An alternative method of cross-validation for the smoothing of density estimates, Biometrika 71, 353–360.

    Example:
        >>> import fbgmm
        >>> gmm = fbgmm.fit([1.0, 1.4, 1.5, 1.7, 2.0, 3.0], n=20, t=2.0, algorithm=fbgmm.least_squares())
        >>> bool(gmm.pi.min() >= 0), round(float(gmm.pi.sum()), 5)
        (True, 1.0)
    """
    if ridge is not None and not 0 < ridge < math.inf:
        raise ValueError(f"ridge must be above 0 and finite, or None; found {ridge!r}")

    return from_fine_counts(Bound(_weights, (ridge,)))


def _weights(ridge: float | None, c: Array, basis: Basis) -> Array:
    w, bound = shares(c), 2 * math.sqrt(math.pi) * basis.t
    if ridge is None:
        path = jnp.asarray(RIDGES, basis.dtype) * bound
        rho = path[jnp.argmin(cv_scores(c, basis, path))]
    else:
        rho = ridge * bound
    i = jnp.arange(basis.capacity)
    quadratic = gram(basis) + jnp.where(i[:, None] == i[None, :], rho, 0)
    return maximise(basis, jnp.zeros_like(w), -_projections(w, basis), quadratic, coarse(w, basis))


def cv_scores(c: Float[Array, " bins"], basis: Basis, path: Float[Array, " ridges"]) -> Float[Array, " ridges"]:
    """CV(ρ) for each ridge of a path, in units of 1/(2√π sigma) (see `least_squares`); lower is better."""
    w, n = shares(c), jnp.maximum(jnp.sum(c), 2)
    size, q = jnp.linalg.eigh(gram(basis))
    size = jnp.maximum(size, 0)
    b = jnp.matmul(_projections(w, basis), q, precision="highest")
    both = basis.live[:, None] & basis.live[None, :]
    second = 2 * jnp.where(both, curvature(basis)(w), 0)
    spread = jnp.sum(q * jnp.matmul(second, q, precision="highest"), axis=0)  # the diagonal of QᵀSQ
    inverse = 1 / (size[None, :] + path[:, None])
    squared = jnp.square(b)[None, :]
    own = jnp.sum(squared * jnp.square(inverse) * size[None, :], axis=1)
    others = n * jnp.sum(squared * inverse, axis=1) - jnp.sum(spread[None, :] * inverse, axis=1)
    return own - 2 * others / (n - 1)


def gram(basis: Basis) -> Float[Array, "n n"]:
    """∫ N(x; mu_i, sigma²) N(x; mu_j, sigma²) dx in units of 1/(2√π sigma), for the live components."""
    i = jnp.arange(basis.capacity)
    lag = (i[:, None] - i[None, :]).astype(basis.dtype)
    both = basis.live[:, None] & basis.live[None, :]
    return jnp.where(both, jnp.exp(-jnp.square(lag / (2 * basis.t))), 0)


def _projections(w: Array, basis: Basis) -> Array:
    b = math.sqrt(2) * kernel(basis).adjoint(w)
    return jnp.where(basis.live, b, 0)
