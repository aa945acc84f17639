"""Density head: the last layer of a network whose output is a whole density, GMM(f(x)) ≈ p(y | x) (introduction)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ... import checks
from ..._typing import Array, ArrayLike, Float
from ...basis import Basis, init_basis
from ...updates import init_pi, normalize, update_pi
from .component_count import components_for
from .density import Density

FLOOR = 1e-4
"""Share of the mass that is always spread evenly over all components, as in Algorithm 2."""

_TAILS = 3.0, 12.0
"""Widths of the two wide components, in standard deviations of the targets, or of the residuals."""

_RESIDUAL_RANGE = 4.0
_ROUNDING = 1 / math.sqrt(12)  # standard deviation of the error of rounding to 1
_LEAST = 1e-3  # of the targets' deviation: no component is narrower in residual coordinates
_EVEN = 0.1  # share of the first weights that is spread evenly
_FIRST_WIDE = 0.005  # first weight of each wide component


class Fixed(nnx.Variable):
    """A non-trainable variable, set before training."""


class DensityHead(nnx.Module):
    """From features to the weights of Gaussians on a fixed basis: a `Density` for each example.

    Besides the basis there are two wide components, and every weight is at least FLOOR/K, so that no target has
    density zero. Two forms:

    - on the basis itself (`DensityHead(...)`, `DensityHead.from_targets`): only weights depend on the features;
    - in residual coordinates (`DensityHead.residual`): the basis is moved by a learned mean and stretched by a learned
      scale. It begins as N(m(x), s(x)²), and the weights learn the shape. For targets that x nearly determines, where a
      basis over their whole range would need thousands of components.

    Args:
        features: k, outputs of the layer before.
        basis: of the targets or residuals; one basis, no batch.
        wide: standard deviations of the wide components, shape (2,); None: 3 and 12 times that of a uniform density
            over the basis.
        scales: widths of the components in units of the basis's sigma; those of width s also have s times its spacing.
        locations: learned locations, each with a scale; 0: the basis is not moved.
        least: the least standard deviation of a component, in units of the targets; where scales are learned, its
            square is added to the variances.
        start: weights of the narrow components for features of zero, before training; None: even ones.
        learn_sigma: whether one learned number multiplies the sigmas of all narrow components.
        rngs: for the first weights.

    Raises:
        ValueError: features < 1, a batch of bases, scales that are empty or below 1.

    Example:
        >>> import fbgmm, jax
        >>> from flax import nnx
        >>> from fbgmm.nn.conditional import DensityHead
        >>> head = DensityHead(16, fbgmm.init_basis(0.0, 10.0, n=50), rngs=nnx.Rngs(0))
        >>> density = head(jax.numpy.ones((3, 16)))
        >>> density.log_prob(jax.numpy.array([2.0, 5.0, 100.0])).shape
        (3,)
        >>> net = nnx.Sequential(nnx.Linear(4, 16, rngs=nnx.Rngs(1)), jax.nn.relu, head)
        >>> net(jax.numpy.ones((3, 4))).mean().shape
        (3,)
    """

    def __init__(
        self,
        features: int,
        basis: Basis,
        wide: ArrayLike | None = None,
        scales: Sequence[int] = (1,),
        locations: int = 0,
        least: ArrayLike = 0.0,
        start: ArrayLike | None = None,
        learn_sigma: bool = False,
        *,
        rngs: nnx.Rngs,
    ):
        features = checks.positive_integer("features", features)
        if basis.batch_shape:
            raise ValueError(f"basis must be one basis; found batch shape {basis.batch_shape}")
        if not len(scales) or min(scales) < 1:
            raise ValueError(f"scales must be numbers of at least 1; found {scales!r}")
        half = (basis.high - basis.low) / 2
        tail = jnp.stack([f * half / math.sqrt(3) for f in _TAILS]) if wide is None else jnp.asarray(wide, basis.dtype)
        centre = jnp.stack([basis.low + half] * 2)
        bases = [_coarser(basis, s) for s in scales]
        sigma = [jnp.broadcast_to(coarse.sigma, coarse.mu.shape) for coarse in bases]
        self.mu = Fixed(jnp.concatenate([*(coarse.mu for coarse in bases), centre]).astype(basis.dtype))
        self.sigma = Fixed(jnp.concatenate([*sigma, tail]).astype(basis.dtype))
        self.least = Fixed(jnp.asarray(least, basis.dtype))
        K = self.mu[...].shape[0]
        small = nnx.initializers.variance_scaling(0.1, "fan_in", "normal")
        self.logits = nnx.Linear(features, K * max(locations, 1), kernel_init=small, rngs=rngs)
        narrow = jnp.full(K - 2, 1 / (K - 2)) if start is None else jnp.asarray(start)
        first = jnp.log(jnp.concatenate([narrow, jnp.full(2, _FIRST_WIDE)]))
        self.logits.bias = nnx.Param(jnp.tile(first, max(locations, 1)).astype(jnp.float32))
        self.log_factor = nnx.Param(jnp.zeros((), jnp.float32)) if learn_sigma else None
        self.place = nnx.Linear(features, 2 * locations, kernel_init=small, rngs=rngs) if locations else None

    @classmethod
    def from_targets(
        cls,
        features: int,
        y: ArrayLike,
        n: int | None = 64,
        t: float = 1.0,
        *,
        weights: ArrayLike | None = None,
        scales: Sequence[int] = (1,),
        learn_sigma: bool = False,
        rngs: nnx.Rngs,
    ) -> DensityHead:
        """On a basis over the range of the training targets, with a margin of 5 % on either side.

        The network begins near Algorithm 2's weights for all targets. Sigma is t spacings, but no less than the
        standard deviation of the targets' rounding error (`rounding`).

        Args:
            features, scales, learn_sigma, rngs: as for the head itself.
            y: targets, shape (N,); may be traced.
            n: number of components; None: chosen from the targets by `components_for`.
            t: sigma in units of their spacing.
            weights: of the targets, shape (N,): zero means absent.

        Raises:
            ValueError: targets that are not finite or none at all, where they are concrete; n = None where they are
                not.
        """
        values, w = _targets(y, weights)
        if n is None:
            if not checks.is_concrete(values, w):
                raise ValueError(
                    "n must be a number where the targets are traced; found None; "
                    "fbgmm.nn.conditional.components_for chooses it beforehand"
                )
            n = components_for(values, w)
        low, high, deviation = _spread(values, w)
        margin = 0.05 * (high - low)
        low, high = low - margin, high + margin
        r = (high - low) / n
        least = rounding(values, w) * _ROUNDING
        basis = init_basis(low, high, n, t)
        wider = jnp.maximum(basis.sigma, least).astype(basis.dtype)
        basis = Basis(basis.low, basis.high, r, wider, basis.capacity)
        wide = jnp.stack([f * deviation for f in _TAILS])
        start = jnp.concatenate([_marginal(_coarser(basis, s), values, w) for s in scales]) / len(scales)
        return cls(features, basis, wide, scales, least=least, start=start, learn_sigma=learn_sigma, rngs=rngs)

    @classmethod
    def residual(
        cls,
        features: int,
        y: ArrayLike,
        n: int = 24,
        *,
        locations: int = 1,
        weights: ArrayLike | None = None,
        scales: Sequence[int] = (1,),
        learn_sigma: bool = False,
        rngs: nnx.Rngs,
    ) -> DensityHead:
        """In residual coordinates: n components over ±4 learned scales about each learned location, with t = 1.

        A single location and scale begin as mean and deviation of the targets, several are spread around them.
        Arguments and errors as for `from_targets`, but n is a number.
        """
        values, w = _targets(y, weights)
        deviation = _spread(values, w)[2]
        least = jnp.maximum(rounding(values, w) * _ROUNDING, _LEAST * deviation)
        basis = init_basis(-_RESIDUAL_RANGE, _RESIDUAL_RANGE, n, 1.0)
        start = jnp.concatenate([_normal(_coarser(basis, s)) for s in scales]) / len(scales)
        wide = jnp.asarray(_TAILS)
        head = cls(features, basis, wide, scales, locations, least, start=start, learn_sigma=learn_sigma, rngs=rngs)
        assert head.place is not None
        apart = jnp.linspace(-1.0, 1.0, locations) if locations > 1 else jnp.zeros(1)
        places = jnp.average(values, weights=w) + deviation * apart
        width = jnp.maximum(deviation, 1e-6)
        widths = jnp.broadcast_to(jnp.log(-jnp.expm1(-width)) + width, (locations,))  # whose softplus is the width
        head.place.bias = nnx.Param(jnp.concatenate([places, widths]).astype(jnp.float32))
        return head

    def __call__(self, h: Float[Array, "*batch k"]) -> Density:
        """The densities of the targets, for features of shape (*batch, k)."""
        pi = jax.nn.softmax(self.logits(h), axis=-1)
        K = pi.shape[-1]
        log_pi = jnp.log((1 - FLOOR) * pi + FLOOR / K)
        ones = (1,) * (pi.ndim - 1)
        mu, sigma = (a[...].astype(pi.dtype).reshape(*ones, -1) for a in (self.mu, self.sigma))
        least = self.least[...].astype(pi.dtype)
        if self.log_factor is not None:
            # The variance of the rounding error stays, and the rest is learned. Where nothing else is left, a quarter
            # of it is added, so that there is a gradient.
            fixed = jnp.square(least) if self.place is None else 0.0
            rest = jnp.maximum(jnp.square(sigma) - fixed, 0.25 * fixed)
            learned = jnp.sqrt(fixed + jnp.exp(2 * self.log_factor[...]) * rest)
            sigma = jnp.where(jnp.arange(sigma.shape[-1]) < sigma.shape[-1] - 2, learned, sigma)
        if self.place is None:
            return Density.of(log_pi, mu, jnp.maximum(sigma, least))
        location, scale = jnp.split(self.place(h), 2, axis=-1)
        scale = jax.nn.softplus(scale)
        each = scale[..., None] * mu[..., None, :], scale[..., None] * sigma[..., None, :]  # (*batch, locations, K)
        centres = location[..., None] + each[0]
        widths = jnp.sqrt(jnp.square(each[1]) + jnp.square(least))
        return Density.of(log_pi, *(a.reshape(*a.shape[:-2], -1) for a in (centres, widths)))


def rounding(y: ArrayLike, weights: ArrayLike | None = None) -> Float[Array, ""]:
    """The least distance between different targets, which rounded targets are multiples of. 0 if all are equal.

    Args:
        y: targets, shape (N,); may be traced.
        weights: zero means absent.
    """
    values = checks.as_floats("y", y)
    present = jnp.ones(values.shape, bool) if weights is None else jnp.asarray(weights) > 0
    first = jnp.min(jnp.where(present, values, jnp.inf))
    gaps = jnp.diff(jnp.sort(jnp.where(present, values, first)))
    # Differences of the size of floating-point errors do not count.
    least = 8 * jnp.finfo(values.dtype).eps * jnp.max(jnp.where(present, jnp.abs(values), 0))
    gap = jnp.min(jnp.where(gaps > least, gaps, jnp.inf), initial=jnp.inf)
    return jnp.where(jnp.isfinite(gap), gap, 0)


def _targets(y: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array]:
    values = checks.as_floats("y", y)
    w = jnp.ones_like(values) if weights is None else jnp.asarray(weights, values.dtype)
    if values.ndim != 1 or w.shape != values.shape:
        raise ValueError(f"y must have one dimension, as its weights; found shapes {values.shape} and {w.shape}")
    if checks.is_concrete(values, w):
        present = np.asarray(w) > 0
        if not present.any():
            raise ValueError(f"y holds no targets with a weight above zero; found {values.size}")
        bad = int((~checks.usable(values)[present]).sum())
        if bad:
            raise ValueError(f"y must be finite; found {bad} targets that are not")
    return jnp.where(w > 0, values, 0), w


def _spread(y: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Low, high and standard deviation; for constant targets ±1 or ± their own size, whichever is more."""
    present = weights > 0
    low, high = jnp.min(jnp.where(present, y, jnp.inf)), jnp.max(jnp.where(present, y, -jnp.inf))
    mean = jnp.average(y, weights=weights)
    deviation = jnp.sqrt(jnp.average(jnp.square(y - mean), weights=weights))
    flat = high - low <= 8 * jnp.finfo(y.dtype).eps * jnp.maximum(jnp.abs(low), jnp.abs(high))
    size = jnp.maximum(jnp.abs(mean), 1)
    low, high = jnp.where(flat, low - size, low), jnp.where(flat, high + size, high)
    return low, high, jnp.where(flat, size, deviation)


def _coarser(basis: Basis, scale: int) -> Basis:
    """The basis whose components are so many times as wide, and as far apart."""
    n, r = math.ceil(basis.capacity / scale), scale * basis.r
    return Basis(basis.low, basis.low + n * r, r, scale * basis.sigma, n)


def _normal(basis: Basis) -> Array:
    """Weights with which the components make N(0, 1)."""
    variance = jnp.maximum(1 - jnp.square(basis.sigma), 0.05)
    return jax.nn.softmax(-0.5 * jnp.square(basis.mu) / variance)


def _marginal(basis: Basis, y: Array, weights: Array) -> Array:
    """Algorithm 2's weights for all targets, a tenth of them spread evenly."""
    pi = normalize(update_pi(init_pi(basis), basis, y, weights))
    return (1 - _EVEN) * pi + _EVEN / basis.capacity
