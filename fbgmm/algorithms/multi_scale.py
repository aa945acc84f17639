"""Penalised likelihood of Gaussians of several widths at once, put together on the one basis."""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import jax.numpy as jnp

from .. import checks
from .._typing import Array
from ..basis import Basis
from .base import Algorithm, Bound
from .convolution import Kernel, kernel
from .fine_counts import coarse, from_fine_counts, ratio, shares
from .maximum_likelihood import log_likelihood

STEPS = 128
PENALTY = 2.0  # standard errors


def multi_scale(steps: int = STEPS) -> Algorithm:
    """Penalised likelihood of Gaussians with the widths sigma, 2 sigma, 4 sigma …, put together on the one basis.

    The Gaussians of level j have width 2^j sigma and means 2^j cells apart, up to a quarter of the range. With w the
    bins' shares of N points, φ_a the Gaussians and g0 a pilot estimate, each is multiplied by a factor

        s_a = 1/(1 + 2 c_a), c_a = sqrt((Σ_b w_b φ_a²/g0² − (Σ_b w_b φ_a/g0)²)/N),

    where c_a is the standard error of its gradient. Then `steps` EM steps for the weights q = s∘p of the likelihood
    less Σ_a q_a/s_a, from the same mass on each level: narrow Gaussians are used only where the data pay for them. The
    pilot is the kernel estimate, of these widths, with the highest likelihood of each point left out in turn.

    A Gaussian of level j is a sum of Gaussians of level j − 1, exact to rounding for t ≥ 1, and so on down to sigma:
    `Levels` turns the weights of all levels into those of the basis by short convolutions. O(n) for each step.

    Args:
        steps: number of EM steps.

    Raises:
        ValueError: steps below 1.
        TypeError: steps not an integer.

    References:
        Bunea, Tsybakov, Wegkamp and Barbu 2010, SPADES and mixture models, Ann. Statist. 38, 2525–2558, for penalties
        of this form on the weights of a dictionary.

    Example:
        >>> import fbgmm
        >>> gmm = fbgmm.fit([1.0, 1.4, 1.5, 1.7, 2.0, 3.0], n=50, t=2.0, algorithm=fbgmm.multi_scale())
        >>> bool(gmm.pi.min() >= 0), round(float(gmm.pi.sum()), 5)
        (True, 1.0)
    """
    steps = checks.positive_integer("steps", steps)

    return from_fine_counts(Bound(_weights, (steps,)))


def _weights(steps: int, c: Array, basis: Basis) -> Array:
    w, points, levels = shares(c), kernel(basis), Levels(basis)
    shrink = _shrinkages(c, levels, points)
    start = [jnp.where(on, 1 / jnp.maximum(jnp.sum(on), 1), 0).astype(basis.dtype) for on in levels.used]

    def step(_: Array | int, p: list[Array]) -> list[Array]:
        pi = levels.to_basis([a * s for a, s in zip(p, shrink, strict=True)])
        g = levels.from_basis(points.adjoint(ratio(w, points.apply(pi))))
        p = [a * s * slope for a, s, slope in zip(p, shrink, g, strict=True)]
        mass = sum((jnp.sum(a) for a in p), start=jnp.zeros((), basis.dtype))
        return [a / jnp.where(mass > 0, mass, 1) for a in p]

    p = jax.lax.fori_loop(0, steps, step, start)
    return levels.to_basis([a * s for a, s in zip(p, shrink, strict=True)])


def shrinkage(mean: Array, square: Array, points: Array, penalty: float = PENALTY) -> Array:
    """1/(1 + penalty·c), with c the standard error of a mean over so many points, from it and the mean of squares.

    `fbgmm.auto.all_widths` uses it too.
    """
    error = jnp.sqrt(jnp.maximum(square - jnp.square(mean), 0) / jnp.maximum(points, 1))
    return 1 / (1 + penalty * error)


class Levels:
    """Gaussians of the widths 2^j sigma, j = 0, 1 …, and the linear map from their weights to those of the basis.

    Attributes:
        bases: of the levels; level 0 is the basis itself, level j has n/2^j means.
        used: which Gaussians of each level there are.
    """

    def __init__(self, basis: Basis) -> None:
        self.bases, self.used = [basis], [basis.live]
        while self.bases[-1].capacity > 4:
            last = self.bases[-1]
            capacity = -(-last.capacity // 2)
            n = jnp.ceil(last.n / 2)
            wide = Basis(last.low, last.low + 2 * n * last.r, 2 * last.r, 2 * last.sigma, capacity, basis.t_max)
            self.bases.append(wide)
            self.used.append(wide.live & (wide.sigma <= (basis.high - basis.low) / 4))
        # N(0, (2σ)²) = N(0, σ²) ∗ N(0, 3σ²); 3σ² is ¾ of the wide level's variance. Divided by its sum: mass is kept.
        self._kernels = [kernel(wide, 2, math.sqrt(0.75)) for wide in self.bases[1:]]
        self._sums = [k.adjoint(_even(b.live.astype(b.dtype))) for b, k in zip(self.bases, self._kernels, strict=False)]

    def to_basis(self, weights: list[Array]) -> Array:
        """Weights of the levels as weights of the basis, of the same sum."""
        down = jnp.zeros_like(weights[-1])
        for j in range(len(weights) - 1, 0, -1):
            total = jnp.where(self.bases[j].live, (down + weights[j]) / self._sum(j), 0)
            below = self.bases[j - 1]
            down = jnp.where(below.live, self._kernels[j - 1].apply(total)[: below.capacity], 0)
        return down + weights[0]

    def from_basis(self, v: Array) -> list[Array]:
        """The transpose of `to_basis`: for each Gaussian of each level, the mean of v over its weights."""
        found = [jnp.where(self.used[0], v, 0)]
        for j, (below, smear) in enumerate(zip(self.bases[:-1], self._kernels, strict=True), start=1):
            v = smear.adjoint(_even(jnp.where(below.live, v, 0))) / self._sum(j)
            found.append(jnp.where(self.used[j], v, 0))
        return found

    def _sum(self, j: int) -> Array:
        return jnp.maximum(self._sums[j - 1], jnp.finfo(self._sums[j - 1].dtype).tiny)


def _even(v: Array) -> Array:
    """With a zero at the end where the length is odd."""
    return jnp.pad(v, (0, v.shape[0] % 2))


def _shrinkages(c: Array, levels: Levels, points: Kernel) -> list[Array]:
    """The s_a of each level."""
    basis, w, n = levels.bases[0], shares(c), jnp.sum(c)
    peak = 1 / (basis.t * math.sqrt(2 * math.pi))  # of a Gaussian of level 0, in 1/cell
    pilot = 0.99 * peak * _pilot(c, levels, points) + 0.01 / basis.n
    first = levels.from_basis(points.adjoint(ratio(w, pilot)))
    # φ_a² is a Gaussian of width 2^j sigma/√2 with mass 1/(2√π 2^j sigma).
    narrow = Levels(replace(basis, sigma=basis.sigma * math.sqrt(0.5)))
    second = narrow.from_basis(kernel(basis, factor=math.sqrt(0.5)).adjoint(ratio(w, jnp.square(pilot))))
    return [
        jnp.where(on, shrinkage(peak * mean, peak**2 / 2**j * square, n), 0)
        for j, (on, mean, square) in enumerate(zip(levels.used, first, second, strict=True))
    ]


def _pilot(c: Array, levels: Levels, points: Kernel) -> Array:
    """Σ_i p_i exp(−½z²) at the bins for the kernel estimate of the best level, by the likelihood without each point."""
    basis, n = levels.bases[0], jnp.maximum(jnp.sum(c), 2)
    w, own = shares(c), shares(coarse(c, basis))
    rows, count = [], len(levels.bases)
    for j in range(count):
        if j:
            own = jnp.sum(_even(own).reshape(-1, 2), axis=1)
        rows.append(jnp.zeros((count, own.shape[0]), basis.dtype).at[j].set(own))  # row i: the estimate by level i
    estimates = jax.vmap(lambda weights: points.apply(levels.to_basis(weights)))(rows)
    uniform = basis.t * math.sqrt(2 * math.pi) / basis.n

    def score(j: Array, f: Array) -> Array:
        others = jnp.maximum((n * f - 0.5**j) / (n - 1), 0)  # a point's own Gaussian is 2^−j high at its mean
        return log_likelihood(w, 0.99 * others + 0.01 * uniform)

    scores = jax.vmap(score)(jnp.arange(count, dtype=basis.dtype), estimates)
    usable = jnp.stack([jnp.any(on) for on in levels.used])
    return estimates[jnp.argmax(jnp.where(usable, scores, -jnp.inf))]
