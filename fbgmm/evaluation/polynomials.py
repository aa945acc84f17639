"""Piecewise polynomials of the log density and the distribution function, for evaluation at many points.

Within a cell a mixture of Gaussians about as wide as the cell is a smooth function. In a piece with the centre c and
the half-width h, at v = (x − c)/h, the log density is

    log g = scale + slope·v − ½ curvature·v² + log Σ_m coefficient_m v^m:

slope and curvature are means over the components' terms at c, and the series is the Taylor series of what is left, each
term's own by a recurrence. A point then costs a gather and Horner's rule instead of a sum over components. The pieces
are the cells and, beyond either end, a number of half the width of the last component. Where the last coefficient
says that a series does not converge (components narrower than cells, the middle of a wide gap), or beyond all pieces, a
point is `hard` and is summed by `fbgmm.evaluation.local_sums`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr

from .._typing import Array, Bool, Float, Int
from ..basis import Basis
from ..binning import cell_index
from .intervals import interval_index
from .local_sums import capped_exp, fold, log_scale, near_runs, precision, relative_weights, runs, standardised


class Pieces(NamedTuple):
    """One polynomial for each piece; each array has the shape (pieces,).

    Attributes:
        centre, half: c and h.
        offset: `scale` of a log density, F(c) of a distribution function.
        slope, curvature: of a log density; 0 for a distribution function.
        coefficients: of the powers of v, from the constant on.
        hard: whether the polynomial is not good enough.
    """

    centre: Array
    half: Array
    offset: Array
    slope: Array
    curvature: Array
    coefficients: tuple[Array, ...]
    hard: Array


def log_density_pieces(basis: Basis, pi: Float[Array, " n"]) -> Pieces:
    """log g, but for the factor 1/(peak_sigma √(2π)), as `kernel_sum` has it."""
    centre, half = _centres(basis)
    windows, at, stretch = runs(basis, pi, centre), centre[None], half[None]
    weight, log_weight = relative_weights(basis, pi)

    scale = jax.lax.stop_gradient(log_scale(basis, windows, log_weight, at))

    def terms(j: Array, valid: Array) -> tuple[Array, Array, Array]:
        z, h = standardised(basis, at, j), stretch / _widths(basis, j)
        exponent = jnp.where(valid, -0.5 * z * z - scale[None], 0)
        return jnp.where(valid, weight[j], 0) * capped_exp(exponent), -z * h, h * h

    def means(sums: tuple[Array, ...], j: Array, valid: Array) -> tuple[Array, ...]:
        share, slope, curvature = terms(j, valid)
        new = share, share * slope, share * curvature
        return tuple(total + jnp.sum(term, axis=0) for total, term in zip(sums, new, strict=True))

    zero = jnp.zeros_like(centre)
    mass, slope, curvature = fold(basis, windows, means, (zero, zero, zero))
    safe = jnp.where(mass > 0, mass, 1)
    slope, curvature = jax.lax.stop_gradient((slope / safe, curvature / safe))

    def series(sums: tuple[Array, ...], j: Array, valid: Array) -> tuple[Array, ...]:
        share, own_slope, own_curvature = terms(j, valid)
        return _series(sums, share, own_slope - slope[None], own_curvature - curvature[None])

    coefficients = fold(basis, windows, series, (zero,) * (precision(pi.dtype).degree + 1))
    return Pieces(centre, half, scale, slope, curvature, coefficients, _diverges(coefficients, mass))


def cdf_pieces(basis: Basis, pi: Float[Array, " n"]) -> Pieces:
    """The distribution function: its value at the centre, and the integral of the series of the density."""
    centre, half = _centres(basis)
    at, stretch, zero = centre[None], half[None], jnp.zeros_like(centre)

    windows, below = near_runs(basis, pi, centre)

    def series(sums: tuple[Array, ...], j: Array, valid: Array) -> tuple[Array, ...]:
        z, h, share = standardised(basis, at, j), stretch / _widths(basis, j), jnp.where(valid, pi[j], 0)
        height = share * h * jnp.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        # Integrated here: a factor that is applied afterwards would be applied at each point.
        rest = _series(sums[1:], height, -z * h, h * h, integrated=True)
        return sums[0] + jnp.sum(share * ndtr(z), axis=0), *rest

    coefficients = fold(basis, windows, series, (below, *(zero,) * precision(pi.dtype).degree))
    return Pieces(centre, half, zero, zero, zero, coefficients, _diverges(coefficients, jnp.ones_like(zero)))


def _series(
    sums: tuple[Array, ...], share: Array, slope: Array, curvature: Array, integrated: bool = False
) -> tuple[Array, ...]:
    """Adds the Taylor coefficients of Σ share·exp(slope·v − ½ curvature·v²), a sum over the first axis, or those of its
    integral but for the constant."""
    before, term, total = jnp.zeros_like(share), share, []
    for m, so_far in enumerate(sums):
        total.append(so_far + jnp.sum(term, axis=0) * (1 / (m + 1) if integrated else 1))
        before, term = term, (slope * term - curvature * before) * (1 / (m + 1))
    return tuple(total)


def _diverges(coefficients: tuple[Array, ...], size: Array) -> Bool[Array, " pieces"]:
    """Whether the last coefficients are not below what is allowed of a value of that size. True for NaN."""
    last = jnp.abs(coefficients[-1]) + jnp.abs(coefficients[-2]) / 4
    return ~(last < 4 * jnp.finfo(size.dtype).eps * size)


def _widths(basis: Basis, j: Array) -> Array:
    return basis.sigma if basis.even else basis.sigma[j]


def _tails(basis: Basis) -> tuple[int, Array, Array]:
    """How many pieces lie beyond either end, static, and their widths: half of the outermost components'."""
    sigma = basis.widths
    return math.ceil(2 * precision(basis.dtype).underflow), sigma[0] / 2, sigma[-1] / 2


def piece_edges(basis: Basis) -> Float[Array, " edges"]:
    """Edges of all pieces, ascending."""
    beyond, below, above = _tails(basis)
    k = jnp.arange(1, beyond + 1, dtype=basis.dtype)
    return jnp.concatenate([(basis.low - below * k)[::-1], basis.edges, basis.high + above * k])


def _centres(basis: Basis) -> tuple[Array, Array]:
    """Centres and half-widths of all pieces, ascending; those of cells that are not live have width 0."""
    beyond, below, above = _tails(basis)
    k = jnp.arange(beyond, dtype=basis.dtype) + 0.5
    if basis.even:
        cells = basis.mu, jnp.where(basis.live, basis.r / 2, 0)
    else:
        left, right = basis.edges[:-1], basis.edges[1:]
        cells = (left + right) / 2, (right - left) / 2
    centre = jnp.concatenate([(basis.low - below * k)[::-1], cells[0], basis.high + above * k])
    tail = jnp.ones_like(k) / 2
    return centre, jnp.concatenate([below * tail, cells[1], above * tail])


class Located(NamedTuple):
    """Points in pieces: the index of the piece, v = (x − c)/h, and whether the point is hard (v is 0 then)."""

    piece: Int[Array, "*points"]
    v: Float[Array, "*points"]
    hard: Bool[Array, "*points"]


def locate(basis: Basis, pieces: Pieces, x: Float[Array, "*points"]) -> Located:
    """The pieces that points lie in. A point beyond all, or no number, is hard."""
    beyond, below, above = _tails(basis)
    inside = (cell_index(basis, x) if basis.even else interval_index(basis.edges, x)) + beyond
    k = jnp.where(x < basis.low, (basis.low - x) / below, (x - basis.high) / above)
    k = jnp.clip(k, 0, beyond - 1).astype(jnp.int32)  # of NaN any, which is hard below
    tail = jnp.where(x < basis.low, beyond - 1 - k, beyond + basis.capacity + k)
    i = jnp.where((x < basis.low) | (x > basis.high), tail, inside)
    v = (x - pieces.centre[i]) / pieces.half[i]
    hard = pieces.hard[i] | ~(jnp.abs(v) <= 1.001)  # points on an edge may lie beyond it by a rounding
    return Located(i, jnp.where(hard, 0, v), hard)


def log_value(pieces: Pieces, at: Located) -> Float[Array, "*points"]:
    """The log density at located points, but for the constant."""
    i, v, _ = at
    bend = v * (pieces.slope[i] - 0.5 * pieces.curvature[i] * v)
    return pieces.offset[i] + bend + jnp.log(value(pieces, at))


def value(pieces: Pieces, at: Located) -> Float[Array, "*points"]:
    """The polynomial at located points, by Horner's rule."""
    result = jnp.zeros_like(at.v)
    for c in reversed(pieces.coefficients):
        result = result * at.v + c[at.piece]
    return result


def value_and_slope(pieces: Pieces, at: Located) -> tuple[Float[Array, "*points"], Float[Array, "*points"]]:
    """The polynomial and its derivative in v."""
    result, slope = jnp.zeros_like(at.v), jnp.zeros_like(at.v)
    for c in reversed(pieces.coefficients):
        slope = slope * at.v + result
        result = result * at.v + c[at.piece]
    return result, slope
