"""Density estimators of other libraries: kernel estimates, EM, histograms, Bayesian field theory.

Each takes a sample, float64 of shape (N,), and returns a `Fitted`: density, log density and distribution function.
Kernel estimates are computed on a grid at least ten times finer than the bandwidth, so that no discretisation is
measured.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import time
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import fft, stats
from scipy.optimize import brentq

from .fitted import Fitted, of_normals, of_points, of_steps
from .kernels import gaussian_kde
from .method import Method, rival
from .names import Name

COMPONENTS = 12
FEW_COMPONENTS = 8


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


def scott(x: np.ndarray) -> Fitted:
    """scipy's `gaussian_kde` with its default, Scott's rule."""
    return gaussian_kde(x, float(stats.gaussian_kde(x).factor * x.std(ddof=1)))


def silverman(x: np.ndarray) -> Fitted:
    return gaussian_kde(x, silverman_bandwidth(x))


def sheather_jones(x: np.ndarray) -> Fitted:
    return gaussian_kde(x, sheather_jones_bandwidth(x))


def isj_kdepy(x: np.ndarray) -> Fitted:
    """KDEpy's improved Sheather–Jones bandwidth (Botev, Grotowski and Kroese 2010), as released.

    It comes out at half of what the equation gives, or less where the data range over less than 12 units: it is scaled
    by the range of the data, not of the grid it was found on (tommyod/KDEpy, issues 199 and 201).
    """
    return gaussian_kde(x, _kdepy_bandwidth(x))


def isj_kdepy_corrected(x: np.ndarray) -> Fitted:
    """The same with the bandwidth of the equation: on data that range over 100 units the grid is twice as wide."""
    unit = float(np.ptp(x)) / 100
    return gaussian_kde(x, 2 * unit * _kdepy_bandwidth((x - x.min()) / unit))


def _kdepy_bandwidth(x: np.ndarray) -> float:
    return float(importlib.import_module("KDEpy.bw_selection").improved_sheather_jones(x[:, None]))


def isj_diffusion(x: np.ndarray) -> Fitted:
    """kde-diffusion, which reflects at the ends of the data's range widened by a tenth.

    Its grid names the left edge of each bin; the density belongs to the middle.
    """
    density, left, _ = importlib.import_module("kde_diffusion").kde1d(x, n=2**14)
    return of_points(left + (left[1] - left[0]) / 2, np.maximum(density, 0))


def em_bic(x: np.ndarray) -> Fitted:
    """scikit-learn's EM, converged, the number of components by BIC. "diag" is "full" in one dimension, but faster.

    Numbers are tried upwards until four in succession have not lowered the criterion; the largest take most time.
    """
    unit = _unit(x)
    return _of_mixture(_em(x / unit, COMPONENTS, 4, tol=1e-7, max_iter=2000, n_init=3), unit)


def em_bic_defaults(x: np.ndarray) -> Fitted:
    """scikit-learn's `GaussianMixture` as it comes, with 1 to 8 components by BIC, on the data as they are: what most
    people would write. Its floor of the variances, 1e-6, then has the unit of the data."""
    return _of_mixture(_em(x, FEW_COMPONENTS, FEW_COMPONENTS), 1.0)


def _em(x: np.ndarray, most: int, patience: int, **settings: Any) -> Any:
    numbers = range(1, min(most, np.unique(x).size) + 1)
    return least_bic(x[:, None], numbers, patience, covariance_type="diag", random_state=0, **settings)[0]


def least_bic(points: np.ndarray, numbers: Iterable[int], patience: int, **settings: Any) -> tuple[Any, float, float]:
    """scikit-learn's EM with the number of components of least BIC, among rising ones.

    Args:
        points: shape (N, D).
        patience: numbers in succession that have not lowered the criterion, after which no more are tried.

    Returns:
        The mixture, the seconds of all fits, and those of the fit that was chosen.
    """
    mixture = importlib.import_module("sklearn.mixture").GaussianMixture
    best: Any = None
    least, whole, alone, risen = math.inf, 0.0, 0.0, 0
    for k in numbers:
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what has not converged shows in the criterion
            fitted = mixture(k, **settings).fit(points)
        bic, seconds = fitted.bic(points), time.perf_counter() - started
        whole += seconds
        if bic < least:
            best, least, alone, risen = fitted, bic, seconds, 0
        else:
            risen += 1
        if risen == patience:
            break
    return best, whole, alone


def bayesian_mixture(x: np.ndarray) -> Fitted:
    """scikit-learn's variational mixture, which empties the components that it does not need."""
    mixture = importlib.import_module("sklearn.mixture").BayesianGaussianMixture
    unit = _unit(x)
    fitted = mixture(n_components=COMPONENTS, covariance_type="diag", max_iter=1000, random_state=0)
    return _of_mixture(fitted.fit((x / unit)[:, None]), unit)


def _unit(x: np.ndarray) -> float:
    """In which scikit-learn gets the data, so that they have unit deviation: its floor of the variances has a unit."""
    return float(x.std())


def _of_mixture(mixture: Any, unit: float) -> Fitted:
    """The scores of a mixture of scikit-learn, and the distribution function of its components."""

    def log_pdf(at: np.ndarray) -> np.ndarray:
        at = np.asarray(at, np.float64)
        return mixture.score_samples(at.reshape(-1, 1) / unit).reshape(at.shape) - math.log(unit)

    means, widths = unit * mixture.means_[:, 0], unit * np.sqrt(mixture.covariances_[:, 0])
    components = of_normals(mixture.weights_, means, widths)
    return Fitted(lambda at: np.exp(log_pdf(at)), log_pdf, components.cdf)


def khisto(x: np.ndarray) -> Fitted:
    """G-Enum, the histogram of least description length, of khisto.

    Zelaya Mendizábal, Boullé and Rossi (2023), Computational Statistics & Data Analysis 180; Boullé (2024), Intelligent
    Data Analysis 28(5), 1347–1394.
    """
    heights, edges = importlib.import_module("khisto").histogram(x)
    return of_steps(edges, heights)


def deft(x: np.ndarray) -> Fitted:
    """DEFT, density estimation by Bayesian field theory, of suftware with its defaults; it draws no posterior samples.

    Its 100 grid points are enough for most: with 1000 the L1 of the claw at 5000 points falls from .073 to .055, at 50
    times the time, and that of smooth densities does not.

    Kinney (2015), Physical Review E 92, 032107; Chen, Tareen and Kinney (2018), Physical Review Letters 121, 160605.

    Raises:
        RuntimeError: suftware would end the process, which is how it says that it cannot fit; its words are given.
    """
    estimator = importlib.import_module("suftware").DensityEstimator
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            density = estimator(x, num_posterior_samples=0).density_func
        except SystemExit:
            raise RuntimeError(" ".join(said.getvalue().split())) from None
    low, high = density.bounding_box
    log_mass = math.log(density.Z)

    def log_pdf(at: np.ndarray) -> np.ndarray:
        return np.where((at >= low) & (at <= high), -density.field(at) - log_mass, -np.inf)

    def pdf(at: np.ndarray) -> np.ndarray:
        return np.exp(log_pdf(at))

    fine = np.linspace(low, high, 16 * len(density.grid) + 1)
    return Fitted(pdf, log_pdf, of_points(fine, pdf(fine)).cdf)


RIVALS: dict[Name, Method] = {
    "KDE Scott (scipy)": rival("scipy", scott),
    "KDE Silverman": rival("scipy", silverman),
    "KDE Sheather–Jones": rival("scipy", sheather_jones),
    "KDE ISJ (KDEpy)": rival("KDEpy", isj_kdepy),
    "KDE ISJ (KDEpy, corrected)": rival("KDEpy", isj_kdepy_corrected),
    "KDE ISJ (kde-diffusion)": rival("kde_diffusion", isj_diffusion),
    "EM, K by BIC": rival("sklearn", em_bic, ((1000, 10), (5000, 3), (50_000, 1))),
    "EM, K ≤ 8 by BIC": rival("sklearn", em_bic_defaults, ((50_000, 5),)),
    "Bayesian mixture": rival("sklearn", bayesian_mixture, ((50_000, 5),)),
    "khisto": rival("khisto", khisto),
    "DEFT (suftware)": rival("suftware", deft),
}
ISJ = ("KDE ISJ (KDEpy)", "KDE ISJ (KDEpy, corrected)", "KDE ISJ (kde-diffusion)")
