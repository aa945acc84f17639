"""The fixed basis: n Gaussians with evenly spaced means and one common standard deviation (section 2.1).

The means are the centres of n cells that tile [low, high]; everything a fit needs to know about the data is how many
points fell into each cell. Where the data choose (`fbgmm.auto`) the cells may differ in width, each Gaussian being as
wide as its cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

from . import checks
from ._typing import Array, ArrayLike, Bool, Float
from .error_messages import bad_data, warn_of_precision
from .status import Status


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["low", "high", "r", "sigma", "means", "bounds"],
    meta_fields=["capacity", "t_max"],
)
@dataclass(frozen=True, eq=False)
class Basis:
    """n Gaussians N(mu_i, sigma²) with mu_i = low + (i + ½) r, i = 0 … n−1; or with means and widths of their own.

    A pytree. The leaves share any batch shape; a batch over several n shares one `capacity`, and components beyond
    each element's own n are not `live`. Make one with `init_basis` or `init_basis_from`.

    Attributes:
        low, high: the ends of the range, in the units of the data; shape (*batch,).
        r: spacing of the means = width of a cell = (high − low)/n; shape (*batch,). Of uneven cells each has its own,
            shape (*batch, n).
        sigma: the common standard deviation, t·r (the paper calls it a variance; it is used as a standard deviation);
            of uneven cells one for each, shape (*batch, n). It broadcasts against `mu[..., :]` as `widths` has it.
        capacity: number of components stored; static.
        t_max: an upper bound of t = sigma/r, static: it tells how many neighbours matter at a point. None: unknown,
            then all do.
        means, bounds: of uneven cells, shape (*batch, n) and (*batch, n + 1); None where the cells are even.
    """

    low: Float[Array, " *batch"]
    high: Float[Array, " *batch"]
    r: Float[Array, "..."]
    sigma: Float[Array, "..."]
    capacity: int = field(metadata={"static": True})
    t_max: int | None = field(default=None, metadata={"static": True})
    means: Float[Array, "*batch n"] | None = None
    bounds: Float[Array, "*batch edges"] | None = None

    @property
    def even(self) -> bool:
        """Whether all cells are of one width, as in the paper; static."""
        return self.means is None

    @property
    def mu(self) -> Float[Array, "*batch n"]:
        """Means of the components, shape (*batch, capacity)."""
        return _means(self.low, self.r, self.capacity) if self.means is None else self.means

    @property
    def widths(self) -> Float[Array, "*batch ones_or_n"]:
        """sigma with an axis for the components: shape (*batch, 1) of even cells, (*batch, n) of uneven ones."""
        return self.sigma[..., None] if self.even else self.sigma

    @property
    def edges(self) -> Float[Array, "*batch edges"]:
        """Edges of the cells, low + i·r, shape (*batch, capacity + 1); those beyond the last live cell equal high."""
        if self.bounds is not None:
            return self.bounds
        i = _along(jnp.arange(self.capacity + 1, dtype=self.dtype), self.low)
        low, high, r, n = (a[..., None] for a in (self.low, self.high, self.r, self.n))
        return even_edges(i, low, high, r, n, jnp)

    @property
    def n(self) -> Float[Array, " *batch"]:
        """Number of live components, a whole number in floating point (so that a basis can be differentiated)."""
        if not self.even:
            return jnp.full_like(self.low, self.capacity)
        return jnp.round((self.high - self.low) / self.r)

    @property
    def t(self) -> Float[Array, " *batch"]:
        """sigma in units of r."""
        return self.sigma / self.r

    @property
    def live(self) -> Bool[Array, "*batch n"]:
        """Which of the stored components belong to the basis, shape (*batch, capacity)."""
        i = jnp.arange(self.capacity, dtype=self.dtype)
        return _along(i, self.low) < self.n[..., None]

    def mirrored(self) -> Basis:
        """The basis of −x, for components in the opposite order; of a basis without batch axes."""
        if self.means is None or self.bounds is None:
            return Basis(-self.high, -self.low, self.r, self.sigma, self.capacity, self.t_max)
        turned = self.r[::-1], self.sigma[::-1], self.capacity, self.t_max, -self.means[::-1], -self.bounds[::-1]
        return Basis(-self.high, -self.low, *turned)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return tuple(self.low.shape)

    @property
    def dtype(self) -> Any:
        return self.low.dtype

    def __eq__(self, other: object) -> bool:
        """Whether the other is a basis of the same numbers."""
        return isinstance(other, Basis) and checks.equal(self, other)

    def __repr__(self) -> str:
        if self.batch_shape or not checks.is_concrete(self):
            return f"Basis(batch_shape={self.batch_shape}, capacity={self.capacity}, dtype={self.dtype})"
        ends = f"n={int(self.n)}, low={self.low:.6g}, high={self.high:.6g}"
        if not self.even:
            return f"Basis({ends}, sigma={self.sigma.min():.4g} … {self.sigma.max():.4g})"
        return f"Basis({ends}, r={self.r:.4g}, t={self.t:.4g})"


N, T = 200, 2.0
"""Defaults of the number of components and of sigma/r."""


def init_basis(
    low: ArrayLike, high: ArrayLike, n: ArrayLike = N, t: ArrayLike = T, *, capacity: int | None = None
) -> Basis:
    """The basis of n components over [low, high] (section 2.1; the means are the cells' centres).

    Args:
        low, high: ends of the range, scalars or arrays of one batch shape, in the units of the data.
        n: number of components, a static integer; with `capacity` it may be an array (a batch over several n).
        t: sigma in units of the spacing r = (high − low)/n, usually 1 to 5; scalar or array.
        capacity: number of components to store, at least n.

    Returns:
        A `Basis` whose leaves have the common broadcast shape of low, high, n and t.

    Raises:
        ValueError: n < 1, t ≤ 0, low ≥ high or not finite, where these are concrete.
        TypeError: n not an integer, or the others not numbers.

    Example:
        >>> import fbgmm
        >>> basis = fbgmm.init_basis(0.0, 10.0, n=5, t=2.0)
        >>> basis.mu.tolist()
        [1.0, 3.0, 5.0, 7.0, 9.0]
        >>> float(basis.r), float(basis.sigma)
        (2.0, 4.0)
    """
    if capacity is None:
        n = capacity = checks.components(n)
    elif checks.is_concrete(n) and not ((np.asarray(n) >= 1) & (np.asarray(n) <= capacity)).all():
        raise ValueError(f"n must be between 1 and capacity = {capacity}; found {n!r}")
    t_max = t_bound(t, axes=np.ndim(t) if checks.is_concrete(t) else 0)
    if checks.is_concrete(low, high):
        checks.value_range(low, high)
    low_, high_ = checks.as_floats("low", low), checks.as_floats("high", high)
    dtype = jnp.promote_types(low_.dtype, high_.dtype)
    n_, t_ = jnp.asarray(n, dtype), jnp.asarray(t, dtype)
    shape = jnp.broadcast_shapes(low_.shape, high_.shape, n_.shape, t_.shape)
    low_, high_, n_, t_ = (jnp.broadcast_to(a.astype(dtype), shape) for a in (low_, high_, n_, t_))
    r = (high_ - low_) / n_
    return Basis(low_, high_, r, t_ * r, capacity, t_max)


def init_basis_from(x: ArrayLike, n: int = N, t: ArrayLike = T, *, weights: ArrayLike | None = None) -> Basis:
    """The basis whose range is the data's: low, high = min, max of x (of the part with weight above zero).

    Args:
        x: data, shape (N,).
        n, t: as in `init_basis`.
        weights: data weights, shape (N,): zero means absent.

    Raises:
        ValueError: no data, values not finite, or all equal, where x is concrete.

    Example:
        >>> import fbgmm
        >>> fbgmm.init_basis_from([3.0, 1.0, 2.0], n=4).mu.tolist()
        [1.25, 1.75, 2.25, 2.75]
    """
    x, weights = checks.points("x", x, weights)
    points = checks.as_floats("x", x)
    checks.one_dimension("x", points)
    w = checks.as_weights(weights, points.shape)
    low, high, bad = data_range(points, w)
    if checks.is_concrete(low, high, bad):
        if bad or not low < high:
            status = Status.NOT_FINITE if bad else Status.EMPTY if low > high else Status.NO_WIDTH
            raise ValueError(bad_data(status, points, w, None, None))
        warn_of_precision(np.asarray(low), np.asarray(high), w)
    return init_basis(low, high, n, t)


@jax.jit  # also when eager: a conditional outside a compiled program is compiled again at each call
def data_range(
    x: Float[Array, "*batch N"], weights: Array | None = None
) -> tuple[Float[Array, " *batch"], Float[Array, " *batch"], Bool[Array, " *batch"]]:
    """Minimum and maximum over the last axis of the usable points, and whether any point is faulty.

    As `checks.usable` and `checks.faulty` have it. With no usable points low = inf and high = −inf.
    """

    if weights is None:
        return _plain_range(x)
    return *_usable_range(x, weights), jnp.any(checks.faulty(x, weights), axis=-1)


def _usable_range(x: Array, weights: Array | None) -> tuple[Array, Array]:
    used = checks.usable(x, weights)
    low = jnp.min(jnp.where(used, x, jnp.inf), axis=-1, initial=jnp.inf)
    return low, jnp.max(jnp.where(used, x, -jnp.inf), axis=-1, initial=-jnp.inf)


@jax.custom_jvp
def _plain_range(x: Array) -> tuple[Array, Array, Array]:
    return _rows_range(x)


@_plain_range.defjvp
def _moved(primals: tuple[Array], tangents: tuple[Array]) -> Any:
    """An end moves as the points that lie there, on average."""
    (x,), (dx,) = primals, tangents
    *ends, bad = _plain_range(x)
    at = [x == end[..., None] for end in ends]
    moved = [jnp.sum(jnp.where(a, dx, 0), axis=-1) / jnp.maximum(jnp.sum(a, axis=-1), 1) for a in at]
    return (*ends, bad), (*moved, np.zeros(bad.shape, jax.dtypes.float0))


@custom_vmap
def _rows_range(x: Array) -> tuple[Array, Array, Array]:
    """Any leading axes. Plain minima run at the speed of memory, and NaN comes through them: only bad data pay for the
    masks."""
    low, high = jnp.min(x, axis=-1, initial=jnp.inf), jnp.max(x, axis=-1, initial=-jnp.inf)
    limit = checks.largest(x.dtype)
    bad = ~((low >= -limit) & (high <= limit)) & (x.shape[-1] > 0)
    return *jax.lax.cond(jnp.any(bad), lambda: _usable_range(x, None), lambda: (low, high)), bad


@_rows_range.def_vmap
def _(size: int, batched: list[bool], x: Array) -> tuple[tuple[Array, ...], tuple[bool, ...]]:
    # All rows under one condition: of a condition for each row, vmap would run both branches.
    return _rows_range(x), (True, True, True)


def t_bound(t: ArrayLike, axes: int = 1) -> int | None:
    """The power of two at or above every t, at least 4: bases with the usual t = 1 … 4 share one pytree structure.

    None where t is traced.

    Raises:
        ValueError, TypeError: t not finite and above 0.
    """
    if not checks.is_concrete(t):
        return None
    checks.width_factor(t, axes)
    return 1 << max(2, math.ceil(math.log2(float(np.max(np.asarray(t))))))


def even_edges(i: Any, low: Any, high: Any, r: Any, n: Any, xp: Any) -> Any:
    """The i-th edges of n even cells, in numpy or JAX: the last is `high` itself, and none lies beyond it."""
    return xp.where(i >= n, high, xp.minimum(low + i * r, high))


def _along(i: Array, like: Array) -> Array:
    """An index vector with leading axes of size one, to broadcast against (*batch, 1)."""
    return i.reshape((1,) * like.ndim + i.shape)


@partial(jax.jit, static_argnames="capacity")  # compiled also when eager: the same rounding as inside larger programs
def _means(low: Array, r: Array, capacity: int) -> Array:
    i = jnp.arange(capacity, dtype=low.dtype) + 0.5
    return low[..., None] + _along(i, low) * r[..., None]
