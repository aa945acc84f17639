"""Candidates of one width: EM from the data's shares, stopped after few steps, at eighteen widths at once.

None of the steps is a kernel density estimate (Algorithm 2), many are the maximum likelihood, and stopping between is a
regulariser.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .._typing import AnyArray, Array, Float
from .namespace import namespace
from .octaves import PER_BIN, RATIOS, all_coarser, blur, densities
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


def scores(
    density: Float[AnyArray, "*candidates folds bins"], folds: Float[AnyArray, "folds bins"]
) -> Float[AnyArray, "*candidates"]:
    """Log-likelihood of each fold under the candidates fitted without it, above that of a uniform density in u."""
    xp = namespace(density)
    return xp.einsum("fb,...fb->...", folds, xp.log((1 - FLOOR) * density + FLOOR))
