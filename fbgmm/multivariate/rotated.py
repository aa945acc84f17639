"""Densities in several dimensions with an exact map to the normal density: stacked mixtures, or rounds of rotations.

Where the data choose, a normal mixture is mapped by Rosenblatt's transformation (`normal_mixtures`, `stacked`). Where
rounds are given, rotations and marginal mixtures follow in turn until all is normal:

    x ──standardise──▶ rotate ──▶ each coordinate to normal ──▶ rotate ──▶ each coordinate to normal ──▶ … ──▶ z

Each step can be undone and its Jacobian is known, so that the density is exact: log p(x) = log φ(z) + Σ log |dz/dx|.
The scheme is Gaussianisation (Chen and Gopinath 2000; with rotations by principal components, Laparra, Camps-Valls and
Malo 2011). Without a rotation it is the product of the marginals, the paper's model of latent variables (section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import checks
from .._typing import Array, ArrayLike, Float, Key
from ..algorithms import algorithm2
from ..basis import N, T, data_range, t_bound
from ..evaluation.normal_scores import from_normal, map_inside, to_normal
from ..fitting.engine import Options, fit_points
from ..fitting.padding import padded_length
from ..fitting.prepare import Points
from ..mixture import Mixture
from . import normal_mixtures
from .normal_mixtures import NormalMixture, draw
from .stacked import fit_stacked, in_order, whitening

_EXACT = jax.lax.Precision.HIGHEST


@partial(
    jax.tree_util.register_dataclass, data_fields=["mean", "scale", "rotations", "marginals", "joint"], meta_fields=[]
)
@dataclass(frozen=True)
class Rotated:
    """A density on R^D with an exact map to the standard normal density. A pytree.

    Standardised, then either L times rotated and mapped to normal coordinate by coordinate, or, where `fit_rotated`
    chose by itself, whitened and mapped by a normal mixture (Rosenblatt's transformation).

    Attributes:
        mean, scale: of the columns of the data; shape (*batch, D).
        rotations: orthogonal matrices, applied as x @ R; shape (*batch, L, D, D). With `joint`: one matrix, which
            whitens.
        marginals: the mixtures of the rotated coordinates; batch shape (*batch, L, D). None with `joint`.
        joint: the normal mixture of the white coordinates; None where rounds were given.

    Example:
        >>> import fbgmm
        >>> import jax
        >>> u, v = jax.random.normal(jax.random.key(0), (2, 500))
        >>> x = jax.numpy.stack([u, u * u + v], axis=1)
        >>> density = fbgmm.fit_rotated(x, rounds=2, n=50)
        >>> density.log_prob(x).shape, density.sample(jax.random.key(1), (3,)).shape
        ((500,), (3, 2))
    """

    mean: Float[Array, "*batch D"]
    scale: Float[Array, "*batch D"]
    rotations: Float[Array, "*batch L D D"]
    marginals: Mixture | None
    joint: NormalMixture | None = None

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return tuple(self.mean.shape[:-1])

    @property
    def dimensions(self) -> int:
        return self.mean.shape[-1]

    def __getitem__(self, index: Any) -> Rotated:
        """Elements of the batch: the index applies to the batch axes."""
        if not self.batch_shape:
            raise TypeError("this density has no batch axes to index")
        return jax.tree.map(lambda leaf: leaf[index], self)

    def log_prob(self, x: ArrayLike) -> Float[Array, "..."]:
        """log p(x), in nats; finite however far out x is.

        Args:
            x: points, shape (…, D), where … broadcasts against the batch shape.

        Returns:
            log density, shape (…).

        Raises:
            ValueError: points of another dimension.
        """
        return _at(_log_density, self, self._points("x", x))[..., 0]

    def to_normal(self, x: ArrayLike) -> Float[Array, "... D"]:
        """z, standard normal where x has this density; shapes as in `log_prob`."""
        return _at(_to_normal, self, self._points("x", x))

    def from_normal(self, z: ArrayLike) -> Float[Array, "... D"]:
        """x with to_normal(x) = z, to rounding; shapes as in `log_prob`."""
        return _at(_from_normal, self, self._points("z", z))

    def sample(self, key: Key, shape: int | Sequence[int] = ()) -> Float[Array, "... D"]:
        """Draws, shape (*shape, *batch, D): from the mixture, or the last marginals and back through the rounds.

        Args:
            key: a JAX random key.
            shape: of the draws.
        """
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if self.marginals is not None:
            return _at(_from_last, self, self.marginals[..., -1, :].sample(key, shape))
        batch, D, count = self.batch_shape, self.dimensions, math.prod(shape)
        draws: Callable[..., Array] = partial(draw, N=count)
        for _ in batch:
            draws = jax.vmap(draws)
        y = draws(self.joint, jax.random.split(key, batch) if batch else key)
        return _at(_from_white, self, jnp.moveaxis(y, -2, 0).reshape(*shape, *batch, D))

    def _points(self, name: str, x: ArrayLike) -> Array:
        x = checks.as_floats(name, x)
        if x.ndim < 1 or x.shape[-1] != self.dimensions:
            raise ValueError(
                f"{name} has shape {x.shape}; allowed: (…, {self.dimensions}), as the data it was fitted to"
            )
        return x.astype(jnp.promote_types(x.dtype, self.mean.dtype))

    def __repr__(self) -> str:
        batch = f", batch_shape={self.batch_shape}" if self.batch_shape else ""
        if self.marginals is None:
            inside = "joint"
        else:
            inside = f"L={self.rotations.shape[-3]}, n={self.marginals.basis.capacity}"
        return f"Rotated(D={self.dimensions}, {inside}{batch})"


@partial(jax.jit, static_argnums=0)
def _at(f: Callable[[Rotated, Array], Array], model: Rotated, x: Array) -> Array:
    """f(model, points) for one density, points of shape (P, D), mapped over the batch."""
    batch, D = model.batch_shape, model.dimensions
    shape = jnp.broadcast_shapes(x.shape[:-1], batch)
    lead = shape[: len(shape) - len(batch)]
    points = jnp.broadcast_to(x, (*shape, D)).reshape(math.prod(lead), *batch, D)
    for _ in batch:
        f = jax.vmap(f)
    out = f(model, jnp.moveaxis(points, 0, len(batch)))
    return jnp.moveaxis(out, len(batch), 0).reshape(*shape, out.shape[-1])


def _forward(model: Rotated, x: Array) -> tuple[Array, Array]:
    """z and log |dz/dx|, shapes (P, D) and (P,), for one density."""
    if model.joint is not None:
        z, log_slope = normal_mixtures.to_normal(model.joint, _white(model, x))
        return z, log_slope + _log_whitening(model)

    def layer(state: tuple[Array, Array], one: tuple[Array, Mixture]) -> tuple[tuple[Array, Array], None]:
        y, log_slope = state
        rotation, marginals = one
        turn = jax.vmap(to_normal, in_axes=(0, 0, 1), out_axes=1)
        y, slopes = turn(marginals.basis, marginals.pi, _times(y, rotation))
        return (y, log_slope + jnp.sum(slopes, axis=1)), None

    y = (x - model.mean[None, :]) / model.scale[None, :]
    start = jnp.zeros_like(y[:, 0]) - jnp.sum(jnp.log(model.scale))
    layers: Any = (model.rotations, model.marginals)
    return jax.lax.scan(layer, (y, start), layers)[0]


def _white(model: Rotated, x: Array) -> Array:
    return _times((x - model.mean[None, :]) / model.scale[None, :], model.rotations[0])


def _log_whitening(model: Rotated) -> Array:
    return jnp.linalg.slogdet(model.rotations[0])[1] - jnp.sum(jnp.log(model.scale))


def _from_white(model: Rotated, y: Array) -> Array:
    return _times(y, jnp.linalg.inv(model.rotations[0])) * model.scale[None, :] + model.mean[None, :]


def _log_density(model: Rotated, x: Array) -> Array:
    if model.joint is not None:
        return (normal_mixtures.log_density(model.joint, _white(model, x)) + _log_whitening(model))[:, None]
    z, log_slope = _forward(model, x)
    log_phi = -0.5 * jnp.sum(z * z, axis=1) - 0.5 * model.dimensions * math.log(2 * math.pi)
    return (log_phi + log_slope)[:, None]


def _to_normal(model: Rotated, x: Array) -> Array:
    return _forward(model, x)[0]


def _from_normal(model: Rotated, z: Array) -> Array:
    if model.joint is not None:
        return _from_white(model, normal_mixtures.from_normal(model.joint, z))
    return _from_last(model, _undo(jax.tree.map(lambda leaf: leaf[-1], model.marginals), z))


def _from_last(model: Rotated, y: Array) -> Array:
    """Points from their coordinates under the last marginals."""
    last = model.rotations.shape[0] - 1

    def layer(y: Array, one: tuple[Array, Mixture]) -> tuple[Array, None]:
        rotation, marginals = one
        return _times(_undo(marginals, y), rotation.T), None

    y = _times(y, model.rotations[last].T)
    inner = jax.tree.map(lambda leaf: leaf[:last], (model.rotations, model.marginals))
    y, _ = jax.lax.scan(layer, y, inner, reverse=True) if last else (y, None)
    return y * model.scale[None, :] + model.mean[None, :]


def _undo(marginals: Mixture, z: Array) -> Array:
    """Coordinates, shape (P, D), that the mixtures map to z."""
    return jax.vmap(from_normal, in_axes=(0, 0, 1), out_axes=1)(marginals.basis, marginals.pi, z)


def _times(x: Array, rotation: Array) -> Array:
    return jnp.matmul(x, rotation, precision=_EXACT)


def fit_rotated(
    x: ArrayLike,
    rounds: int | None = None,
    n: int | None = None,
    t: ArrayLike | None = None,
    *,
    weights: ArrayLike | None = None,
) -> Rotated:
    """Fits a density to data in several dimensions, or to many data sets in one compiled call.

    With none of rounds, n and t given, the data choose: normal mixtures of 1 to 32 components are stacked by
    cross-validation (`fbgmm.multivariate.stacked`), which gives a density for the next point, tails included. The order
    of the rows changes nothing. Of more than 32,768 rows so many are drawn, evenly over their order.

    With one of them given, each round turns the data onto their principal axes and maps every coordinate to normal by
    a fixed-basis mixture of its own (Algorithm 2), all coordinates of all data sets in one batch. One round is a
    product of marginals along the principal axes; more bring in dependence that is not linear. Beyond the data such a
    density falls off far too fast for new points.

    Args:
        x: data, shape (N, D), or (B, N, D) for B data sets.
        rounds: of rotation and marginal maps. 0: no rotation, the product of the marginals of the columns. 4 if
            only n or t is given.
        n: number of components of each mixture; 200 if only rounds or t is given.
        t: sigma in units of their spacing; 2 if only rounds or n is given. With several rounds a basis spans twice the
            range of the data, since what one round throws far out the next would throw farther, and sigma is as much
            larger; what that adds to the variance is taken out.
        weights: data weights, shape (N,) or (B, N): zero means absent, which is how data sets of several sizes are
            padded, two means twice.

    Returns:
        A `Rotated` of batch shape () or (B,). Inside jit bad data are not named: they end in the `status` of the
        marginals, or in NaN where the data choose.

    Raises:
        ValueError: another shape; values not finite; weights negative; no more points than dimensions, constant
            columns, or columns that depend on one another linearly (with rounds = 0: fewer than two points, or
            constant columns); rounds < 0, n < 1, t ≤ 0.
        TypeError: x not real numbers; rounds or n not an integer.

    Example:
        >>> import fbgmm
        >>> import jax
        >>> u, v = jax.random.normal(jax.random.key(0), (2, 2000))
        >>> x = jax.numpy.stack([u, u + 0.1 * v], axis=1)
        >>> apart, turned = fbgmm.fit_rotated(x, rounds=0), fbgmm.fit_rotated(x, rounds=1)
        >>> bool(turned.log_prob(x).mean() > apart.log_prob(x).mean() + 1.5)
        True
    """
    points = checks.as_floats("x", x)
    if points.ndim not in (2, 3) or 0 in points.shape:
        raise ValueError(f"x has shape {points.shape}; allowed: (N, D) or (B, N, D), none of them 0")
    w = checks.as_weights(weights, points.shape[:-1])
    w = jnp.ones(points.shape[:-1], points.dtype) if w is None else jnp.asarray(w, points.dtype)
    chosen = rounds is None and n is None and t is None
    rounds, n, t = 4 if rounds is None else rounds, N if n is None else n, T if t is None else t
    rounds = checks.positive_integer("rounds", rounds) if rounds != 0 else 0
    n, t_max = checks.positive_integer("n", n), t_bound(t, axes=0)
    if checks.is_concrete(points, w):
        _check(np.asarray(points), np.asarray(w), turned=rounds > 0)
    if chosen:
        if checks.is_concrete(points, w):
            room = padded_length(points.shape[-2]) - points.shape[-2]
            sets = [(0, 0)] * (points.ndim - 2)
            points, w = jnp.pad(points, [*sets, (0, room), (0, 0)]), jnp.pad(w, [*sets, (0, room)])
        return _choose(points, w)
    batch = (points, w) if points.ndim == 3 else (points[None], w[None])
    model = _fit(*batch, jnp.asarray(t, points.dtype), rounds, n, t_max)
    return model if points.ndim == 3 else model[0]


def _check(x: np.ndarray, w: np.ndarray, turned: bool) -> None:
    """Raises ValueError for data without a density; data sets without any points are left to their status."""
    sets = x.reshape(-1, *x.shape[-2:]), w.reshape(-1, w.shape[-1])
    for i, (points, weights) in enumerate(zip(*sets, strict=True)):
        name = "x" if x.ndim == 2 else f"x[{i}]"
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError(
                f"weights of {name} must be finite and at least 0; found {weights.min()} … {weights.max()}"
            )
        present = points[weights > 0]
        if not checks.finite(present).all():
            raise ValueError(f"{name} must be finite, with finite squares; found {np.abs(present).max()}")
        N, D = present.shape
        if not N and x.ndim == 3:
            continue
        least = D + 1 if turned else 2
        if least > N:
            raise ValueError(f"{name} holds {N} points in {D} dimensions; at least {least} are needed")
        constant = np.flatnonzero(present.min(axis=0) == present.max(axis=0))
        if constant.size:
            raise ValueError(f"{name} is constant in column {constant[0]}, {present[0, constant[0]]}; drop it")
        if turned and D > 1:
            scaled = (present - present.mean(axis=0)) / present.std(axis=0)
            strength = np.linalg.eigvalsh(np.asarray(scaled.T @ scaled, np.float64))
            rank = int((strength > strength[-1] * D * np.finfo(x.dtype).eps).sum())
            if rank < D:
                more = "" if x.dtype == np.float64 else ", or set jax_enable_x64 if they only nearly do"
                raise ValueError(
                    f"the {D} columns of {name} depend on one another linearly: found rank {rank}; drop some{more}"
                )


@jax.jit
def _choose(x: Array, w: Array) -> Rotated:
    """The fit of one data set, x of shape (N, D), or of B in turn."""
    if x.ndim == 3:
        return jax.lax.map(lambda one: _choose(*one), (x, w))
    x, w = in_order(x, w)
    mean, scale, matrix = whitening(x, w)
    white = _times(jnp.where((w > 0)[:, None], x - mean[None], 0) / scale[None], matrix)
    return Rotated(mean, scale, matrix[None], None, fit_stacked(white, w))


def _drawn_in(x: Array, weights: Array, sigma: Array) -> Array:
    """Rows drawn towards their means, so that mixtures of that sigma have the variance of the rows, not sigma² more.

    The smoothed bootstrap's correction (Silverman 1986, section 6.4.1): what is standard normal is then mapped to
    itself, whatever sigma, and the rounds do not add up what they smear.
    """
    share = weights / jnp.maximum(jnp.sum(weights, axis=1, keepdims=True), jnp.finfo(x.dtype).tiny)
    mean = jnp.sum(share * x, axis=1, keepdims=True)
    away = jnp.where(weights > 0, x - mean, 0)
    variance = jnp.sum(share * away * away, axis=1, keepdims=True)
    kept = 1 - jnp.square(sigma)[:, None] / jnp.where(variance > 0, variance, 1)
    return mean + away * jnp.sqrt(jnp.maximum(kept, 0.25))


_STRENGTH = 100.0
"""What each point counts for. Algorithm 2 starts from weights 1/n, which are worth about ten points, uniform over the
range: little in one dimension, but a point is only as likely as all its coordinates together, in every round."""

_BEYOND = 0.5  # of the data's range, on either side of a basis, where a round follows


@partial(jax.jit, static_argnames=("rounds", "n", "t_max"))
def _fit(x: Array, w: Array, t: Array, rounds: int, n: int, t_max: int | None) -> Rotated:
    """The fit of B data sets, x of shape (B, N, D), w (B, N)."""
    B, N, D = x.shape
    share = w / jnp.maximum(jnp.sum(w, axis=1, keepdims=True), jnp.finfo(x.dtype).tiny)
    mean = jnp.einsum("bn,bnd->bd", share, x, precision=_EXACT)
    centred = jnp.where((w > 0)[:, :, None], x - mean[:, None, :], 0)
    scale = jnp.sqrt(jnp.einsum("bn,bnd->bd", share, jnp.square(centred), precision=_EXACT))
    scale = jnp.where(scale > 0, scale, 1)
    weights = jnp.broadcast_to(w[:, None, :], (B, D, N)).reshape(B * D, N)
    options = Options(n, t_max, algorithm2())
    beyond = _BEYOND if rounds > 1 else 0.0
    strength = _STRENGTH if rounds else 1.0

    def layer(y: Array, _: None) -> tuple[Array, tuple[Array, Mixture]]:
        if rounds:
            moments = jnp.einsum("bni,bnj->bij", share[:, :, None] * y, y, precision=_EXACT)
            rotation = jnp.linalg.eigh(moments)[1]
        else:
            rotation = jnp.broadcast_to(jnp.eye(D, dtype=y.dtype), (B, D, D))
        columns = jnp.swapaxes(_times(y, rotation), 1, 2).reshape(B * D, N)
        low, high, _ = data_range(columns, weights)
        pad = beyond * (high - low)
        low, high = low - pad, high + pad
        points = _drawn_in(columns, weights, t * (high - low) / n) if rounds > 1 else columns
        gmms = fit_points(Points(points, strength * weights, low, high), jnp.asarray(n, y.dtype), t, options)
        z = map_inside(gmms.basis.low, gmms.basis.r, t, gmms.pi, columns)
        z = jnp.where(weights > 0, z, 0).reshape(B, D, N)
        return jnp.swapaxes(z, 1, 2), (rotation, jax.tree.map(lambda leaf: leaf.reshape(B, D, *leaf.shape[1:]), gmms))

    _, layers = jax.lax.scan(layer, centred / scale[:, None, :], None, length=max(rounds, 1))
    rotations, marginals = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1), layers)
    return Rotated(mean, scale, rotations, marginals)
