"""Losses of Algorithm 2 with other means, widths, cells of Eq. 9 and targets than those of the library."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import fbgmm

from .experiment import fit_pi, map_experiments, over_widths
from .targets import Kind, Target

KIND: Kind = "normal"
N, DATA_SIZE = 200, 5000
WIDTHS = (1.0, 2.0, 3.0)

ALGORITHM_2 = fbgmm.algorithm2()

_BLOCK = 100
_WIDEST = 16
"""Above sqrt(t·r)/r, the width of the reading in which t·r is a variance, for all of these targets."""


def other_losses(experiments: int, seed: int) -> dict[str, np.ndarray]:
    """Every measurement by name, each of shape (experiments, 3): one column for each σ = 1r, 2r, 3r.

    The experiments are those of the sweep's cells with the same seed, kind and data size, so that they can be paired.

    - `"default"`: loss of Algorithm 2 as the library reads it.
    - `"left_means"`: with means at low + i·r, where every point counts for its nearest mean.
    - `"left_means_same_counts"`: the same means with the weights of the cells to their right: the density half a cell
      to the left.
    - `"variance"`: with sigma² = t·r.
    - `"overlapping_cells"`: the loss summed over mu_i ± sigma/4 instead of mu_i ± r/2.
    - `"clipped"`, `"unclipped"`: loss of Algorithm 1 with its negative weights set to 0, or kept.
    - `"short_mid_unclipped"`: loss of Algorithm 1 with its negative weights kept, and with k_mid of length d.
    - `"negative_weights"`: the share of Algorithm 1's weights that are negative.
    - `"negative_share"`: their share of Σ|pi|.
    - `"elsewhere"`: loss against a target that has no mass where the mixture has.
    - `"narrow"`, `"wide"`: `"default"` on targets whose components have half, or twice, the standard deviations.
    """
    program = jax.jit(partial(_measure_all, min(experiments, _BLOCK)))
    blocks = [program(np.int32(seed), np.int32(start)) for start in range(0, experiments, _BLOCK)]
    return {name: np.concatenate([block[name] for block in blocks])[:experiments] for name in blocks[0]}


def _measure_all(number: int, seed: jax.Array, start: jax.Array) -> dict[str, jax.Array]:
    measured = map_experiments(_readings, KIND, DATA_SIZE, seed, start, number)
    for name, spread in (("narrow", 0.5), ("wide", 2.0)):
        measured[name] = map_experiments(_default_loss, KIND, DATA_SIZE, seed, start, number, spread)
    return measured


def _default_loss(target: Target, x: jax.Array) -> jax.Array:
    return over_widths(lambda basis: _loss(target, basis, fit_pi(ALGORITHM_2, basis, x)), x, N, WIDTHS, N)


def _readings(target: Target, x: jax.Array) -> dict[str, jax.Array]:
    def at_width(basis: fbgmm.Basis) -> dict[str, jax.Array]:
        left = replace(basis, low=basis.low - basis.r / 2, high=basis.high - basis.r / 2)
        variance = replace(basis, sigma=jnp.sqrt(basis.sigma), t_max=_WIDEST)
        pi = fit_pi(ALGORITHM_2, basis, x)
        unclipped = fit_pi(fbgmm.algorithm1(clip=False), basis, x)
        far = replace(target, loc=target.loc + 1000)
        return {
            "default": _loss(target, basis, pi),
            "left_means": _loss(target, left, fit_pi(ALGORITHM_2, left, x)),
            "left_means_same_counts": _loss(target, left, pi),
            "variance": _loss(target, variance, fit_pi(ALGORITHM_2, variance, x)),
            "overlapping_cells": _loss_about_means(target, fbgmm.Mixture(basis, pi), basis.sigma / 4),
            "clipped": _loss(target, basis, fit_pi(fbgmm.algorithm1(), basis, x)),
            "unclipped": _loss(target, basis, unclipped),
            "short_mid_unclipped": _loss(target, basis, fit_pi(fbgmm.algorithm1("short_mid", clip=False), basis, x)),
            "negative_weights": jnp.mean(unclipped < 0),
            "negative_share": jnp.sum(jnp.maximum(-unclipped, 0)) / jnp.sum(jnp.abs(unclipped)),
            "elsewhere": _loss(far, basis, pi),
        }

    return over_widths(at_width, x, N, WIDTHS, N)


def _loss(target: Target, basis: fbgmm.Basis, pi: jax.Array) -> jax.Array:
    return fbgmm.information_loss(target.cdf, fbgmm.Mixture(basis, pi))


def _loss_about_means(target: Target, gmm: fbgmm.Mixture, d: jax.Array) -> jax.Array:
    """Eq. 9 as printed, with cells mu_i ± d that need not tile the line."""
    lower, upper = gmm.basis.mu - d, gmm.basis.mu + d

    below, above = (target.cdf(points) - gmm.cdf(points) for points in (lower, upper))
    return jnp.abs(below[0]) + jnp.sum(jnp.abs(above - below)) + jnp.abs(above[-1])
