"""What others take to estimate a density from a sample. A rival that is not installed is named as absent.

Each takes a sample, float64 of shape (N,), and returns its density as a function of points of any shape. Kernel
estimates are computed on a grid at least ten times finer than the bandwidth, so that no discretisation is measured.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import fft
from scipy.optimize import brentq

Pdf = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[np.ndarray], Pdf]

KDE_GRID = 2**13
COMPONENTS = 12


def gaussian_kde(x: np.ndarray, bandwidth: float) -> Pdf:
    """The Gaussian kernel estimate: linear binning, FFT, linear interpolation; zero 8 bandwidths from the data."""
    low, high = x.min() - 8 * bandwidth, x.max() + 8 * bandwidth
    number = 2 ** math.ceil(math.log2(max(KDE_GRID, min(10 * (high - low) / bandwidth, 2**21))))
    step = (high - low) / number
    counts = linear_counts(x, low, step, number)
    frequency = 2 * np.pi * fft.rfftfreq(number, step)
    smooth = fft.irfft(fft.rfft(counts) * np.exp(-0.5 * (bandwidth * frequency) ** 2), number)
    return interpolated(low + step * np.arange(number), np.maximum(smooth, 0) / (x.size * step))


def linear_counts(x: np.ndarray, low: float, step: float, number: int) -> np.ndarray:
    """Counts on the grid low + i·step: each point is shared between its two neighbours."""
    place = (x - low) / step
    left = np.clip(place.astype(np.int64), 0, number - 2)
    share = place - left
    return np.bincount(left, 1 - share, number) + np.bincount(left + 1, share, number)


def interpolated(points: np.ndarray, values: np.ndarray) -> Pdf:
    """The density that is linear between the points and zero outside."""
    return lambda at: np.interp(at, points, values, left=0.0, right=0.0)


def spread(x: np.ndarray) -> float:
    """The smaller of the standard deviation and the normal-consistent interquartile range, if that is not zero."""
    deviation = float(x.std(ddof=1))
    quartiles = np.percentile(x, [25, 75])
    return min(deviation, float(quartiles[1] - quartiles[0]) / 1.349) or deviation


def silverman_bandwidth(x: np.ndarray) -> float:
    """Silverman (1986), Density Estimation, Eq. 3.31."""
    return 0.9 * spread(x) * x.size**-0.2


def sheather_jones_bandwidth(x: np.ndarray, bins: int = 2**14) -> float:
    """The solve-the-equation plug-in bandwidth of Sheather and Jones (1991), JRSS B 53(3), 683–690, section 3.

    Sums over pairs of points are taken over pairs of fine bins, as in the implementations in use.

    Raises:
        ValueError: the equation has no root.
    """
    number = x.size
    step = (x.max() - x.min()) / (bins - 1)
    counts = np.bincount(np.rint((x - x.min()) / step).astype(np.int64), minlength=bins)
    transform = fft.rfft(counts, 2 * bins)
    pairs = np.rint(fft.irfft(transform * np.conj(transform), 2 * bins)[:bins])  # ordered, by distance
    pairs[1:] *= 2
    squares = (step * np.arange(bins)) ** 2

    def fourth(h: float) -> float:  # estimates ∫ f''²
        d = squares / h**2
        return float(pairs @ ((d * d - 6 * d + 3) * np.exp(-d / 2))) / (number * (number - 1) * h**5 * _ROOT)

    def sixth(h: float) -> float:  # estimates ∫ f'''²
        d = squares / h**2
        total = float(pairs @ ((d**3 - 15 * d * d + 45 * d - 15) * np.exp(-d / 2)))
        return -total / (number * (number - 1) * h**7 * _ROOT)

    scale = spread(x)
    ratio = fourth(1.24 * scale * number ** (-1 / 7)) / sixth(1.23 * scale * number ** (-1 / 9))
    factor = 1.357 * ratio ** (1 / 7)

    def excess(h: float) -> float:
        return float((1 / (2 * math.sqrt(math.pi) * number * fourth(factor * h ** (5 / 7)))) ** 0.2 - h)

    largest = 1.144 * scale * number**-0.2
    low, high = 0.1 * largest, largest
    for _ in range(60):
        if excess(low) > 0 > excess(high):
            return float(brentq(excess, low, high, rtol=1e-6))
        low, high = low / 1.2, high * 1.2
    raise ValueError("the Sheather–Jones equation has no root")


_ROOT = math.sqrt(2 * math.pi)


def silverman(x: np.ndarray) -> Pdf:
    return gaussian_kde(x, silverman_bandwidth(x))


def sheather_jones(x: np.ndarray) -> Pdf:
    return gaussian_kde(x, sheather_jones_bandwidth(x))


def isj_kdepy(x: np.ndarray) -> Pdf:
    """KDEpy's improved Sheather–Jones bandwidth (Botev, Grotowski and Kroese 2010), as released.

    It comes out at half of what the equation gives, or less where the data range over less than 12 units: it is scaled
    by the range of the data, not of the grid it was found on (tommyod/KDEpy, issues 199 and 201).
    """
    return gaussian_kde(x, _kdepy_bandwidth(x))


def isj_kdepy_corrected(x: np.ndarray) -> Pdf:
    """The same with the bandwidth of the equation: on data that range over 100 units the grid is twice as wide."""
    unit = float(np.ptp(x)) / 100
    return gaussian_kde(x, 2 * unit * _kdepy_bandwidth((x - x.min()) / unit))


def _kdepy_bandwidth(x: np.ndarray) -> float:
    return float(importlib.import_module("KDEpy.bw_selection").improved_sheather_jones(x[:, None]))


def isj_diffusion(x: np.ndarray) -> Pdf:
    """kde-diffusion, which reflects at the ends of the data's range widened by a tenth.

    Its grid names the left edge of each bin; the density belongs to the middle.
    """
    density, left, _ = importlib.import_module("kde_diffusion").kde1d(x, n=2**14)
    return interpolated(left + (left[1] - left[0]) / 2, np.maximum(density, 0))


def em_bic(x: np.ndarray) -> Pdf:
    """scikit-learn's EM, converged, the number of components by BIC. "diag" is "full" in one dimension, but faster.

    Numbers are tried upwards until four in succession have not lowered the criterion; the largest take most time.
    """
    mixture = importlib.import_module("sklearn.mixture").GaussianMixture
    points, deviation = _standardised(x)
    best: Any = None
    least, risen = math.inf, 0
    for k in range(1, COMPONENTS + 1):
        fitted = mixture(k, covariance_type="diag", tol=1e-7, max_iter=2000, n_init=3, random_state=0).fit(points)
        bic = fitted.bic(points)
        if bic < least:
            best, least, risen = fitted, bic, 0
        else:
            risen += 1
        if risen == 4:
            break
    return lambda at: np.exp(best.score_samples((at / deviation)[:, None])) / deviation


def bayesian_mixture(x: np.ndarray) -> Pdf:
    """scikit-learn's variational mixture, which empties the components that it does not need."""
    mixture = importlib.import_module("sklearn.mixture").BayesianGaussianMixture
    points, deviation = _standardised(x)
    fitted = mixture(n_components=COMPONENTS, covariance_type="diag", max_iter=1000, random_state=0).fit(points)
    return lambda at: np.exp(fitted.score_samples((at / deviation)[:, None])) / deviation


def _standardised(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Data as scikit-learn takes them, of unit deviation: its floor of the variances, 1e-6, has a unit."""
    deviation = float(x.std())
    return (x / deviation)[:, None], deviation


class Rival(NamedTuple):
    """A peer.

    Attributes:
        package: that it needs.
        seeds: at data sizes from which on it is run on so many seeds only, because it is slow: (size, seeds).
    """

    package: str
    fit: Fit
    seeds: tuple[tuple[int, int], ...] = ()


RIVALS: dict[str, Rival] = {
    "KDE Silverman": Rival("scipy", silverman),
    "KDE Sheather–Jones": Rival("scipy", sheather_jones),
    "KDE ISJ (KDEpy)": Rival("KDEpy", isj_kdepy),
    "KDE ISJ (KDEpy, corrected)": Rival("KDEpy", isj_kdepy_corrected),
    "KDE ISJ (kde-diffusion)": Rival("kde_diffusion", isj_diffusion),
    "EM, K by BIC": Rival("sklearn", em_bic, ((1000, 10), (5000, 3), (50_000, 1))),
    "Bayesian mixture": Rival("sklearn", bayesian_mixture, ((50_000, 5),)),
}
ISJ = ("KDE ISJ (KDEpy)", "KDE ISJ (KDEpy, corrected)", "KDE ISJ (kde-diffusion)")


def installed(name: str) -> bool:
    return importlib.util.find_spec(RIVALS[name].package) is not None


def quietly(fit: Fit) -> Fit:
    """The fit without its warnings: what does not converge shows in the losses."""

    def quiet(x: np.ndarray) -> Pdf:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return fit(x)

    return quiet
