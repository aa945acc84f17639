"""Mixtures of one width: EM from the data's shares, stopped after few steps, at eighteen widths: candidates.

None of the steps is a kernel density estimate (Algorithm 2), many are the maximum likelihood, and stopping between is a
regulariser.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .._typing import Array, Float
from .octaves import PER_BIN, RATIOS, all_coarser, blur, densities
from .report import STEPS


class OneWidth(NamedTuple):
    """Candidates on the bins.

    Attributes:
        p: their weights, rows of `fbgmm.auto.octaves`, shape (steps, 2, splits, row).
        density: of all, on the finest bins, shape (octaves, steps, 2, splits, BINS).
    """

    p: Array
    density: Array


def fit_one_width(shares: Float[Array, "splits bins"], mirror: Array) -> OneWidth:
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
    return OneWidth(p, jnp.swapaxes(density, 0, 1))
