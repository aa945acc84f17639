"""Penalised maximum likelihood of the weights, with a penalty on second differences (roughness)."""

from __future__ import annotations

import math

import jax.numpy as jnp

from .._typing import Array, Float
from ..bandwidth import isj
from ..basis import Basis
from .base import Algorithm, Bound
from .convolution import kernel
from .fine_counts import REFINE, from_fine_counts, shares
from .maximum_likelihood import em_start
from .predictor_corrector import maximise


def roughness(strength: float | None = None) -> Algorithm:
    """Maximum likelihood with a penalty on second differences of the weights.

    Maximises Σ_b w_b log (A p)_b − Σ_i p_i − (strength/2) Σ_i (p_{i−1} − 2 p_i + p_{i+1})² over p ≥ 0, to rounding, by
    the interior point of `interior_point`, and divides p by its sum: O(n³) for each iteration. Straight lines cost
    nothing, also at the ends of the range.

    Args:
        strength: of the penalty, for a log likelihood a point. None: from the data. Where the density is about m a
            cell, the estimate is that of a kernel with the Fourier transform 1/(1 + (hω)⁴), h = (strength·m)^¼ cells:
            strength is set so that h is the bandwidth of `isj`, with m the mean of the density over the data.

    Raises:
        ValueError: strength below 0 or not finite.

    References:
        Silverman 1982, On the estimation of a probability density function by the maximum penalized likelihood method,
        Ann. Statist. 10, 795–810. Eilers and Marx 1996, Flexible smoothing with B-splines and penalties, Statist. Sci.
        11, 89–121.

    Example:
        >>> import fbgmm
        >>> x = [1.0, 1.4, 1.5, 1.7, 2.0, 3.0]
        >>> line = fbgmm.fit(x, n=20, t=2.0, algorithm=fbgmm.roughness(1e6)).pi
        >>> bool(abs(line[2:] - 2 * line[1:-1] + line[:-2]).max() < 1e-3)
        True
    """
    if strength is not None and not 0 <= strength < math.inf:
        raise ValueError(f"strength must be at least 0 and finite, or None; found {strength!r}")

    return from_fine_counts(Bound(_weights, (strength,)))


def _weights(strength: float | None, c: Array, basis: Basis) -> Array:
    w = shares(c)
    size = _strength(c, basis) if strength is None else jnp.asarray(strength, basis.dtype)
    return maximise(basis, w, quadratic=size * _second_differences(basis))


def _strength(c: Array, basis: Basis) -> Array:
    w, points = shares(c), kernel(basis)
    cell_mass = jnp.sum(w * points.apply(em_start(c, basis))) / (basis.t * math.sqrt(2 * math.pi))
    return isj(c, 1 / REFINE) ** 4 / cell_mass


def _second_differences(basis: Basis) -> Float[Array, "n n"]:
    """DᵀD with D the second differences of the live components."""
    i = jnp.arange(basis.capacity)
    row, column = i[:, None], i[None, :]
    inside = (row > 0) & (row.astype(basis.dtype) < basis.n - 1)
    d = jnp.where(row == column, -2.0, jnp.where(abs(row - column) == 1, 1.0, 0.0)) * inside
    d = d.astype(basis.dtype)
    return jnp.matmul(d.T, d, precision="highest")
