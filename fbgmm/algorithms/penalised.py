"""Penalised likelihood of the weights: a roughness penalty, and Gaussians of several widths with one penalty each.

Both end as weights of the one basis.
"""

from __future__ import annotations

import math
from functools import lru_cache

import jax
import jax.numpy as jnp

from .._typing import Array, Float
from ..bandwidth import isj
from ..basis import Basis
from .base import Algorithm
from .fine_counts import REFINE, Kernel, coarse, from_fine_counts, kernel, ratio, shares, whole
from .interior_point import ITERATIONS, maximise
from .maximum_likelihood import em_start, log_likelihood

SMOOTH = 1.0
"""Width of the roughness penalty's equivalent kernel in units of the ISJ bandwidth."""

STEPS = 128


@lru_cache  # one object for each set of options, so that compiled programs are found again
def roughness(strength: float | None = None, *, refine: int = REFINE, iterations: int = ITERATIONS) -> Algorithm:
    """Maximum likelihood with a penalty on second differences of the weights.

    Maximises Σ_b w_b log (A p)_b − Σ_i p_i − (strength/2) Σ_i (p_{i−1} − 2 p_i + p_{i+1})² over p ≥ 0, to rounding, by
    the interior point of `interior_point`, and divides p by its sum: O(n³) for each iteration. Straight lines cost
    nothing, also at the ends of the range.

    Args:
        strength: of the penalty, for a log likelihood a point. None: from the data. Where the density is about m a
            cell, the estimate is that of a kernel with the Fourier transform 1/(1 + (hω)⁴), h = (strength·m)^¼ cells:
            strength is set so that h is the bandwidth of `isj`, with m the mean of the density over the data.
        refine: bins in each cell of the basis; a bin should be at most sigma/4.
        iterations: of the interior point.

    Raises:
        ValueError: strength below 0 or not finite; refine or iterations not a whole number above 0.

    References:
        Silverman 1982, On the estimation of a probability density function by the maximum penalized likelihood method,
        Ann. Statist. 10, 795–810. Eilers and Marx 1996, Flexible smoothing with B-splines and penalties, Statist. Sci.
        11, 89–121.

    Example:
        >>> import fbgmm
        >>> x = [1.0, 1.4, 1.5, 1.7, 2.0, 3.0]
        >>> line = fbgmm.fit(x, n=20, t=2.0, algorithm=fbgmm.roughness(1e6)).pi
        >>> bool(abs(line[2:] - 2 * line[1:-1] + line[:-2]).max() < 1e-3)
        True
    """
    if strength is not None and not 0 <= strength < math.inf:
        raise ValueError(f"strength must be at least 0 and finite, or None; found {strength!r}")
    whole("refine", refine)
    whole("iterations", iterations)

    def weights(c: Array, basis: Basis) -> Array:
        w = shares(c)
        size = _strength(c, basis) if strength is None else jnp.asarray(strength, basis.dtype)
        return maximise(basis, w, quadratic=size * _second_differences(basis), iterations=iterations)

    return from_fine_counts(weights, refine)


def _strength(c: Array, basis: Basis) -> Array:
    refine = c.shape[0] // basis.capacity
    w, points = shares(c), kernel(basis, refine)
    cell_mass = jnp.sum(w * points.apply(em_start(c, basis))) / (basis.t * math.sqrt(2 * math.pi))
    return (SMOOTH * isj(c, 1 / refine)) ** 4 / cell_mass


def _second_differences(basis: Basis) -> Float[Array, "n n"]:
    """DᵀD with D the second differences of the live components."""
    i = jnp.arange(basis.capacity)
    row, column = i[:, None], i[None, :]
    inside = (row > 0) & (row.astype(basis.dtype) < basis.n - 1)
    d = jnp.where(row == column, -2.0, jnp.where(abs(row - column) == 1, 1.0, 0.0)) * inside
    d = d.astype(basis.dtype)
    return jnp.matmul(d.T, d, precision="highest")


@lru_cache  # one object for each set of options, so that compiled programs are found again
def multi_scale(steps: int = STEPS, *, refine: int = REFINE) -> Algorithm:
    """Penalised likelihood of Gaussians with the widths sigma, 2 sigma, 4 sigma …, put together on the one basis.

    The Gaussians of level j have width 2^j sigma and means 2^j cells apart, up to a quarter of the range. With w the
    bins' shares of N points, φ_a the Gaussians and g0 a pilot estimate, each has a scale

        s_a = 1/(1 + 2 c_a), c_a = sqrt((Σ_b w_b φ_a²/g0² − (Σ_b w_b φ_a/g0)²)/N),

    where c_a is the standard error of its gradient. Then `steps` EM steps for the weights q = s∘p of the likelihood
    less Σ_a q_a/s_a, from the same mass on each level: narrow Gaussians are used only where the data pay for them. The
    pilot is the kernel estimate, of these widths, with the highest likelihood of each point left out in turn.

    A Gaussian of level j is one of level j − 1 smeared over its means, and so on down to sigma: a pyramid of short
    convolutions, exact to rounding for t ≥ 1, and the weights of the basis are where it ends. O(n) for each step.

    Args:
        steps: number of EM steps.
        refine: bins in each cell of the basis; a bin should be at most sigma/4.

    Raises:
        ValueError: steps or refine not a whole number above 0.

    References:
        Bunea, Tsybakov, Wegkamp and Barbu 2010, SPADES and mixture models, Ann. Statist. 38, 2525–2558, for penalties
        of this form on the weights of a dictionary.

    Example:
        >>> import fbgmm
        >>> gmm = fbgmm.fit([1.0, 1.4, 1.5, 1.7, 2.0, 3.0], n=50, t=2.0, algorithm=fbgmm.multi_scale())
        >>> bool(gmm.pi.min() >= 0), round(float(gmm.pi.sum()), 5)
        (True, 1.0)
    """
    whole("steps", steps)
    whole("refine", refine)

    def weights(c: Array, basis: Basis) -> Array:
        w, points = shares(c), kernel(basis, refine)
        pyramid = Pyramid(basis)
        scale = _scales(c, basis, pyramid, points)
        start = [jnp.where(on, 1 / jnp.maximum(jnp.sum(on), 1), 0).astype(basis.dtype) for on in pyramid.used]

        def step(_: Array | int, p: list[Array]) -> list[Array]:
            pi = pyramid.collapse([a * s for a, s in zip(p, scale, strict=True)])
            g = pyramid.spread(points.adjoint(ratio(w, points.apply(pi))))
            p = [a * s * slope for a, s, slope in zip(p, scale, g, strict=True)]
            mass = sum((jnp.sum(a) for a in p), start=jnp.zeros((), basis.dtype))
            return [a / jnp.where(mass > 0, mass, 1) for a in p]

        p = jax.lax.fori_loop(0, steps, step, start)
        return pyramid.collapse([a * s for a, s in zip(p, scale, strict=True)])

    return from_fine_counts(weights, refine)


class Pyramid:
    """Weights of Gaussians of widths 2^j sigma, j = 0, 1 …, as weights of the basis; level j has n/2^j means.

    Attributes:
        bases: of the levels; level 0 is the basis itself.
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
        self.smears: list[Kernel] = [kernel(wide, 2, math.sqrt(0.75)) for wide in self.bases[1:]]
        self.sums = [smear.adjoint(self._even(below.live.astype(basis.dtype))) for below, smear in self._steps()]

    def _steps(self) -> list[tuple[Basis, Kernel]]:
        return list(zip(self.bases[:-1], self.smears, strict=True))

    def _even(self, v: Array) -> Array:
        return jnp.pad(v, (0, v.shape[0] % 2))

    def collapse(self, levels: list[Array]) -> Array:
        """Weights of the levels as weights of the basis, of the same sum."""
        down = jnp.zeros_like(levels[-1])
        for j in range(len(levels) - 1, 0, -1):
            total = jnp.where(self.bases[j].live, (down + levels[j]) / self._sum(j), 0)
            below = self.bases[j - 1]
            down = jnp.where(below.live, self.smears[j - 1].apply(total)[: below.capacity], 0)
        return down + levels[0]

    def spread(self, v: Array) -> list[Array]:
        """The transpose of `collapse`: for each Gaussian of each level, the mean of v over its weights."""
        levels = [jnp.where(self.used[0], v, 0)]
        for j, (below, smear) in enumerate(self._steps(), start=1):
            v = smear.adjoint(self._even(jnp.where(below.live, v, 0))) / self._sum(j)
            levels.append(jnp.where(self.used[j], v, 0))
        return levels

    def _sum(self, j: int) -> Array:
        return jnp.maximum(self.sums[j - 1], jnp.finfo(self.sums[j - 1].dtype).tiny)


def _scales(c: Array, basis: Basis, pyramid: Pyramid, points: Kernel) -> list[Array]:
    """The s_a of each level."""
    refine = c.shape[0] // basis.capacity
    w, n = shares(c), jnp.maximum(jnp.sum(c), 1)
    peak = 1 / (basis.t * math.sqrt(2 * math.pi))  # of a Gaussian of level 0, in 1/cell
    pilot = 0.99 * peak * _pilot(c, basis, pyramid, points) + 0.01 / basis.n
    narrow = kernel(basis, refine, math.sqrt(0.5))
    first = pyramid.spread(points.adjoint(ratio(w, pilot)))
    # φ_a² is a Gaussian of width 2^j sigma/√2 with mass 1/(2√π 2^j sigma).
    second = Pyramid.spread(_narrowed(pyramid), narrow.adjoint(ratio(w, jnp.square(pilot))))
    scales = []
    for j, (g1, g2) in enumerate(zip(first, second, strict=True)):
        mean, square = peak * g1, peak**2 / 2**j * g2
        error = jnp.sqrt(jnp.maximum(square - jnp.square(mean), 0) / n)
        scales.append(jnp.where(pyramid.used[j], 1 / (1 + 2 * error), 0))
    return scales


def _narrowed(pyramid: Pyramid) -> Pyramid:
    """The pyramid of Gaussians narrower by √2."""
    basis = pyramid.bases[0]
    return Pyramid(Basis(basis.low, basis.high, basis.r, basis.sigma * math.sqrt(0.5), basis.capacity, basis.t_max))


def _pilot(c: Array, basis: Basis, pyramid: Pyramid, points: Kernel) -> Array:
    """Σ_i p_i exp(−½z²) at the bins for the kernel estimate of the best level, by the likelihood without each point."""
    n = jnp.maximum(jnp.sum(c), 2)
    w, cells = shares(c), shares(coarse(c, basis))
    levels, own, count = [], cells, len(pyramid.bases)
    for j in range(count):
        if j:
            own = jnp.sum(jnp.pad(own, (0, own.shape[0] % 2)).reshape(-1, 2), axis=1)
        levels.append(jnp.zeros((count, own.shape[0]), basis.dtype).at[j].set(own))  # row i: the estimate by level i
    estimates = jax.vmap(lambda one: points.apply(pyramid.collapse(one)))(levels)
    uniform = basis.t * math.sqrt(2 * math.pi) / basis.n

    def score(j: Array, f: Array) -> Array:
        others = jnp.maximum((n * f - 0.5**j) / (n - 1), 0)  # a point's own Gaussian is 2^−j high at its mean
        return log_likelihood(w, 0.99 * others + 0.01 * uniform)

    scores = jax.vmap(score)(jnp.arange(count, dtype=basis.dtype), estimates)
    usable = jnp.stack([jnp.any(on) for on in pyramid.used])
    return estimates[jnp.argmax(jnp.where(usable, scores, -jnp.inf))]
