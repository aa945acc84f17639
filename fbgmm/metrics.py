"""The paper's losses and bounds (section 2.3, Eq. 1, 3, 4 and 9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from . import checks
from ._typing import Array, ArrayLike, Float
from .mixture import Mixture

Cdf = Callable[[Array], Array]


def information_loss(target_cdf: Cdf, gmm: Mixture) -> Float[Array, " *batch"]:
    """Eq. 9: the absolute difference in the probability of each cell and of the two tails, summed. In [0, 2].

    With d = r/2, so that the cells mu_i ± d tile [low, high]; only then does the bound of 2 hold.

    Args:
        target_cdf: cumulative distribution function of the target, from points of any shape to the same shape. For a
            batched mixture it is given points of shape (*batch, n + 1).
        gmm: the mixture, batch shape (*batch,).

    Returns:
        The loss L, shape (*batch,).

    Example:
        >>> import fbgmm, jax
        >>> gmm = fbgmm.fit(jax.random.normal(jax.random.key(0), (5000,)), n=200, t=3.0)
        >>> 0 < float(fbgmm.information_loss(jax.scipy.stats.norm.cdf, gmm)) < 0.1
        True
    """
    edges = gmm.basis.edges
    target, ours = target_cdf(edges), _cdf(gmm, edges)
    tails = jnp.abs(target[..., 0] - ours[..., 0]) + jnp.abs(target[..., -1] - ours[..., -1])
    return tails + jnp.sum(jnp.abs(jnp.diff(target, axis=-1) - jnp.diff(ours, axis=-1)), axis=-1)


def density_information_loss(target_cdf: Cdf, gmm: Mixture, m: int = 8) -> Float[Array, " *batch"]:
    """Section 2.3, Eq. 1 summed over the cells: Σ_i Σ_j |P_f(d_ij) − P_g(d_ij)| over m sub-cells d_ij of each cell.

    It tends to ∫ |f − g| over [low, high] from below as m grows. Like the paper's it leaves the tails out.

    Args:
        target_cdf, gmm: as in `information_loss`; here the points have shape (*batch, n·m + 1).
        m: sub-cells in each cell.

    Raises:
        ValueError: m < 1.

    Example:
        >>> import fbgmm, jax
        >>> gmm = fbgmm.fit(jax.random.normal(jax.random.key(0), (5000,)), n=200, t=3.0)
        >>> 0 < float(fbgmm.density_information_loss(jax.scipy.stats.norm.cdf, gmm, m=4)) < 0.1
        True
    """
    m = checks.positive_integer("m", m)
    edges = gmm.basis.edges
    part = jnp.arange(m, dtype=edges.dtype) / m
    part = part.reshape((1,) * edges.ndim + (m,))
    inner = edges[..., :-1, None] + part * jnp.diff(edges, axis=-1)[..., None]
    points = jnp.concatenate([inner.reshape(*edges.shape[:-1], -1), edges[..., -1:]], axis=-1)
    return jnp.sum(jnp.abs(jnp.diff(target_cdf(points), axis=-1) - jnp.diff(_cdf(gmm, points), axis=-1)), axis=-1)


class LocalBound(NamedTuple):
    """The two bounds of a cell, each of shape (*batch, n)."""

    decreasing: Array
    """Eq. 3, for a target that decreases in the cell: P_g(mu ± d/2) − P_g(mu + r/2 − d, mu + r/2)."""
    increasing: Array
    """Eq. 4, for a target that increases in the cell: P_g(mu ± d/2) − P_g(mu − r/2, mu − r/2 + d)."""


def local_loss_bound(gmm: Mixture, d: ArrayLike) -> LocalBound:
    """Eq. 3 and 4: how far the mixture's probability of a sub-cell of length d can be from the target's.

    They hold in a cell where the mixture has the target's probability, the target is monotone and about linear, and
    the mixture crosses it twice, at least d away from the cell's ends (conditions 1–3 of section 2.3).

    Args:
        gmm: the mixture, batch shape (*batch,).
        d: length of a sub-cell, in the units of the data, 0 < d ≤ r; a scalar or shape (*batch,).

    Raises:
        ValueError: d not in (0, r], where it is concrete.

    Example:
        >>> import fbgmm
        >>> gmm = fbgmm.fit([0.0, 1.0, 1.5, 4.0], n=8, t=1.0)
        >>> fbgmm.local_loss_bound(gmm, gmm.basis.r / 4).decreasing.shape
        (8,)
    """
    basis = gmm.basis
    r = basis.r if basis.even else jnp.min(basis.r, axis=-1)
    d = jnp.broadcast_to(checks.as_floats("d", d).astype(basis.dtype), basis.batch_shape)
    if checks.is_concrete(d, r) and not bool(jnp.all((d > 0) & (d <= r * (1 + 1e-6)))):
        raise ValueError(f"d must be above 0 and at most r = {r}; found {d}")
    d, half = d[..., None], (basis.r[..., None] if basis.even else basis.r) / 2
    mu = basis.mu

    def mass(a: Array, b: Array) -> Array:
        return _cdf(gmm, b) - _cdf(gmm, a)

    middle = mass(mu - d / 2, mu + d / 2)
    return LocalBound(middle - mass(mu + half - d, mu + half), middle - mass(mu - half, mu - half + d))


def _cdf(gmm: Mixture, points: Array) -> Array:
    """The cdf at points of shape (*batch, k), each mixture at its own row."""
    return jnp.moveaxis(gmm.cdf(jnp.moveaxis(points, -1, 0)), 0, -1)
