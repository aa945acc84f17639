"""Mixture: a density on the fixed basis, and everything one asks of it.

All methods are closed form (or, for `icdf` and `entropy`, converged to rounding), pure, and run under jit, vmap and
grad. They follow the conventions of the JAX distribution libraries: a mixture may have a batch shape, the argument is
broadcast against it, and `sample(key, shape)` returns shape + batch_shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import checks
from ._typing import Array, ArrayLike, Float, Int, Key
from .auto.report import Choice, report
from .basis import Basis, init_basis
from .error_messages import warn_of_underflow
from .evaluation.local_sums import cdf_sum, density, kernel_sum, peak_sigma
from .evaluation.polynomials import Evaluator, Kind
from .evaluation.quantiles import solve_icdf
from .evaluation.sampling import bits_and_normal, choose_components
from .evaluation.tables import tables_of
from .updates import normalize


@partial(jax.tree_util.register_dataclass, data_fields=["basis", "pi", "status", "outside", "choice"], meta_fields=[])
@dataclass(frozen=True, eq=False)
class Mixture:
    """The density g(x) = Σ_i pi_i N(x; mu_i, sigma²) on a fixed basis (section 2.1). A pytree.

    `gmms[i]` picks elements of a batch. `jax.grad` of a function of `Mixture(basis, pi)` differentiates all leaves; a
    fitted mixture also holds integers about its data, so differentiate with respect to `gmm.pi`, or to a mixture made
    of `gmm.basis` and `gmm.pi`.

    Attributes:
        basis: the fixed Gaussians; batch shape (*batch,).
        pi: weights, shape (*batch, n); at least 0 and of sum 1 if the fit's algorithm is one of the library's.
        status: what was wrong with the data, a `Status` for each element, shape (*batch,); None if not fitted.
        outside: how many points lay outside [low, high], shape (*batch,); None if not fitted.
        choice: how n, t and the smoothing were chosen; None where they were given. `report` says it in words.

    Example:
        >>> import fbgmm
        >>> gmm = fbgmm.Mixture(fbgmm.init_basis(0.0, 2.0, n=2, t=0.5), fbgmm.normalize([0.5, 1.5]))
        >>> round(float(gmm.mean()), 6), round(float(gmm.variance()), 6)
        (1.25, 0.4375)
    """

    basis: Basis
    pi: Float[Array, "*batch n"]
    status: Int[Array, " *batch"] | None = None
    outside: Int[Array, " *batch"] | None = None
    choice: Choice | None = None

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return tuple(self.pi.shape[:-1])

    @cached_property
    def _evaluator(self) -> Evaluator | None:
        """Made at the first evaluation and kept: a mixture does not change."""
        if self.batch_shape or not checks.is_concrete(self.basis, self.pi) or jax.default_backend() != "cpu":
            return None
        with jax.ensure_compile_time_eval():  # also where the points are traced
            tables = tables_of(self.basis, np.asarray(self.pi))
        if tables is None:
            return None
        sums = {kind: partial(_of_batch, f, self.basis, self.pi) for kind, f in _SUMS.items()}
        return Evaluator(tables, sums)

    def __eq__(self, other: object) -> bool:
        """Whether the other is a mixture of the same numbers, those about its fit included."""
        return isinstance(other, Mixture) and checks.equal(self, other)

    def __getstate__(self) -> dict[str, Any]:
        """What is copied or pickled: all but the tables, which hold compiled functions and are made again."""
        return {name: value for name, value in self.__dict__.items() if name != "_evaluator"}

    def __getitem__(self, index: Any) -> Mixture:
        """Elements of the batch: the index applies to the batch axes."""
        if not self.batch_shape:
            raise TypeError("this mixture has no batch axes to index; its weights are gmm.pi")
        index = index if isinstance(index, tuple) else (index,)
        rest = self.basis, self.status, self.outside, self.choice
        basis, status, outside, choice = jax.tree.map(lambda leaf: leaf[index], rest)
        return Mixture(basis, self.pi[(*index, slice(None))], status, outside, choice)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        """log g(x), finite and right also where g underflows.

        Args:
            x: points, of a shape that broadcasts against the batch shape.

        Returns:
            log density, in nats; the broadcast shape.
        """
        return _evaluated("log_density", self, x)

    def prob(self, x: Any) -> Float[Array, "..."]:
        """g(x), the density in 1/(unit of the data); shapes as in `log_prob`."""
        return _evaluated("density", self, x)

    def cdf(self, x: Any) -> Float[Array, "..."]:
        """P(X ≤ x); shapes as in `log_prob`."""
        return _evaluated("cdf", self, x)

    def icdf(self, q: Any) -> Float[Array, "..."]:
        """The quantile x with cdf(x) = q, by the inverse of piecewise polynomials. Differentiable.

        Args:
            q: probabilities, of a shape that broadcasts against the batch shape. 0 and 1 give −inf and inf, others
                outside [0, 1] NaN.
        """
        q = _points(self, q, "q")
        evaluator = None if isinstance(q, jax.core.Tracer) else self._evaluator
        return _of_batch(solve_icdf, self.basis, self.pi, q) if evaluator is None else evaluator.inverse(q)

    def sample(self, key: Key, shape: int | Sequence[int] = ()) -> Float[Array, "..."]:
        """Draws from the mixture: a component by pi, then a normal draw about its mean.

        Args:
            key: a JAX random key.
            shape: of the draws.

        Returns:
            Draws, shape (*shape, *batch).
        """
        checks.random_key(key)
        shape = checks.draw_shape(shape, self.pi.dtype)
        bits, z = bits_and_normal(key, (*shape, *self.batch_shape), self.pi.dtype)
        return _of_batch(_draw, self.basis, self.pi, bits, z)

    def mean(self) -> Float[Array, " *batch"]:
        """E[X], shape (*batch,)."""
        return jnp.sum(self.pi * self.basis.mu, axis=-1)

    def variance(self) -> Float[Array, " *batch"]:
        """Var[X] = sigma² + the variance of the component means, shape (*batch,).

        In float64 on the host where that can be, then rounded: squares of small numbers are below the least of float32.
        """
        if not checks.is_concrete(self.basis, self.pi):
            off_mean = self.basis.mu - self.mean()[..., None]
            return jnp.sum(self.pi * (jnp.square(self.basis.widths) + jnp.square(off_mean)), axis=-1)
        pi, mu, widths = (np.asarray(a, np.float64) for a in (self.pi, self.basis.mu, self.basis.widths))
        off_mean = mu - np.sum(pi * mu, axis=-1, keepdims=True)
        variance = np.asarray(np.sum(pi * (widths**2 + off_mean**2), axis=-1))
        rounded = variance.astype(self.pi.dtype)
        warn_of_underflow(variance, rounded)
        return jnp.asarray(rounded)

    def entropy(self) -> Float[Array, " *batch"]:
        """−∫ g log g, in nats, shape (*batch,): the trapezoidal rule under each component.

        The integrand is smooth and decays like a normal density, so that the rule converges faster than any power of
        its step (Trefethen and Weideman 2014); 64 points for each component in float32, 256 in float64.
        """
        if self._evaluator is None:
            return _of_batch(_entropy, self.basis, self.pi)
        return _by_trapezoids(self.basis, self.pi, self.log_prob)

    def report(self) -> str:
        """How `fit` chose by itself: candidates and their shares, score, effective parameters, warnings.

        Raises:
            ValueError: n, t or the algorithm was given, so that nothing was chosen.
            TypeError: a batch; index it first.
        """
        if self.choice is None:
            raise ValueError("nothing was chosen here: n, t or algorithm was given; found choice = None")
        if self.batch_shape:
            raise TypeError(f"report is for one mixture; found batch shape {self.batch_shape}: take gmms[i].report()")
        return report(self.choice, self.basis)

    def to_scipy(self) -> Any:
        """The mixture as a frozen distribution of scipy.stats, in float64: pdf, cdf, ppf, rvs, moment, expect …

        Its `dist` is the distribution itself, to be shifted or scaled: `gmm.to_scipy().dist(loc=1.0, scale=2.0)`.

        Raises:
            ValueError: a batch, or weights below zero.
            ModuleNotFoundError: scipy is not installed (extra `interchange`), as for the other `to_…`.
        """
        from .interop.conversions import to_scipy

        return to_scipy(self)

    def to_numpyro(self) -> Any:
        """The mixture as numpyro's MixtureSameFamily of the same batch shape: a prior, or a part of a model.

        Raises:
            ValueError: weights below zero.
        """
        from .interop.conversions import to_numpyro

        return to_numpyro(self)

    def to_distrax(self) -> Any:
        """The mixture as distrax's MixtureSameFamily of the same batch shape.

        Raises:
            ValueError: weights below zero.
        """
        from .interop.conversions import to_distrax

        return to_distrax(self)

    def to_sklearn(self) -> Any:
        """The mixture as a fitted `sklearn.mixture.GaussianMixture` of one feature.

        Components of weight zero are left out, so that column i of its predict_proba is component i where all weights
        are above zero, as those of Algorithm 2 are.

        Raises:
            ValueError: a batch, or weights below zero.
        """
        from .interop.conversions import to_sklearn

        return to_sklearn(self)

    def __repr__(self) -> str:
        batch = f", batch_shape={self.batch_shape}" if self.batch_shape else ""
        return f"Mixture({self.basis!r}{batch})"


@partial(jax.jit, static_argnums=0)
def _of_batch(f: Callable[..., Array], basis: Basis, pi: Array, *points: Array) -> Array:
    """f(basis, pi, *points) for one mixture, mapped over the batch with the points broadcast against it."""
    batch = pi.shape[:-1]
    shape = jnp.broadcast_shapes(*(x.shape for x in points), batch)
    lead = len(shape) - len(batch)
    for _ in batch:
        f = jax.vmap(f)
    batch_first = [jnp.moveaxis(jnp.broadcast_to(x, shape), range(lead), range(len(batch), len(shape))) for x in points]
    return jnp.moveaxis(f(basis, pi, *batch_first), range(len(batch), len(shape)), range(lead))


def _points(gmm: Mixture, x: Any, name: str = "x") -> Array:
    points = checks.as_floats(name, x, gmm.pi.dtype)
    if gmm.batch_shape:
        checks.broadcasts(name, points.shape, gmm.batch_shape)
    return points


def _evaluated(kind: Kind, gmm: Mixture, x: Any) -> Array:
    """By tables where there are some; by sums for a batch, under transformations of the mixture, on accelerators."""
    x, evaluator = _points(gmm, x), gmm._evaluator
    if evaluator is None:
        return _of_batch(_SUMS[kind], gmm.basis, gmm.pi, x)
    with np.errstate(over="ignore"):  # a log density below the least number is −inf
        return evaluator(kind, x)


def _log_density(basis: Basis, pi: Array, x: Array) -> Array:
    scale, mantissa = kernel_sum(basis, pi, x)
    return scale + jnp.log(mantissa) - jnp.log(peak_sigma(basis, pi)) - 0.5 * math.log(2 * math.pi)


_SUMS: dict[Kind, Callable[[Basis, Array, Array], Array]] = {
    "log_density": _log_density,
    "density": density,
    "cdf": cdf_sum,
}


def _draw(basis: Basis, pi: Array, bits: Array, z: Array) -> Array:
    i = choose_components(pi, bits)
    if basis.means is not None:
        return basis.means[i] + basis.sigma[i] * z
    return basis.low + (i.astype(z.dtype) + 0.5) * basis.r + basis.sigma * z


def _entropy(basis: Basis, pi: Array) -> Array:
    return _by_trapezoids(basis, pi, partial(_log_density, basis, pi))


def _by_trapezoids(basis: Basis, pi: Array, log_prob: Callable[[Array], Array]) -> Array:
    z = jnp.linspace(-9.0, 9.0, 256 if pi.dtype == jnp.float64 else 64, dtype=pi.dtype)
    phi = jnp.exp(-0.5 * z * z)
    log_g = log_prob(basis.mu[:, None] + basis.widths[:, None] * z[None, :])
    return -jnp.sum(pi * jnp.matmul(log_g, phi / jnp.sum(phi), precision="highest"))


def mix(mixtures: Sequence[Mixture], shares: ArrayLike | None = None) -> Mixture:
    """The mixture Σ_k share_k g_k of several densities, again on one fixed basis.

    With one common basis the weights are averaged. Bases of uneven cells are laid side by side, component by component.
    So are bases whose ranges or widths differ by orders of magnitude. With other even bases the result stands on a new
    one whose sigma is 1/√2 of the smallest: each component is a normal smear of narrower ones, N(mu, sigma²) =
    N(mu, sigma² − s²) ∗ N(0, s²), and the smear, sampled at means s/2 apart, is exact to rounding (the trapezoidal rule
    again).

    Args:
        mixtures: mixtures without batch axes.
        shares: their shares, shape (K,), at least 0; normalised. Equal if None.

    Raises:
        ValueError: no mixtures, batch axes, shares of another number, negative or all zero.

    Example:
        >>> import fbgmm
        >>> a, b = fbgmm.fit([0.0, 1.0, 2.0], n=200), fbgmm.fit([5.0, 6.0, 7.0], n=200)
        >>> round(float(fbgmm.mix([a, b], [0.75, 0.25]).mean()), 3)
        2.25
    """
    mixtures = list(mixtures)
    if not mixtures or any(m.batch_shape for m in mixtures):
        found = [m.batch_shape for m in mixtures]
        raise ValueError(f"mixtures must be at least one mixture without batch axes; found batch shapes {found}")
    weights = checks.as_floats("shares", [1.0] * len(mixtures) if shares is None else shares)
    if weights.shape != (len(mixtures),) or not (np.asarray(weights) >= 0).all() or not float(weights.sum()) > 0:
        raise ValueError(f"shares must be {len(mixtures)} numbers, at least 0 and not all 0; found {shares!r}")
    weights = weights / weights.sum()
    bases = [mixture.basis for mixture in mixtures]
    basis = bases[0] if all(b == bases[0] for b in bases) else _common_basis(bases)
    if basis is None:
        return _all_components(mixtures, weights)
    pis = [m.pi if m.basis == basis else _spread(m, basis) for m in mixtures]
    return Mixture(basis, jnp.matmul(weights.astype(pis[0].dtype), jnp.stack(pis), precision="highest"))


def _all_components(mixtures: list[Mixture], shares: Array) -> Mixture:
    """The components of all mixtures side by side, each with its own width; the cells meet between their means."""
    mu = jnp.concatenate([m.basis.mu for m in mixtures])
    order = jnp.argsort(mu)
    mu = mu[order]
    sigma = jnp.concatenate([jnp.broadcast_to(m.basis.widths, m.pi.shape) for m in mixtures])[order]
    pi = jnp.concatenate([share.astype(m.pi.dtype) * m.pi for share, m in zip(shares, mixtures, strict=True)])[order]
    ends = mu[:1] - sigma[:1] / 2, mu[-1:] + sigma[-1:] / 2
    bounds = jnp.concatenate([ends[0], (mu[1:] + mu[:-1]) / 2, ends[1]])
    # Neighbours may differ in width by any factor, so that no bound says how many matter at a point: None.
    return Mixture(Basis(bounds[0], bounds[-1], jnp.diff(bounds), sigma, mu.shape[0], None, mu, bounds), pi)


def _common_basis(bases: list[Basis]) -> Basis | None:
    """An even basis that holds them all; None where there is none, or it would be far longer than all together."""
    if not all(b.even for b in bases):
        return None
    sigma = min(float(b.sigma) for b in bases) / math.sqrt(2)
    low = min(float(b.low) - 8 * float(b.sigma) for b in bases)
    high = max(float(b.high) + 8 * float(b.sigma) for b in bases)
    n = math.ceil((high - low) / (sigma / 2))
    if n > _LONGER * sum(b.capacity for b in bases):
        return None
    return init_basis(low, low + n * sigma / 2, n=n, t=2.0)


_LONGER = 16
"""Times the components of all mixtures: bases of one range whose sigma differ by some factor stay even."""


def _spread(gmm: Mixture, basis: Basis) -> Array:
    """Weights on a narrower basis of the same density: the density of the same weights with the smear's sigma."""
    smear = jnp.sqrt(jnp.square(gmm.basis.sigma) - jnp.square(basis.sigma))
    return normalize(Mixture(replace(gmm.basis, sigma=smear), gmm.pi).prob(basis.mu))
