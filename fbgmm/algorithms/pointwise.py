"""Algorithms with one step for each point: readings of the paper that depend on each point or on their order.

O(N·n) time; for comparison with the readings by counts, not for use.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from .. import checks
from ..basis import Basis
from ..binning import cell_index
from ..updates import init_pi, normalize
from .base import Algorithm, Bound

Step = Callable[[jax.Array, Basis, jax.Array, jax.Array, jax.Array], jax.Array]


def from_points(step: Step) -> Algorithm:
    """The algorithm that runs `step(pi, basis, x_j, i, weight)` over the points in order, i the nearest mean's index.

    Points that are not finite are skipped, and so are those of weight 0. Negative weights pi are set to 0 at the end.
    """

    return Algorithm(init_pi, Bound(_update, (step,)), _weights, merge=None)


def _update(step: Step, pi: jax.Array, basis: Basis, x: jax.Array, weights: jax.Array | None) -> jax.Array:
    w = jnp.ones_like(x) if weights is None else weights.astype(x.dtype)
    used = checks.usable(x, w)
    x = jnp.where(used, x, basis.low)

    def one(pi: jax.Array, point: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        x_j, i, w_j, used_j = point
        return jnp.where(used_j, step(pi, basis, x_j, i, w_j), pi), None

    return jax.lax.scan(one, pi, (x, cell_index(basis, x), w, used))[0]


def _weights(pi: jax.Array, basis: Basis) -> jax.Array:
    return normalize(jnp.maximum(pi, 0))
