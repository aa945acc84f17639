"""Duality gap of mixture weights: an upper bound of how far their log likelihood is below the maximum.

The log likelihood of a point, Σ_b w_b log (A p)_b with A the Gaussians at the bins and w the bins' shares of the data,
is concave in the weights p. So the maximiser is known by its gradient: g_i = Σ_b w_b A_bi/(A p)_b is at most 1
everywhere. Whatever p ≥ 0 of sum 1, the log likelihood is within log max g ≤ max g − 1 of the largest possible one
(Lindsay 1983; Koenker and Mizera 2014).
"""

from __future__ import annotations

import jax.numpy as jnp

from .._typing import Array, Float
from ..basis import Basis
from ..counts import Counts, total
from .convolution import kernel
from .fine_counts import REFINE, ratio, shares


def duality_gap(pi: Float[Array, " n"], basis: Basis, counts: Counts) -> Float[Array, ""]:
    """How far weights are from those of maximum likelihood, as a certificate: max_i g_i − 1.

    The log likelihood of the counts, a point, is within this gap of the largest that any weights on the basis reach.
    It is at least 0, but for rounding; 0 without data.

    Args:
        pi: weights of sum 1, shape (n,).
        basis: the basis, without batch axes; use `jax.vmap` for many.
        counts: the state of `interior_point` or `maximum_likelihood`: counts of bins, four to each cell.

    Raises:
        ValueError: shapes that do not match.

    Example:
        >>> import fbgmm
        >>> import jax
        >>> algorithm = fbgmm.interior_point()
        >>> basis = fbgmm.init_basis(0.0, 4.0, n=20, t=3.0)
        >>> counts = algorithm.update(algorithm.init(basis), basis, jax.numpy.array([1.0, 1.2, 3.0]), None)
        >>> bool(fbgmm.duality_gap(algorithm.weights(counts, basis), basis, counts) < 1e-5)
        True
    """
    c, n = total(counts), basis.capacity
    if pi.shape != (n,) or c.shape != (REFINE * n,):
        raise ValueError(
            f"pi must have shape ({n},) and counts {REFINE} bins for each of these, shape ({REFINE * n},); "
            f"found {pi.shape} and {c.shape}"
        )
    w, points = shares(c), kernel(basis)
    gap = jnp.max(jnp.where(basis.live, points.adjoint(ratio(w, points.apply(pi))), 0)) - 1
    return jnp.where(jnp.sum(w) > 0, gap, 0)
