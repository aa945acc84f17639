"""`FixedBasisDistribution`: a mixture as a distribution of scipy.stats. Needs scipy (extra `interchange`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special, stats

from .._typing import Array, ArrayLike
from ..basis import Basis, init_basis
from ..evaluation.quantiles import solve_icdf
from ..fitting.padding import padded
from ..mixture import Mixture

_FAR = 38.0  # sigmas beyond the last mean where a density is zero in float64


class FixedBasisDistribution(stats.rv_continuous):
    """A fitted density with the methods of scipy.stats, in float64 whatever JAX's precision.

    In the manner of `scipy.stats.rv_histogram`: pdf, logpdf, cdf, sf, ppf, isf, rvs, stats, moment, expect, interval,
    entropy, with `loc` and `scale`; calling it freezes it. Quantiles are those of `Mixture.icdf`, moments are exact,
    and both tails keep their digits. `Mixture.to_scipy` makes a frozen one.

    Args:
        gmm: one mixture. Its weights, rounded to a sum of 1 in float64.
        kwargs: of `scipy.stats.rv_continuous`, such as `seed`.

    Example:
        >>> import fbgmm
        >>> ages = fbgmm.fit([23.0, 35.0, 36.0, 61.0], n=50).to_scipy()
        >>> round(float(ages.ppf(0.5))), round(float(ages.expect(lambda x: x)), 2) == round(float(ages.mean()), 2)
        (38, True)
    """

    def __init__(self, gmm: Mixture, **kwargs: Any):
        self._mixture = gmm
        n = int(gmm.basis.n)
        pi = np.asarray(gmm.pi, np.float64)[:n]
        self._pi = pi / pi.sum()
        basis = gmm.basis
        self._low, self._high = float(basis.low), float(basis.high)
        self._sigma = np.asarray(basis.sigma, np.float64)
        even = self._low + (np.arange(n) + 0.5) * ((self._high - self._low) / n)
        self._mu = even if basis.even else np.asarray(basis.mu, np.float64)
        super().__init__(**{"name": "fbgmm", **kwargs})

    def _updated_ctor_param(self) -> dict[str, Any]:
        return {**super()._updated_ctor_param(), "gmm": self._mixture}

    def _at(self, f: Callable[[Basis, Array, Array], Array], x: ArrayLike, mirrored: bool = False) -> np.ndarray:
        """f(basis, pi, points) in float64; `mirrored`: for the density of −X."""
        x = np.asarray(x, np.float64)
        low, high = (-self._high, -self._low) if mirrored else (self._low, self._high)
        pi = self._pi[::-1] if mirrored else self._pi
        with _float64():
            n, basis = len(pi), self._mixture.basis
            if basis.even:
                basis = init_basis(low, high, n, float(self._sigma) * n / (high - low))
            else:
                basis = jax.tree.map(lambda a: jnp.asarray(np.asarray(a, np.float64)), basis)
                basis = basis.mirrored() if mirrored else basis
            found = np.asarray(jax.jit(f)(basis, jnp.asarray(pi), jnp.asarray(padded(x.reshape(-1)))))
        return found[: x.size].reshape(x.shape)

    def _logpdf(self, x: ArrayLike) -> np.ndarray:
        return self._at(_log_prob, x)

    def _pdf(self, x: ArrayLike) -> np.ndarray:
        return np.exp(self._logpdf(x))

    def _cdf(self, x: ArrayLike) -> np.ndarray:
        return self._at(_cdf, x)

    def _sf(self, x: ArrayLike) -> np.ndarray:
        return self._at(_cdf, -np.asarray(x), mirrored=True)

    def _logcdf(self, x: ArrayLike) -> np.ndarray:
        return self._log_tail(np.asarray(x, np.float64), self._mu)

    def _logsf(self, x: ArrayLike) -> np.ndarray:
        return self._log_tail(-np.asarray(x, np.float64), -self._mu)

    def _log_tail(self, x: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """log P(X ≤ x) for components at mu, by sums of logarithms: also where the probability underflows."""
        with np.errstate(divide="ignore"):
            log_pi = np.log(self._pi)
        flat, size = x.reshape(-1), max(1, _TERMS // mu.size)
        blocks = [flat[i : i + size, None] for i in range(0, flat.size, size)]
        found = [special.logsumexp(log_pi + special.log_ndtr((block - mu) / self._sigma), axis=1) for block in blocks]
        return np.minimum(np.concatenate([*found, np.empty(0)]), 0).reshape(x.shape)

    def _ppf(self, q: ArrayLike) -> np.ndarray:
        return self._at(solve_icdf, q)

    def _isf(self, q: ArrayLike) -> np.ndarray:
        return -self._at(solve_icdf, q, mirrored=True)

    def _rvs(self, size: Any = None, random_state: Any = None) -> Any:
        i = random_state.choice(len(self._pi), size=size, p=self._pi)
        return self._mu[i] + np.broadcast_to(self._sigma, self._mu.shape)[i] * random_state.standard_normal(size)

    def _munp(self, order: int) -> float:
        """E[X^order], exact: over the even powers of the normal part, whose moments are (2j − 1)!!."""
        total = np.zeros_like(self._mu)
        for j in range(order // 2 + 1):
            normal = float(math.prod(range(1, 2 * j, 2))) * self._sigma ** (2 * j)
            total += math.comb(order, 2 * j) * normal * self._mu ** (order - 2 * j)
        return float(self._pi @ total)

    def _stats(self) -> tuple[float, float, float, float]:
        """Mean, variance, skewness and excess kurtosis, from central moments."""
        mean = float(self._pi @ self._mu)
        off, s2 = self._mu - mean, self._sigma**2
        m2 = float(self._pi @ (off**2 + s2))
        m3 = float(self._pi @ (off**3 + 3 * off * s2))
        m4 = float(self._pi @ (off**4 + 6 * off**2 * s2 + 3 * s2**2))
        return mean, m2, m3 / m2**1.5, m4 / m2**2 - 3

    def _entropy(self) -> float:
        """−∫ g log g by the trapezoidal rule under each component, converged to rounding, as `Mixture.entropy` does."""
        z = np.linspace(-9.0, 9.0, 64 if self._sigma.ndim else 256)
        share = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
        log_g = self._logpdf(self._mu[:, None] + self._sigma[..., None] * z)
        return float(-self._pi @ (log_g @ share))

    def expect(self, func: Any = None, args: Any = (), loc: Any = 0, scale: Any = 1, lb: Any = None, ub: Any = None,
               conditional: bool = False, **kwds: Any) -> Any:  # fmt: skip
        """E[func(X)], as scipy.stats has it, but integrated where the density is and not over the whole line."""
        if not self._mixture.basis.even and func is not None and lb is None and ub is None:
            # By the Gauss–Hermite rule under each component: no grid serves widths of all magnitudes.
            z, share = np.polynomial.hermite_e.hermegauss(16)
            points = loc + scale * (self._mu[:, None] + self._sigma[:, None] * z)
            values = np.vectorize(lambda x: func(x, *args), otypes=[float])(points)
            return float(self._pi @ (values @ (share / share.sum())))
        lb = loc + scale * (self._low - _FAR * self._sigma.flat[0]) if lb is None else lb
        ub = loc + scale * (self._high + _FAR * self._sigma.flat[-1]) if ub is None else ub
        if np.isfinite(lb) and np.isfinite(ub):
            knots = loc + scale * self._ppf(np.array([1e-6, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1 - 1e-6]))
            kwds = {"points": [k for k in knots if lb < k < ub] or None, "limit": 200, **kwds}
        return super().expect(func, args, loc, scale, lb, ub, conditional, **kwds)


_TERMS = 1 << 20  # summed at a time


def _float64() -> Any:
    """A context in which JAX computes in float64; jax.enable_x64 from 0.8 on."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64  # type: ignore[attr-defined]

    return enable_x64()


def _log_prob(basis: Basis, pi: Array, x: Array) -> Array:
    return Mixture(basis, pi).log_prob(x)


def _cdf(basis: Basis, pi: Array, x: Array) -> Array:
    return Mixture(basis, pi).cdf(x)
