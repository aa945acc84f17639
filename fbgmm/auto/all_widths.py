"""Mixtures of all widths at once, narrow ones held back by their noise: candidates of `fit(x)`.

Where a density is smooth in one place and sharp in another, no single width serves both. Here normal densities of the
widths 2, 4, 8, … bins share the data, each on the grid of its octave (`fbgmm.auto.octaves`). EM from equal mass for
every width lets the sharp ones grow only where the data ask for them. Each is also held back by its own noise: with
c = √(Var(φ/g)/N), the standard error of its gradient under a pilot density g, its column is multiplied by
1/(1 + 2c), so that the narrow ones must earn more than chance gives them. `fbgmm.algorithms.multi_scale` does this on
any basis; here the grids are fixed, so that one compiled program serves all data, and a step of EM does more.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from .._typing import Array, Float, Int
from ..algorithms.multi_scale import shrinkage
from .octaves import OCTAVE, OCTAVES, PER_BIN, RATIOS, SIGMAS, all_coarser, blur, sum_finest
from .report import ALL_WIDTHS_STEPS

_RATIO = RATIOS[:1]
_NARROWER = (RATIOS[0] / math.sqrt(2),)  # φ_σ² = φ_(σ/√2) / (2√π σ)
_PENALTY = 2.0  # standard errors; halved L1 1.037, doubled 1.025 (`python -m benchmarks constants`)
_PILOT_FLOOR = 0.01


def fit_all_widths(
    shares: Float[Array, "splits bins"],
    pilot: Float[Array, "splits bins"],
    points: Float[Array, ""],
    mirror: Int[Array, ""],
) -> tuple[Float[Array, "stops splits row"], Float[Array, "stops splits bins"]]:
    """The mixture after each number of steps of `ALL_WIDTHS_STEPS`.

    Args:
        shares: of the data in each bin, one row for each split.
        pilot: a density on the bins, near the data's.
        points: number of data points.
        mirror: as in `fbgmm.auto.octaves.blur`.

    Returns:
        The weights, rows of `fbgmm.auto.octaves`, and the density on the finest bins.
    """
    shrink = _shrinkage(shares, pilot, points, mirror)
    start = jnp.broadcast_to(jnp.asarray(1 / (OCTAVES * PER_BIN), shrink.dtype), shrink.shape)

    def step(_: Array, p: Array) -> Array:
        ratio = shares / jnp.maximum(_density(p * shrink, mirror), 1e-12)
        return _normalised(p * _power(shrink * _gradient(ratio, mirror)), p)

    def stop(p: Array, more: Array) -> tuple[Array, tuple[Array, Array]]:
        p = jax.lax.fori_loop(0, more, step, p)
        found = _normalised(p * shrink, p)
        return p, (found, _density(found, mirror))

    _, found = jax.lax.scan(stop, start, jnp.diff(jnp.array([0, *ALL_WIDTHS_STEPS])))
    return found


def _density(p: Array, mirror: Array) -> Array:
    """Of the mixture with these weights, on the finest bins."""
    return sum_finest(_per_bin(blur(p[None], mirror, ratios=_RATIO)[0]))


def _gradient(values: Array, mirror: Array, ratios: tuple[float, ...] = _RATIO) -> Array:
    """The sum of the values, shape (splits, BINS), under each component's density; a blur is its own transpose."""
    return _per_bin(blur(all_coarser(values)[None], mirror, ratios=ratios)[0])


def _per_bin(mass: Array) -> Array:
    return mass * jnp.asarray(PER_BIN, mass.dtype)[None]


def _shrinkage(shares: Array, pilot: Array, points: Array, mirror: Array) -> Array:
    g = (1 - _PILOT_FLOOR) * pilot + _PILOT_FLOOR
    mean = _gradient(shares / g, mirror)
    width = jnp.asarray(SIGMAS[OCTAVE, 0], g.dtype)[None]
    square = _gradient(shares / jnp.square(g), mirror, _NARROWER) / (2 * math.sqrt(math.pi) * width)
    return shrinkage(mean, square, points, _PENALTY)


def _power(factor: Array) -> Array:
    """factor^1.75: one step of EM does the work of nearly two, and below 2 still converges. By roots: faster."""
    root = jnp.sqrt(factor)
    return factor * root * jnp.sqrt(root)


def _normalised(p: Array, otherwise: Array) -> Array:
    """To a sum of one over all octaves; where there is no mass, `otherwise`."""
    mass = jnp.sum(p, axis=-1, keepdims=True)
    return jnp.where(mass > 0, p / jnp.where(mass > 0, mass, 1), otherwise)
