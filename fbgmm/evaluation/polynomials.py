"""One mixture at many points: a lookup of the piece and Horner's rule, by the tables of `fbgmm.evaluation.tables`.

Few points are evaluated in numpy and float64, many by compiled programs in the precision of the mixture. What such a
program cannot do (crowded edges, gaps, points beyond the tails) is left to numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial.chebyshev import cheb2poly, poly2cheb

from .._typing import Array
from .local_sums import without_rounding
from .lookup import Lookup, find, repaired
from .quantiles import with_ends
from .tables import Pieces, Tables

FEW = 1 << 14
"""Points that numpy evaluates in about a millisecond; a program would have to be compiled for each length."""

_NEWTON = 5
"""Steps from a start that is exact for an exponential density: what is left is rounding
(tests/fbgmm/evaluation/test_polynomials.py)."""

_ALIGNMENT = 64  # bytes: of XLA's arrays on CPUs

_TERMS = 1 << 22  # points times components that are summed at a time

Kind = Literal["log_density", "density", "cdf"]


class OnDevice(NamedTuple):
    """Tables of one kind of value as arrays of JAX, in the precision of the points. Only the distribution function has
    heights, and is inverted."""

    at: Lookup
    centre: Any
    half: Any
    pieces: Pieces
    heights: Any = None
    at_heights: Any = None


class Located(NamedTuple):
    """Points in pieces: the index of the piece, v = (x − c)/h, and where no polynomial serves (v is 0 there)."""

    piece: Array
    v: Array
    wrong: Array


class Evaluator:
    """The values of one mixture at points, by its tables. Arrays that are traced are evaluated in the program.

    Args:
        tables: of the mixture.
        sums: of each kind the same by sums over components, from points to values: for traced points, if they are few.
    """

    def __init__(self, tables: Tables, sums: Mapping[Kind, Callable[[Array], Array]]) -> None:
        self.tables, self.sums = tables, sums
        self._arrays: dict[tuple[str, str], OnDevice] = {}

    def __call__(self, kind: Kind, x: Array) -> Array:
        """Values of the dtype and shape of x."""
        if isinstance(x, jax.core.Tracer):
            return self.sums[kind](x) if x.size < FEW else self._traced(kind)(x)
        if x.size < FEW:
            return jnp.asarray(self._in_numpy(kind, np.asarray(x)))
        found, wrong = _evaluate(kind, self._on_device(kind, x.dtype), x)
        return self._mended(found, wrong, x, partial(self._in_numpy, kind))

    def _in_numpy(self, kind: Kind, x: np.ndarray) -> np.ndarray:
        found = in_numpy(kind, self.tables, x).astype(x.dtype)
        return without_rounding(found, np) if kind == "cdf" else found

    def inverse(self, q: Array) -> Array:
        """Quantiles of concrete probabilities, of the dtype and shape of q."""
        if q.size < FEW:
            return jnp.asarray(invert_in_numpy(self.tables, np.asarray(q)), q.dtype)
        found, wrong = _invert(self._on_device("cdf", q.dtype), q)
        return self._mended(found, wrong, q, partial(invert_in_numpy, self.tables))

    def _mended(self, found: Array, wrong: Array, x: Array, exact: Callable[[np.ndarray], np.ndarray]) -> Array:
        where = np.nonzero(np.asarray(wrong))
        if not where[0].size:
            return found
        mended = _aligned(found)
        mended[where] = exact(np.asarray(x)[where])
        return jnp.asarray(mended)

    def _traced(self, kind: Kind) -> Callable[[Array], Array]:
        """The program for many points, with the derivative of the polynomials."""
        sums = self.sums[kind]

        @jax.custom_jvp
        def f(x: Array) -> Array:
            found, wrong = evaluate(kind, self._on_device(kind, x.dtype), x)
            return repaired(sums, found, wrong, x)

        @f.defjvp
        def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
            (x,), (dx,) = primals, tangents
            if kind == "log_density":
                slope, wrong = score(self._on_device(kind, x.dtype), x)
                slope = repaired(lambda x: jax.jvp(sums, (x,), (jnp.ones_like(x),))[1], slope, wrong, x)
            elif kind == "cdf":
                slope = self._traced("density")(x)
            else:
                slope = f(x) * jax.jvp(self._traced("log_density"), (x,), (jnp.ones_like(x),))[1]
            return f(x), slope * dx

        return f

    def _on_device(self, kind: Kind, dtype: Any) -> OnDevice:
        key = kind, np.dtype(dtype).name
        if key not in self._arrays:
            with jax.ensure_compile_time_eval():
                self._arrays[key] = on_device(self.tables, kind, dtype)
        return self._arrays[key]


def _aligned(a: Array) -> np.ndarray:
    """A copy at an address that JAX takes as it is, so that it need not be copied once more."""
    room = np.empty(a.nbytes + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    copy = room[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
    np.copyto(copy, a)
    return copy


def on_device(tables: Tables, kind: Kind, dtype: Any) -> OnDevice:
    """The arrays for a kind of value. Of a density the polynomials hold the scale: so its exponent is not rounded."""
    pieces = tables.cdf if kind == "cdf" else tables.log_density
    scale = tables.heights[1:] if kind == "cdf" else pieces.coefficients[0]
    pieces = _shortened(pieces, float(np.finfo(dtype).eps) / 2 * scale)
    if kind == "density":
        # Below the least number the density is 0. Where its scale alone is, but not all of the piece, it is summed.
        least, steep = math.log(np.finfo(dtype).tiny), np.abs(pieces.slope) + pieces.curvature / 2
        nothing = pieces.offset + steep < least
        scale = np.where(nothing, 0, np.exp(pieces.offset))
        pieces = pieces._replace(
            coefficients=pieces.coefficients * scale,
            offset=np.zeros_like(scale),
            slope=np.where(nothing, 0, pieces.slope),
            curvature=np.where(nothing, 0, pieces.curvature),
            hard=~nothing & (pieces.hard | (pieces.offset < least + 30) | (steep > 60)),
        )
    inverted = (tables.heights, tables.at_heights) if kind == "cdf" else ()
    found = OnDevice(tables.at_edges, tables.shape.centre, tables.shape.half, pieces, *inverted)
    return jax.device_put(jax.tree.map(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a, found))


def _shortened(pieces: Pieces, tolerance: np.ndarray) -> Pieces:
    """Polynomials of two thirds of the degree where they leave out at most `tolerance`, shape (pieces,), everywhere: so
    it is where components are wider than pieces. The others are as they were: two programs, not one for each degree."""
    degree = len(pieces.coefficients) - 1
    short = 2 * degree // 3
    kept, left_out = _economised(degree, short)
    low, high = pieces.coefficients[: short + 1], pieces.coefficients[short + 1 :]
    if np.any((np.abs(left_out @ high).sum(axis=0) > tolerance) & ~pieces.hard):
        return pieces
    return pieces._replace(coefficients=low + kept @ high)


@cache
def _economised(degree: int, short: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the powers above `short`: the polynomials in their place, shape (short + 1, powers), and the coefficients of
    the Chebyshev polynomials above `short` that these leave out (economisation: Lanczos 1938, Trigonometric
    interpolation of empirical and analytical functions)."""
    series = [poly2cheb(np.eye(degree + 1)[m]) for m in range(short + 1, degree + 1)]
    kept = [np.pad(found := cheb2poly(c[: short + 1]), (0, short + 1 - len(found))) for c in series]
    return np.stack(kept, axis=1), np.stack([np.pad(c, (0, degree + 1 - len(c)))[short + 1 :] for c in series], axis=1)


def evaluate(kind: Kind, on: OnDevice, x: Array) -> tuple[Array, Array]:
    """The value at each point, and where it is no good; in JAX. Differentiable in x."""
    i, v, wrong = _locate(on, x)
    found = _value(kind, on.pieces, i, v, jnp)
    return without_rounding(found, jnp) if kind == "cdf" else found, wrong


def score(on: OnDevice, x: Array) -> tuple[Array, Array]:
    """d log g/dx at each point by the polynomials of the log density, and where it is no good."""
    i, v, wrong = _locate(on, x)
    reached, slope = _value_and_slope(on.pieces, i, v, jnp)
    return (on.pieces.slope[i] - on.pieces.curvature[i] * v + slope / reached) / on.half[i], wrong


def _locate(on: OnDevice, x: Array) -> Located:
    i, wrong = find(on.at, jax.lax.stop_gradient(x))
    v = (x - on.centre[i]) / on.half[i]
    wrong = wrong | on.pieces.hard[i] | ~(jnp.abs(v) <= 1.001)  # points on an edge may lie beyond it by a rounding
    return Located(i, jnp.where(wrong, 0, v), wrong)


_evaluate = jax.jit(evaluate, static_argnums=0)


def _value(kind: Kind, pieces: Pieces, i: Any, v: Any, xp: Any) -> Any:
    result = xp.zeros_like(v)
    for c in pieces.coefficients[::-1]:
        result = result * v + c[i]
    if kind == "cdf":
        return result
    bend = v * (pieces.slope[i] - 0.5 * pieces.curvature[i] * v)
    return xp.exp(bend) * result if kind == "density" else pieces.offset[i] + bend + xp.log(result)


def _value_and_slope(pieces: Pieces, i: Any, v: Any, xp: Any) -> tuple[Any, Any]:
    """The polynomial of piece i and its derivative in v, by Horner's rule."""
    reached, slope = xp.zeros_like(v), xp.zeros_like(v)
    for c in pieces.coefficients[::-1]:
        slope = slope * v + reached
        reached = reached * v + c[i]
    return reached, slope


def in_numpy(kind: Kind, tables: Tables, x: np.ndarray) -> np.ndarray:
    """The value at each point, in float64; of points of any shape."""
    shape, of = tables.shape, np.shape(x)
    x = np.asarray(x, np.float64).reshape(-1)
    i = np.clip(np.searchsorted(shape.edges, x, side="right") - 1, 0, shape.centre.size - 1)
    v = np.clip((x - shape.centre[i]) / shape.half[i], -1, 1)
    if kind == "cdf":
        return _value(kind, tables.cdf, i, v, np).reshape(of)
    found = _value("log_density", tables.log_density, i, v, np)
    hard = tables.log_density.hard[i] | ~((x >= shape.edges[0]) & (x <= shape.edges[-1]))
    if hard.any():
        found[hard] = _log_density_sum(tables, x[hard])
    return (np.exp(found) if kind == "density" else found).reshape(of)


def _log_density_sum(tables: Tables, x: np.ndarray) -> np.ndarray:
    """log g at each point by all components."""
    _, _, _, mu, sigma, pi = tables.shape
    used = pi > 0
    mu, sigma, log_height = mu[used], sigma[used], np.log(pi[used] / sigma[used]) - 0.5 * math.log(2 * math.pi)
    found = np.empty_like(x)
    for rows in np.array_split(np.arange(x.size), max(1, x.size * mu.size // _TERMS)):
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            terms = log_height - 0.5 * np.square((x[rows, None] - mu) / sigma)
            top = terms.max(axis=1)
            sums = np.log(np.exp(terms - np.where(np.isfinite(top), top, 0)[:, None]).sum(axis=1))
        found[rows] = np.where(np.isfinite(top), top + sums, top)
    return found


def invert(on: OnDevice, q: Array) -> tuple[Array, Array]:
    """x with cdf(x) = q, and where it is no good; in JAX."""
    p = jnp.clip(q, on.heights[0], on.heights[-1])
    i, wrong = find(on.at_heights, p, closed="right")
    return with_ends(on.centre[i] + on.half[i] * _inverse(on.pieces, on.heights, i, p, jnp), q), wrong


_invert = jax.jit(invert)


def invert_in_numpy(tables: Tables, q: np.ndarray) -> np.ndarray:
    """x with cdf(x) = q, in float64."""
    heights, shape = tables.heights, tables.shape
    p = np.clip(np.asarray(q, np.float64), heights[0], heights[-1]).reshape(-1)
    i = np.clip(np.searchsorted(heights, p, side="left") - 1, 0, shape.centre.size - 1)
    x = shape.centre[i] + shape.half[i] * _inverse(tables.cdf, heights, i, p, np)
    return with_ends(x.reshape(np.shape(q)), q, np)


def _inverse(cdf: Pieces, heights: Any, i: Any, q: Any, xp: Any) -> Any:
    """v in [−1, 1] with the polynomial of piece i at q."""
    lower, rise = heights[i], heights[i + 1] - heights[i]
    share = xp.clip((q - lower) / xp.where(rise > 0, rise, 1), 0, 1)
    growth = cdf.slope[i]  # of the density over the piece, as if it were exponential
    even = xp.abs(growth) < 1e-3
    safe = xp.where(even, 1, growth)
    v = 2 * xp.where(even, share, xp.log1p(share * xp.expm1(safe)) / safe) - 1
    for _ in range(_NEWTON):
        reached, slope = _value_and_slope(cdf, i, v, xp)
        v = xp.clip(v - (reached - q) / xp.where(slope > 0, slope, xp.inf), -1, 1)
    return v
