"""Predicted densities: a Gaussian mixture for each example, with its density, cdf, quantiles, samples and scores.

All components of a `fbgmm.Mixture` have one width. A prediction also needs wide components, for the tails, and often a
location and a scale of its own for each example. So this is the general form: a few dozen components, evaluated in log
space. `Density.mixture` converts it to a `fbgmm.Mixture` where that is possible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp, ndtr, ndtri

from ..._typing import Array, ArrayLike, Float, Key
from ...basis import Basis
from ...evaluation.quantiles import differentiable, search, with_ends
from ...mixture import Mixture

_HALVINGS, _NEWTON = 20, 6
_CLIMBS = 30
_FAR = 1e4  # standard deviations: as good as infinite


@partial(jax.tree_util.register_dataclass, data_fields=["log_pi", "mu", "sigma", "location", "scale"], meta_fields=[])
@dataclass(frozen=True)
class Density:
    """The density Σ_k pi_k N(z; mu_k, sigma_k²)/scale of y, with z = (y − location)/scale. A pytree.

    All leaves have the same batch axes. Where a leaf is the same for all examples (a fixed basis), its batch axes have
    length one.

    Attributes:
        log_pi: logarithms of the weights, which add up to 1; shape (*batch, K).
        mu, sigma: means and standard deviations, shape (*batch or 1s, K).
        location, scale: shape (*batch or 1s,).

    Example:
        >>> import jax.numpy as jnp
        >>> from fbgmm.nn.conditional import Density
        >>> two = Density.of(jnp.log(jnp.array([[0.25, 0.75]])), jnp.array([[0.0, 2.0]]), jnp.array([[0.5, 0.5]]))
        >>> round(float(two.mean()[0]), 6), round(float(two.variance()[0]), 6)
        (1.5, 1.0)
    """

    log_pi: Float[Array, "*batch K"]
    mu: Float[Array, "*mus K"]
    sigma: Float[Array, "*sigmas K"]
    location: Float[Array, "*locations"]
    scale: Float[Array, "*scales"]

    @classmethod
    def of(cls, log_pi: Array, mu: Array, sigma: Array) -> Density:
        """With location 0 and scale 1."""
        one = jnp.ones((1,) * (log_pi.ndim - 1), log_pi.dtype)
        return cls(log_pi, mu, sigma, 0 * one, one)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        leaves = self.log_pi.shape[:-1], self.mu.shape[:-1], self.location.shape, self.scale.shape
        return tuple(jnp.broadcast_shapes(*leaves))

    def moved(self, shift: ArrayLike, factor: ArrayLike) -> Density:
        """The density of shift + factor·y, factor above 0; numbers, or one for each example."""
        a, b = (_ranked(each, self.location.ndim) for each in (shift, factor))
        return Density(self.log_pi, self.mu, self.sigma, a + b * self.location, b * self.scale)

    def log_prob(self, y: ArrayLike) -> Float[Array, "..."]:
        """log p(y) in nats, finite also far out; y broadcasts against the batch shape, leading axes may be added."""
        d, z = self._at(y)
        terms = d.log_pi - 0.5 * jnp.square((z - d.mu) / d.sigma) - jnp.log(d.sigma)
        return logsumexp(terms, axis=-1) - jnp.log(d.scale) - 0.5 * math.log(2 * math.pi)

    def prob(self, y: ArrayLike) -> Float[Array, "..."]:
        """p(y); shapes as in `log_prob`."""
        return jnp.exp(self.log_prob(y))

    def cdf(self, y: ArrayLike) -> Float[Array, "..."]:
        """P(Y ≤ y); shapes as in `log_prob`."""
        d, z = self._at(y)
        return jnp.sum(jnp.exp(d.log_pi) * ndtr((z - d.mu) / d.sigma), axis=-1)

    def exceeds(self, y: ArrayLike) -> Float[Array, "..."]:
        """P(Y > y), without the cancellation of 1 − cdf; shapes as in `log_prob`."""
        d, z = self._at(y)
        return jnp.sum(jnp.exp(d.log_pi) * ndtr((d.mu - z) / d.sigma), axis=-1)

    def log_interval(self, low: ArrayLike, high: ArrayLike) -> Float[Array, "..."]:
        """log P(low < Y ≤ high), accurate also far out; ends may be −inf and inf, low < high.

        The likelihood of a censored target: [y, inf] where all that is known is that it is above y.
        """
        lows, highs = jnp.broadcast_arrays(jnp.asarray(low), jnp.asarray(high))
        d, a = self._at(jnp.where(jnp.isfinite(lows), lows, 0))  # an infinite end would make the derivatives NaN
        b = self._at(jnp.where(jnp.isfinite(highs), highs, 0))[1]
        a = jnp.where(_ranked(lows == -jnp.inf, a.ndim - 1)[..., None], -_FAR, (a - d.mu) / d.sigma)
        b = jnp.where(_ranked(highs == jnp.inf, b.ndim - 1)[..., None], _FAR, (b - d.mu) / d.sigma)
        flip = a + b > 0  # the side on which the two probabilities are small
        a, b = jnp.where(flip, -b, a), jnp.where(flip, -a, b)
        return logsumexp(d.log_pi + _log_difference(a, b), axis=-1)

    def mean(self) -> Float[Array, " *batch"]:
        """E[Y]."""
        return self.location + self.scale * jnp.sum(jnp.exp(self.log_pi) * self.mu, axis=-1)

    def variance(self) -> Float[Array, " *batch"]:
        """Var[Y]."""
        pi = jnp.exp(self.log_pi)
        off = self.mu - jnp.sum(pi * self.mu, axis=-1, keepdims=True)
        return jnp.square(self.scale) * jnp.sum(pi * (jnp.square(self.sigma) + jnp.square(off)), axis=-1)

    def mode(self) -> Float[Array, " *batch"]:
        """The highest point, found by mean shift from the best component mean: no step goes down."""
        d = self._full()
        at_means = jax.vmap(lambda k: _log_terms(d, k), in_axes=-1, out_axes=-1)(d.mu)
        best = jnp.argmax(at_means, axis=-1)[..., None]
        z = jnp.take_along_axis(d.mu, best, axis=-1)[..., 0]

        def climb(_: Array, z: Array) -> Array:
            terms = d.log_pi - 0.5 * jnp.square((z[..., None] - d.mu) / d.sigma) - 3 * jnp.log(d.sigma)
            return jnp.sum(jax.nn.softmax(terms, axis=-1) * d.mu, axis=-1)

        return d.location + d.scale * jax.lax.fori_loop(0, _CLIMBS, climb, z)

    def icdf(self, q: ArrayLike) -> Float[Array, "..."]:
        """The quantile y with cdf(y) = q, 0 < q < 1, else ∓inf or NaN; differentiable. Shapes as in `log_prob`."""
        d, level = self._at(jnp.asarray(q, self.log_pi.dtype), argument=False)
        y = _quantile(*jax.lax.stop_gradient((d, level)))
        slope = jnp.maximum(self.prob(y), jnp.finfo(y.dtype).tiny)
        return with_ends(differentiable(y, self.cdf(y) - level, slope), level)

    def interval(self, coverage: float = 0.9) -> tuple[Array, Array]:
        """The central interval of that probability: two quantiles, each of the batch shape.

        Raises:
            ValueError: coverage not between 0 and 1.
        """
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1; found {coverage!r}")
        return self.icdf((1 - coverage) / 2), self.icdf((1 + coverage) / 2)

    def sample(self, key: Key, shape: int | Sequence[int] = ()) -> Float[Array, "..."]:
        """Draws, shape (*shape, *batch)."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        d = self._full()
        key_component, key_normal = jax.random.split(key)
        k = jax.random.categorical(key_component, d.log_pi, shape=(*shape, *self.batch_shape))
        mu, sigma = (
            jnp.take_along_axis(jnp.broadcast_to(leaf, (*shape, *leaf.shape)), k[..., None], axis=-1)[..., 0]
            for leaf in (d.mu, d.sigma)
        )
        z = mu + sigma * jax.random.normal(key_normal, k.shape, mu.dtype)
        return _ranked(d.location, z.ndim) + _ranked(d.scale, z.ndim) * z

    def crps(self, y: ArrayLike) -> Float[Array, "..."]:
        """The continuous ranked probability score ∫ (F(u) − 1[u ≥ y])² du, in units of y: less is better.

        It is E|Y − y| − ½ E|Y − Y'|, in closed form (Grimit et al. 2006, Eq. 5; Gneiting and Raftery 2007). On a fixed
        basis the second term is a quadratic form whose matrix is the same for all examples and computed once.
        """
        d, z = self._at(y)
        pi = jnp.exp(d.log_pi)
        near = jnp.sum(pi * mean_distance(z - d.mu, jnp.square(d.sigma)), axis=-1)
        return d.scale * (near - 0.5 * _ranked(self._spread(), near.ndim))

    def pooled(self, axis: int = 0) -> Density:
        """The average of the densities along a batch axis: an ensemble as one density.

        Where all members have the same means and widths, their weights are averaged. Else, and always under jit, the
        components of all members are put side by side.
        """
        axis = range(len(self.batch_shape))[axis]
        if self._same_along(axis):
            log_pi = logsumexp(self.log_pi, axis=axis) - math.log(self.log_pi.shape[axis])
            shared = (jnp.take(leaf, 0, axis) for leaf in (self.mu, self.sigma, self.location, self.scale))
            return Density(log_pi, *shared)
        d = self.as_absolute()
        log_pi = d.log_pi - math.log(d.log_pi.shape[axis])
        together = (jnp.moveaxis(leaf, axis, -2) for leaf in (log_pi, d.mu, d.sigma))
        return Density.of(*(leaf.reshape(*leaf.shape[:-2], -1) for leaf in together))

    def as_absolute(self) -> Density:
        """The same density with location 0 and scale 1: `mu` and `sigma` in units of y, all of the batch shape."""
        d = self._full()
        return Density.of(d.log_pi, d.location[..., None] + d.scale[..., None] * d.mu, d.scale[..., None] * d.sigma)

    def mixture(self, basis: Basis) -> Mixture:
        """The batch of mixtures on a basis with sigma of at most 1/√2 of every component's.

        A wide normal density is an average of narrow ones (`fbgmm.mix`). Exact to rounding where the basis has t ≥ 2
        and extends beyond the components.

        Raises:
            ValueError: a larger sigma, where it is concrete; a batch of bases.
        """
        if basis.batch_shape:
            raise ValueError(f"basis must be one basis; found batch shape {basis.batch_shape}")
        d = self.as_absolute()
        sigma, mu = d.sigma, d.mu
        concrete = not isinstance(sigma, jax.core.Tracer)
        if concrete and float(basis.sigma) * math.sqrt(2) > float(np.min(sigma)) * (1 + 1e-5):
            found = f"{float(basis.sigma):.4g}, and components of {float(np.min(sigma)):.4g}"
            raise ValueError(f"basis must have a sigma of at most 1/√2 of every component's; found {found}")
        smear = jnp.sqrt(jnp.square(sigma) - jnp.square(basis.sigma))[..., None, :]
        at = _ranked(basis.mu, mu.ndim)[..., None]
        terms = d.log_pi[..., None, :] - 0.5 * jnp.square((at - mu[..., None, :]) / smear) - jnp.log(smear)
        pi = jax.nn.softmax(logsumexp(terms, axis=-1), axis=-1)
        shape = d.batch_shape
        bases = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, shape), basis)
        return Mixture(bases, pi)

    def _full(self) -> Density:
        """All leaves of the batch shape."""
        shape = self.batch_shape
        log_pi, mu, sigma = (jnp.broadcast_to(a, (*shape, a.shape[-1])) for a in (self.log_pi, self.mu, self.sigma))
        return Density(log_pi, mu, sigma, *(jnp.broadcast_to(a, shape) for a in (self.location, self.scale)))

    def _at(self, y: ArrayLike, argument: bool = True) -> tuple[Density, Array]:
        """The density with leading axes for those of y; and z with the components' axis, or y itself."""
        at = jnp.asarray(y)
        at = at.astype(jnp.promote_types(at.dtype, self.log_pi.dtype))
        ndim = max(at.ndim, self.location.ndim)
        d = Density(
            *(_ranked(leaf, ndim + 1) for leaf in (self.log_pi, self.mu, self.sigma)),
            *(_ranked(leaf, ndim) for leaf in (self.location, self.scale)),
        )
        at = _ranked(at, ndim)
        return d, ((at - d.location) / d.scale)[..., None] if argument else at

    def _spread(self) -> Array:
        """E|Z − Z'| of two independent draws, in units of the scale."""
        kernel = distance_kernel(self.mu, self.sigma)
        pi = jnp.exp(self.log_pi)
        if pi.ndim > 1 and kernel.shape[-3] == 1:  # the same for all examples: one product of matrices
            return jnp.sum(pi * jnp.matmul(pi, kernel[..., 0, :, :], precision="highest"), axis=-1)
        return jnp.sum(pi * jnp.sum(kernel * pi[..., None, :], axis=-1), axis=-1)

    def _same_along(self, axis: int) -> bool:
        leaves = self.mu, self.sigma, self.location, self.scale
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return False
        return all(bool(np.all(np.asarray(leaf) == np.take(leaf, [0], axis))) for leaf in leaves)


def mean_distance(m: Array, variance: Array) -> Array:
    """E|X| for a normal X with mean m, a term of the CRPS."""
    deviation = jnp.sqrt(variance)
    z = m / deviation
    return 2 * deviation * jnp.exp(-0.5 * jnp.square(z)) / math.sqrt(2 * math.pi) + m * (2 * ndtr(z) - 1)


def distance_kernel(mu: Array, sigma: Array) -> Float[Array, "*batch K K"]:
    """E|X_i − X_j| of independent draws from components i and j, shape (*batch, K, K)."""
    variance = jnp.square(sigma)
    return mean_distance(mu[..., :, None] - mu[..., None, :], variance[..., :, None] + variance[..., None, :])


def _ranked(a: ArrayLike, ndim: int) -> Array:
    """The array with leading axes of length one, so that it has that many."""
    array = jnp.asarray(a)
    return array.reshape((1,) * (ndim - array.ndim) + array.shape)


def _log_difference(a: Array, b: Array) -> Array:
    """log(Φ(b) − Φ(a)) for a < b, not both large and positive; its derivatives stay finite."""
    least = 1e-6 if a.dtype == jnp.float32 else 1e-12
    upper, lower = log_ndtr(b), log_ndtr(a)
    gap = jnp.maximum(upper - lower, least)  # −inf at the left: a gap of inf
    finite = jnp.where(jnp.isfinite(gap), gap, 1.0)
    return upper + jnp.where(jnp.isfinite(gap), jnp.log(-jnp.expm1(-finite)), 0.0)


def _log_terms(d: Density, z: Array) -> Array:
    return logsumexp(d.log_pi - 0.5 * jnp.square((z[..., None] - d.mu) / d.sigma) - jnp.log(d.sigma), axis=-1)


@jax.jit
def _quantile(d: Density, q: Array) -> Array:
    # The mixture's quantile is between its components'.
    reach = ndtri(jnp.clip(q, 1e-30, 1 - jnp.finfo(q.dtype).eps))[..., None]
    ends = d.mu + d.sigma * reach
    shape = jnp.broadcast_shapes(ends.shape[:-1], d.batch_shape, q.shape)
    a, b = (jnp.broadcast_to(end, shape) for end in (jnp.min(ends, axis=-1), jnp.max(ends, axis=-1)))

    def f(z: Array) -> tuple[Array, Array]:
        below = jnp.sum(jnp.exp(d.log_pi) * ndtr((z[..., None] - d.mu) / d.sigma), axis=-1)
        return below - q, jnp.exp(_log_terms(d, z)) / math.sqrt(2 * math.pi)

    return d.location + d.scale * search(f, a, b, halvings=_HALVINGS, newton=_NEWTON)
