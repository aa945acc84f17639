"""Log density, density and distribution function at points: by sums for few points, by polynomials for many.

Both agree to rounding. Derivatives in x are those of the polynomials, derivatives in the basis and the weights those of
the sums, in which each component has its own term.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from .._typing import Array, Float
from ..basis import Basis
from .intervals import repaired
from .local_sums import cdf_sum, kernel_sum, peak_sigma
from .polynomials import cdf_pieces, locate, log_density_pieces, log_value, value, value_and_slope

MANY = 4
"""Points for each component from which a table of polynomials pays: it costs about as much as three sums for each piece
(`python -m benchmarks speed`)."""

Evaluation = Callable[[Basis, Array, Array], Array]


def are_many(basis: Basis, points: int) -> bool:
    """Whether polynomials serve that many points of one mixture; static."""
    return points >= MANY * basis.capacity


def log_density(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """log g(x) at each point, for one basis."""
    return (_log_density_of_many if are_many(basis, x.size) else _log_density_sum)(basis, pi, x)


def density(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """g(x) at each point, for one basis."""
    if are_many(basis, x.size):
        return jnp.exp(_log_density_of_many(basis, pi, x))
    scale, mantissa = kernel_sum(basis, pi, x)
    return jnp.exp(scale) * mantissa / (peak_sigma(basis, pi) * math.sqrt(2 * math.pi))


def cdf(basis: Basis, pi: Float[Array, " n"], x: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """P(X ≤ x) at each point, for one basis."""
    return (_cdf_of_many if are_many(basis, x.size) else cdf_sum)(basis, pi, x)


def _log_density_sum(basis: Basis, pi: Array, x: Array) -> Array:
    scale, mantissa = kernel_sum(basis, pi, x)
    return scale + jnp.log(mantissa) - _log_unit(basis, pi)


def _log_unit(basis: Basis, pi: Array) -> Array:
    return jnp.log(peak_sigma(basis, pi)) + 0.5 * math.log(2 * math.pi)


def _log_density_by_polynomials(basis: Basis, pi: Array, x: Array) -> Array:
    pieces = log_density_pieces(basis, pi)
    at = locate(basis, pieces, x)
    found = log_value(pieces, at) - _log_unit(basis, pi)
    return repaired(lambda x: _log_density_sum(basis, pi, x), found, at.hard, x)


def _score(basis: Basis, pi: Array, x: Array) -> Array:
    """d log g/dx at each point."""

    def of_sum(x: Array) -> Array:
        return jax.jvp(lambda x: _log_density_sum(basis, pi, x), (x,), (jnp.ones_like(x),))[1]

    pieces = log_density_pieces(basis, pi)
    at = locate(basis, pieces, x)
    reached, slope = value_and_slope(pieces, at)
    i = at.piece
    found = (pieces.slope[i] - pieces.curvature[i] * at.v + slope / reached) / pieces.half[i]
    return repaired(of_sum, found, at.hard, x)


def _cdf_by_polynomials(basis: Basis, pi: Array, x: Array) -> Array:
    pieces = cdf_pieces(basis, pi)
    at = locate(basis, pieces, x)
    return repaired(lambda x: cdf_sum(basis, pi, x), value(pieces, at), at.hard, x)


def _with_derivatives(of_many: Evaluation, of_few: Evaluation, slope: Evaluation) -> Evaluation:
    """of_many, with the derivative `slope` in x, and the derivatives of of_few in basis and weights."""

    @jax.custom_jvp
    def f(basis: Basis, pi: Array, x: Array) -> Array:
        return of_many(basis, pi, x)

    def jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
        (basis, pi, x), (*model, dx) = primals, tangents
        y, total = f(basis, pi, x), jnp.zeros_like(x)
        if not isinstance(dx, SymbolicZero):
            total = slope(basis, pi, x) * dx
        if not all(isinstance(leaf, SymbolicZero) for leaf in jax.tree.leaves(model)):
            moved = jax.tree.map(lambda t: jnp.zeros(t.shape, t.dtype) if isinstance(t, SymbolicZero) else t, model)
            total = total + jax.jvp(lambda b, p: of_few(b, p, x), (basis, pi), tuple(moved))[1]
        return y, total

    f.defjvp(jvp, symbolic_zeros=True)
    return f


_log_density_of_many = _with_derivatives(_log_density_by_polynomials, _log_density_sum, _score)
_cdf_of_many = _with_derivatives(_cdf_by_polynomials, cdf_sum, density)
