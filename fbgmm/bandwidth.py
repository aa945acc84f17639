"""Data-driven bandwidths from counts: the width of a kernel estimate, and with it a choice of sigma and t.

Both methods need only how strongly the data vary at each frequency: the squared cosine coefficients of the counts. The
norm ∫(f^(s))² of a derivative of a kernel estimate is a sum of those, each times a power of its frequency and a
Gaussian. Sums of positive terms lose nothing to rounding, and single precision is enough.

Everything is pure JAX with fixed numbers of iterations: it runs under jit and vmap.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import checks
from ._typing import Array, ArrayLike, Float

_TRIALS = 64
_HALVINGS = {"float32": 26, "float64": 46}
"""To rounding: what is left open would show where two ways to the same bandwidth round differently."""
_STAGES = 7


def isj(c: Float[Array, " bins"], width: ArrayLike = 1.0) -> Float[Array, ""]:
    """The improved Sheather–Jones bandwidth: the fixed point of Botev's diffusion estimator.

    It assumes nothing of the density's shape, so that separate peaks do not widen it.

    Args:
        c: counts or weights of the data in bins of equal width, shape (bins,). Some hundred bins over the range of the
            data are enough; a bandwidth below about the width of a bin cannot be seen.
        width: of a bin, in the units of the data; a number.

    Returns:
        The standard deviation of the kernel, in the units of the data. Where the fixed point does not exist (few
        points), Silverman's rule; where there is no spread at all, or no data, half the width of a bin.

    Raises:
        ValueError: c not of one dimension (use `jax.vmap`).

    References:
        Botev, Grotowski and Kroese 2010, Kernel density estimation via diffusion, Ann. Statist. 38, 2916–2957.

    Example:
        >>> import fbgmm
        >>> import jax
        >>> x = jax.random.normal(jax.random.key(0), (5_000,))
        >>> fine = fbgmm.init_basis_from(x, n=800)
        >>> counts, _ = jax.numpy.histogram(x, fine.edges)
        >>> sigma = fbgmm.isj(counts.astype(x.dtype), fine.r)
        >>> gmm = fbgmm.fit(x, n=200, t=sigma / (4 * fine.r))
        >>> bool(0.1 < sigma < 0.3)
        True
    """
    checks.one_dimension("c", c, "; use jax.vmap for many")
    return _isj(c) * width


@jax.jit
def _isj(c: Array) -> Array:
    waves = _waves(c)

    def excess(log_t: Array) -> Array:
        """log of t over the t that the data ask for if t is the last pilot's; grows through 0 at the fixed point."""
        log_f = _log_norm(waves, _STAGES, log_t)
        for s in range(_STAGES - 1, 1, -1):
            odd = math.prod(range(1, 2 * s, 2)) / math.sqrt(2 * math.pi)
            constant = (1 + 0.5 ** (s + 0.5)) / 3
            pilot = 2 / (3 + 2 * s) * (math.log(2 * constant * odd) - jnp.log(waves.points) - log_f)
            log_f = _log_norm(waves, s, pilot)
        return log_t + 0.4 * (math.log(2 * math.sqrt(math.pi)) + jnp.log(waves.points) + log_f)

    # t is the squared bandwidth over the squared length of the padded grid.
    low, high = 2 * math.log(0.1 / waves.bins), 2 * math.log(0.3)
    log_t, found = _first_root(excess, low, high, c.dtype)
    h = jnp.where(found, jnp.exp(log_t / 2) * waves.bins, _silverman(c))
    return _or_half_a_bin(h, c)


def sheather_jones(c: Float[Array, " bins"], width: ArrayLike = 1.0) -> Float[Array, ""]:
    """The bandwidth of Sheather and Jones that solves its equation, with pilots from a normal reference.

    Args:
        c, width: as in `isj`.

    Returns:
        The standard deviation of the kernel, in the units of the data; without spread or data as `isj`.

    Raises:
        ValueError: c not of one dimension (use `jax.vmap`).

    References:
        Sheather and Jones 1991, A reliable data-based bandwidth selection method for kernel density estimation, JRSS B
        53, 683–690.

    Example:
        >>> import fbgmm
        >>> import jax.numpy as jnp
        >>> c = jnp.exp(-jnp.linspace(-4.0, 4.0, 400) ** 2 / 2)
        >>> h = fbgmm.sheather_jones(1000 * c / c.sum(), 8 / 400)  # a thousand points of a standard normal density
        >>> bool(abs(h / 0.266 - 1) < 0.1)  # the best one is 1.059 · 1000^(−1/5)
        True
    """
    checks.one_dimension("c", c, "; use jax.vmap for many")
    return _sheather_jones(c) * width


@jax.jit
def _sheather_jones(c: Array) -> Array:
    waves = _waves(c)
    n = jnp.maximum(waves.points, 2)
    scale = _scale(c)
    length = float(waves.bins)

    def norm(s: int, log_h: Array) -> Array:
        """log of the sum over pairs that estimates ∫(f^(s))², with a kernel of width h, in bins."""
        return _log_norm(waves, s, 2 * (log_h - math.log(length)) - math.log(2)) + (jnp.log(n) - jnp.log(n - 1))

    def unit(log_norm: Array, s: int) -> Array:
        return log_norm - (2 * s + 1) * math.log(length)  # from lengths of the grid to bins

    a = jnp.log(1.24 * scale) - jnp.log(n) / 7
    b = jnp.log(1.23 * scale) - jnp.log(n) / 9
    ratio = (math.log(1.357) * 7 + unit(norm(2, a), 2) - unit(norm(3, b), 3)) / 7

    def excess(log_h: Array) -> Array:
        curved = unit(norm(2, ratio + 5 / 7 * log_h), 2)
        return log_h + (math.log(2 * math.sqrt(math.pi)) + jnp.log(n) + curved) / 5

    log_h, found = _first_root(excess, math.log(0.1), math.log(length), c.dtype)
    return _or_half_a_bin(jnp.where(found, jnp.exp(log_h), _silverman(c)), c)


class _Waves(NamedTuple):
    """Squared cosine coefficients of the shares on a grid with half the data's range of empty bins at either end.

    Attributes:
        squared: shape (bins − 1,); the coefficients of cos(πkx), k = 1, 2 …, x from 0 to 1 on the padded grid.
        bins: of the padded grid.
        points: sum of the counts, at least 1.
    """

    squared: Array
    bins: int
    points: Array


def _waves(c: Array) -> _Waves:
    points = jnp.maximum(jnp.sum(c), 1)
    shares = jnp.pad(c / points, c.shape[0] // 2 + 1)
    m = shares.shape[0]
    k = np.arange(m)
    spectrum = jnp.fft.fft(jnp.concatenate([shares, shares[::-1]]))[:m]
    angle = jnp.asarray(np.pi * k / (2 * m), c.dtype)
    cosine = (spectrum.real * jnp.cos(angle) + spectrum.imag * jnp.sin(angle)) / 2  # Σ_b shares_b cos(πk(b + ½)/m)
    return _Waves(jnp.square(cosine[1:]), m, points)


def _log_norm(waves: _Waves, s: int, log_t: Array) -> Array:
    """log ∫(f^(s))² = log Σ_k (πk)^(2s) · 2·a_k² exp(−π²k²t), for the estimate of bandwidth √t; x from 0 to 1."""
    log_k = jnp.asarray(2 * np.log(np.pi * np.arange(1, waves.bins)), waves.squared.dtype)
    log_a = jnp.log(jnp.maximum(waves.squared, jnp.finfo(waves.squared.dtype).tiny))
    return jax.nn.logsumexp(s * log_k + log_a - jnp.exp(log_k + log_t)) + math.log(2)


def _first_root(f: Callable[[Array], Array], low: float, high: float, dtype: jnp.dtype) -> tuple[Array, Array]:
    """The first change of sign from below 0 on a grid, bisected; and whether there is one."""
    grid = jnp.linspace(low, high, _TRIALS, dtype=dtype)
    values = jax.vmap(f)(grid)
    crosses = (values[:-1] < 0) & (values[1:] >= 0)
    i = jnp.argmax(crosses)

    def halve(_: Array | int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        a, b = ends
        middle = (a + b) / 2
        below = f(middle) < 0
        return jnp.where(below, middle, a), jnp.where(below, b, middle)

    a, b = jax.lax.fori_loop(0, _HALVINGS[jnp.dtype(dtype).name], halve, (grid[i], grid[i + 1]))
    return (a + b) / 2, jnp.any(crosses)


def _scale(c: Array) -> Array:
    """The smaller of the standard deviation and the interquartile range/1.349, in bins; not 0 while there is spread."""
    points = jnp.maximum(jnp.sum(c), jnp.finfo(c.dtype).tiny)
    at = jnp.arange(c.shape[0], dtype=c.dtype) + 0.5
    mean = jnp.sum(c / points * at)
    deviation = jnp.sqrt(jnp.sum(c / points * jnp.square(at - mean)))
    below = jnp.concatenate([jnp.zeros(1, c.dtype), jnp.cumsum(c / points)])
    edges = jnp.arange(c.shape[0] + 1, dtype=c.dtype)
    quartiles = jnp.interp(jnp.array([0.25, 0.75], c.dtype), below, edges)
    range_ = (quartiles[1] - quartiles[0]) / 1.349
    return jnp.maximum(jnp.where(range_ > 0.5, jnp.minimum(range_, deviation), deviation), 1e-3)


def _silverman(c: Array) -> Array:
    return 0.9 * _scale(c) * jnp.maximum(jnp.sum(c), 1) ** -0.2


def _or_half_a_bin(h: Array, c: Array) -> Array:
    spread = (jnp.sum(c > 0) > 1) & jnp.isfinite(h)
    return jnp.where(spread, h, 0.5).astype(c.dtype)
