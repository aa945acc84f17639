"""Products with the matrix of Gaussians at the bins, as convolutions on the even grid.

Multiplying by the Gaussians at the bins, A p, is a convolution with several outputs for each cell. It runs as one small
matrix product for each run of `_RUN` cells: O(n · bins in a cell · reach), at the speed of matrix products. On a CPU
that is 7 to 300 times faster than the whole matrix (n = 200 to 1000) and 2 to 5 times faster than a scan over the lags.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from .._typing import Array, Float
from ..basis import Basis
from ..evaluation.local_sums import precision
from .fine_counts import REFINE

_RUN = 32  # cells


class Kernel(NamedTuple):
    """The Gaussians of n cells at `refine` points in each cell, exp(−(point − mean)²/2s²), as a linear map.

    Attributes:
        forward: from a run of components with its neighbours to the points of the run, shape (near, run·refine).
        backward: from points to components, shape (near·refine, run).
    """

    forward: Float[Array, "near points"]
    backward: Float[Array, "near_points run"]

    def apply(self, p: Float[Array, " n"]) -> Float[Array, " bins"]:
        """Σ_i p_i exp(−(x_b − mu_i)²/2s²) at each point b, shape (n·refine,)."""
        refine = self.forward.shape[1] // _RUN
        heights = jnp.matmul(_runs(p[:, None], self.forward.shape[0]), self.forward, precision="highest")
        return heights.reshape(-1)[: p.shape[0] * refine]

    def adjoint(self, v: Float[Array, " bins"]) -> Float[Array, " n"]:
        """Σ_b v_b exp(−(x_b − mu_i)²/2s²) for each component i, shape (n,)."""
        refine = self.forward.shape[1] // _RUN
        cells = v.reshape(-1, refine)
        sums = jnp.matmul(_runs(cells, self.forward.shape[0]), self.backward, precision="highest")
        return sums.reshape(-1)[: cells.shape[0]]


def kernel(basis: Basis, refine: int = REFINE, factor: float = 1.0, shift: float = 0.0) -> Kernel:
    """The Gaussians of the basis, with s = factor·sigma, at the centres of the bins, `refine` of them in each cell.

    Args:
        shift: how many cells below the centres the points lie.
    """
    reach = _reach(basis, factor)
    near = _RUN + 2 * reach
    inside = (np.arange(refine) + 0.5) / refine - 0.5
    lag = np.arange(_RUN)[None, :] - (np.arange(near) - reach)[:, None]  # of a cell of the run above a neighbour
    ahead = lag[:, :, None] + inside - shift  # (near, run, refine): points of the run, components around it
    back = -lag[:, None, :] + inside[:, None] - shift  # (near, refine, run): points around, components of the run
    forward, backward = (
        jnp.exp(-0.5 * jnp.square(jnp.asarray(z, basis.dtype) / (factor * basis.t))) for z in (ahead, back)
    )
    return Kernel(forward.reshape(near, -1), backward.reshape(-1, _RUN))


def curvature(basis: Basis) -> Callable[[Array], Array]:
    """The map from d, shape (bins,), to the matrix Aᵀ diag(d) A, shape (n, n), in O(n²).

    exp(−(b − i)²/2t²) exp(−(b − j)²/2t²) = exp(−(i − j)²/4t²) exp(−(b − (i + j)/2)²/t²): d convolved with a narrower
    Gaussian at the means and midway between them, times a factor of the lag.
    """
    on, between = (kernel(basis, factor=math.sqrt(0.5), shift=shift) for shift in (0.0, 0.5))
    i = jnp.arange(basis.capacity)
    down, across = i[:, None], i[None, :]
    lag = jnp.exp(-jnp.square((down - across).astype(basis.dtype) / (2 * basis.t)))

    def matrix(d: Array) -> Array:
        centres = jnp.stack([on.adjoint(d), between.adjoint(d)], axis=1).reshape(-1)
        return lag * centres[down + across]

    return matrix


def _reach(basis: Basis, factor: float) -> int:
    """Cells beyond which a Gaussian is below rounding; static."""
    if basis.t_max is None:
        return basis.capacity - 1
    return min(basis.capacity - 1, math.ceil(precision(basis.dtype).reach * factor * basis.t_max) + 1)


def _runs(rows: Array, near: int) -> Array:
    """Runs of `_RUN` rows with their neighbours, zeros beyond the ends; shape (runs, near·columns)."""
    count, columns = rows.shape
    runs, reach = -(-count // _RUN), (near - _RUN) // 2
    padded = jnp.pad(rows, ((reach, runs * _RUN - count + reach), (0, 0)))
    index = np.arange(runs)[:, None] * _RUN + np.arange(near)
    return padded[index].reshape(runs, near * columns)
