"""Candidates of one width: EM from the data's shares, stopped after few steps, at eighteen widths at once.

None of the steps is a kernel density estimate (Algorithm 2), many are the maximum likelihood, and stopping between is a
regulariser.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .._typing import Array, Float
from .octaves import PER_BIN, RATIOS, all_coarser, all_finest, blur
from .report import STEPS

FLOOR = 1e-4
"""Share of a uniform density in every candidate when it is scored."""


class Fitted(NamedTuple):
    """Candidates on the bins.

    Attributes:
        p: their weights, rows of `fbgmm.auto.octaves`, shape (steps, 2, splits, row).
        density: of all, on the finest bins, shape (octaves, steps, 2, splits, BINS).
    """

    p: Array
    density: Array


def candidates(shares: Float[Array, "splits bins"], mirror: Array) -> Fitted:
    """EM from the shares themselves at every width, stopped after each number of `STEPS`."""
    row = all_coarser(shares)
    w = jnp.broadcast_to(row[None], (len(RATIOS), *row.shape))
    start = 0.999 * w + 0.001 / jnp.asarray(PER_BIN, w.dtype)[None, None]

    def step(_: Array, p: Array) -> Array:
        ratio = w / jnp.maximum(blur(p, mirror), 1e-12)
        return p * blur(ratio, mirror)  # a blur is its own transpose; the mass stays one

    def stop(p: Array, more: Array) -> tuple[Array, tuple[Array, Array]]:
        p = jax.lax.fori_loop(0, more, step, p)
        return p, (p, densities(p, mirror))

    _, (p, density) = jax.lax.scan(stop, start, jnp.diff(jnp.array([0, *STEPS])))
    return Fitted(p, jnp.swapaxes(density, 0, 1))


def densities(
    p: Float[Array, "widths splits row"], mirror: Array, ratios: tuple[float, ...] = RATIOS
) -> Float[Array, "octaves widths splits bins"]:
    """Densities on the finest bins of the masses p, blurred."""
    return all_finest(blur(p, mirror, ratios=ratios) * jnp.asarray(PER_BIN, p.dtype)[None, None])


def scores(
    density: Float[Array, "*candidates folds bins"], folds: Float[Array, "folds bins"]
) -> Float[Array, "*candidates"]:
    """Log-likelihood of each fold under the candidates fitted without it, above that of a uniform density in u."""
    return jnp.einsum("fb,...fb->...", folds, jnp.log((1 - FLOOR) * density + FLOOR))
