"""Test densities of three families, each with its exact pdf, cdf and sampler, in float64.

Every density is a mixture of laws, most of them of one. The families are

- "marron-wand": the 15 normal mixtures of Marron and Wand (1992), Exact mean integrated squared error, Annals of
  Statistics 20(2), 712–736, Table 1;
- "paper": the two random targets of the paper's section 3.1 (see `targets`): each seed gives another target;
- "berlinet-devroye": 23 of the 28 densities of Berlinet and Devroye (1994), A comparison of kernel density estimates,
  Publications de l'Institut de Statistique de l'Université de Paris 38(3), 3–59, section 3.2. Left out are the four
  that stand in the first family or are the normal itself, and the Matterhorn, whose quantiles leave float64. The four
  without a mean (Cauchy, Pareto, symmetric Pareto, inverse exponential) are cut to an inner range that holds 90 % of
  them or more: no estimator that lives on the range of the data has anything to say about the rest.

Each family is split, by turns, into a half to tune constants on and a half to hold out.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import jax
import numpy as np
from scipy import special, stats

from ..harness import environment
from ..paper import targets

Family = Literal["marron-wand", "paper", "berlinet-devroye"]
FAMILIES: tuple[Family, ...] = get_args(Family)
Half = Literal["tune", "hold-out"]
HALVES: tuple[Half, ...] = get_args(Half)

Function = Callable[[Any], Any]


class Distribution(NamedTuple):
    """A distribution as three functions of arrays. Frozen distributions of scipy serve as well."""

    pdf: Function
    cdf: Function
    ppf: Function


def moved(law: Any, loc: float, scale: float) -> Distribution:
    """The law of loc + scale·X. A negative scale mirrors it."""

    def cdf(x: Any) -> Any:
        p = law.cdf((np.asarray(x) - loc) / scale)
        return p if scale > 0 else 1 - p

    return Distribution(
        pdf=lambda x: law.pdf((np.asarray(x) - loc) / scale) / abs(scale),
        cdf=cdf,
        ppf=lambda p: loc + scale * law.ppf(p if scale > 0 else 1 - np.asarray(p)),
    )


def truncated(law: Any, low: float, high: float) -> Distribution:
    """The law of X given low ≤ X ≤ high."""
    first, last = law.cdf(low), law.cdf(high)

    def pdf(x: Any) -> Any:
        x = np.asarray(x)
        return np.where((x >= low) & (x <= high), law.pdf(np.clip(x, low, high)) / (last - first), 0.0)

    return Distribution(
        pdf=pdf,
        cdf=lambda x: np.clip((law.cdf(x) - first) / (last - first), 0, 1),
        ppf=lambda p: np.clip(law.ppf(first + np.asarray(p) * (last - first)), low, high),
    )


@dataclass(frozen=True)
class Density:
    """A mixture of laws.

    Attributes:
        weight: of each law, adding up to one.
        laws: with methods or fields pdf, cdf and ppf.
    """

    weight: tuple[float, ...]
    laws: tuple[Any, ...]

    def pdf(self, x: np.ndarray) -> np.ndarray:
        """Density at points of any shape; infinite at the top of an infinite peak."""
        return self._sum("pdf", x)

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """P(X ≤ x) at points of any shape."""
        return self._sum("cdf", x)

    def sample(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Independent draws, shape (number,), by inversion."""
        which = rng.choice(len(self.laws), number, p=self.weight)
        u = rng.random(number)
        x = np.empty(number)
        for i, law in enumerate(self.laws):
            x[which == i] = law.ppf(u[which == i])
        return x

    def nodes(self, number: int) -> np.ndarray:
        """About so many points, sorted: evenly spaced quantiles of every law, more of them far out, and every end."""
        each = max(number // len(self.laws), 16)
        far = np.geomspace(1e-14, 0.5 / each, 64)
        levels = np.concatenate([[0.0], far, np.arange(1, each) / each, 1 - far, [1.0]])
        points = np.concatenate([law.ppf(levels) for law in self.laws])
        return np.unique(points[np.isfinite(points)])

    def _sum(self, name: str, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, np.float64)
        with np.errstate(divide="ignore"):  # infinite peaks
            return sum(
                (w * getattr(law, name)(x) for w, law in zip(self.weight, self.laws, strict=True)), np.zeros_like(x)
            )


def of_laws(*parts: tuple[float, Any]) -> Density:
    """A density from pairs of weight and law; the weights are scaled to add up to one."""
    weight = np.array([part[0] for part in parts], np.float64)
    return Density(tuple(weight / weight.sum()), tuple(part[1] for part in parts))


def of_normals(*parts: tuple[float, float, float]) -> Density:
    """A density from triples of weight, mean and standard deviation."""
    return of_laws(*((weight, stats.norm(mean, deviation)) for weight, mean, deviation in parts))


def _marron_wand() -> dict[str, Density]:
    thirds = [(2 / 3) ** i for i in range(8)]
    halves = [2.0**-i for i in range(6)]
    two = [(-1.0, 2 / 3), (1.0, 2 / 3)]
    return {
        "gaussian": of_normals((1, 0, 1)),
        "skewed unimodal": of_normals((1, 0, 1), (1, 1 / 2, 2 / 3), (3, 13 / 12, 5 / 9)),
        "strongly skewed": of_normals(*((1, 3 * (s - 1), s) for s in thirds)),
        "kurtotic unimodal": of_normals((2, 0, 1), (1, 0, 1 / 10)),
        "outlier": of_normals((1, 0, 1), (9, 0, 1 / 10)),
        "bimodal": of_normals(*((1, m, s) for m, s in two)),
        "separated bimodal": of_normals((1, -3 / 2, 1 / 2), (1, 3 / 2, 1 / 2)),
        "skewed bimodal": of_normals((3, 0, 1), (1, 3 / 2, 1 / 3)),
        "trimodal": of_normals((9, -6 / 5, 3 / 5), (9, 6 / 5, 3 / 5), (2, 0, 1 / 4)),
        "claw": of_normals((5, 0, 1), *((1, i / 2 - 1, 1 / 10) for i in range(5))),
        "double claw": of_normals(
            *((49 / 100, m, s) for m, s in two), *((1 / 350, (i - 3) / 2, 0.01) for i in range(7))
        ),
        "asymmetric claw": of_normals(
            (1 / 2, 0, 1), *((2.0 ** (1 - i) / 31, i + 1 / 2, 2.0**-i / 10) for i in range(-2, 3))
        ),
        "asymmetric double claw": of_normals(
            *((46 / 100, m, s) for m, s in two),
            *((1 / 300, -i / 2, 1 / 100) for i in range(1, 4)),
            *((7 / 300, i / 2, 7 / 100) for i in range(1, 4)),
        ),
        "smooth comb": of_normals(*((32 * s / 63, (65 - 96 * s) / 21, 32 * s / 63) for s in halves)),
        "discrete comb": of_normals(
            *((2 / 7, (12 * i - 15) / 7, 2 / 7) for i in range(3)), *((1 / 21, 2 * i / 7, 1 / 21) for i in range(8, 11))
        ),
    }


def _berlinet_devroye() -> dict[str, Density]:
    tail = stats.lomax(0.5)  # 1 − (1 + x)^(−1/2)
    symmetric = truncated(tail, 0, 99)  # 90 %
    log_peak = Distribution(
        pdf=lambda x: np.where((x >= 0) & (x < 1), -np.log(np.clip(x, 0, 1)), 0.0),
        cdf=lambda x: np.clip(x, 0, 1) + special.entr(np.clip(x, 0, 1)),
        ppf=_log_peak_ppf,
    )
    caliper = Distribution(  # the cube of a Beta(3, 2) variable
        pdf=lambda x: np.where((x >= 0) & (x <= 1), 4 * (1 - np.cbrt(x)), 0.0),
        cdf=lambda x: stats.beta.cdf(np.cbrt(x), 3, 2),
        ppf=lambda p: stats.beta.ppf(p, 3, 2) ** 3,
    )
    normal_cubed = Distribution(
        pdf=lambda x: stats.norm.pdf(np.cbrt(x)) / (3 * np.cbrt(x) ** 2),
        cdf=lambda x: stats.norm.cdf(np.cbrt(x)),
        ppf=lambda p: stats.norm.ppf(p) ** 3,
    )
    triangle = stats.triang(0.5, -1, 2)
    return {
        "uniform": of_laws((1, stats.uniform())),
        "exponential": of_laws((1, stats.expon())),
        "Maxwell": of_laws((1, stats.rayleigh())),  # so called there: x·exp(−x²/2)
        "double exponential": of_laws((1, stats.laplace())),
        "logistic": of_laws((1, stats.logistic())),
        "Cauchy": of_laws((1, truncated(stats.cauchy(), -10, 10))),
        "extreme value": of_laws((1, stats.gumbel_r())),
        "infinite peak": of_laws((1, stats.beta(0.5, 1))),
        "Pareto": of_laws((1, truncated(stats.pareto(0.5), 1, 100))),
        "symmetric Pareto": of_laws((1, symmetric), (1, moved(symmetric, 0, -1))),
        "lognormal": of_laws((1, stats.lognorm(1))),
        "uniform scale mixture": of_laws((1, stats.uniform(-0.5, 1)), (1, stats.uniform(-5, 10))),
        "logarithmic peak": of_laws((1, log_peak)),
        "triangle": of_laws((1, triangle)),
        "beta(2, 2)": of_laws((1, stats.beta(2, 2))),
        "chi-square(1)": of_laws((1, stats.chi2(1))),
        "normal cubed": of_laws((1, normal_cubed)),
        "inverse exponential": of_laws((1, truncated(stats.invweibull(0.5), 0, 90))),
        "Marronite": of_normals((1, -20, 1 / 4), (2, 0, 1)),
        "caliper": of_laws((1, moved(caliper, 0.1, 1)), (1, moved(caliper, -0.1, -1))),
        "trimodal uniform": of_laws(
            (2, stats.uniform(-1, 2)), (1, stats.uniform(20, 0.1)), (1, stats.uniform(-20.1, 0.1))
        ),
        "sawtooth": of_laws(*((1, moved(triangle, 2 * i - 9, 1)) for i in range(10))),
        "bilogarithmic peak": of_laws((1, log_peak), (1, moved(log_peak, 1, -1))),
    }


def _log_peak_ppf(p: Any) -> Any:
    """The root x of x·(1 − log x) = p on [0, 1], by the branch of Lambert's function that is below −1."""
    p = np.asarray(p, np.float64)
    inner = np.clip(p, 1e-300, 1)
    return np.where(p > 0, np.clip(inner / -special.lambertw(-inner / np.e, -1).real, 0, 1), 0.0)


@cache
def paper_density(kind: targets.Kind, seed: int) -> Density:
    """The target of a table's experiment number `seed`, in float64."""
    with environment.use_precision("float32"):  # where the draws come from is part of what they are
        key, _ = jax.random.split(jax.random.key(0))
        return density_of(targets.random_target(jax.random.fold_in(key, seed), kind))


def density_of(target: targets.Target) -> Density:
    """A random target of the paper in float64."""
    edge = 3**0.5
    parts = []
    columns = (np.asarray(a, np.float64) for a in (target.weight, target.loc, target.scale, target.kind, target.df))
    for weight, loc, scale, number, df in zip(*columns, strict=True):
        laws = {
            targets.NORMAL: stats.norm(loc, scale),
            targets.STUDENT_T: stats.t(df, loc, scale),
            targets.UNIFORM: stats.uniform(loc - edge * scale, 2 * edge * scale),
        }
        parts.append((weight, laws[int(number)]))
    return of_laws(*parts)


class Entry(NamedTuple):
    """A density of the benchmark by name.

    Attributes:
        make: from the seed to the density; most do not depend on it.
    """

    name: str
    family: Family
    half: Half
    make: Callable[[int], Density]


def _entries(family: Family, makes: dict[str, Callable[[int], Density]]) -> list[Entry]:
    return [Entry(name, family, HALVES[i % 2], make) for i, (name, make) in enumerate(makes.items())]


def _fixed(density: Density) -> Callable[[int], Density]:
    return lambda seed: density


def _random(kind: targets.Kind) -> Callable[[int], Density]:
    return lambda seed: paper_density(kind, seed)


@cache
def entries() -> dict[str, Entry]:
    """All densities by name."""
    found = _entries("marron-wand", {name: _fixed(density) for name, density in _marron_wand().items()})
    # By the law that was the default when the library's constants were chosen on half of these densities.
    found += _entries("paper", {"paper's normal": _random("normal-1"), "paper's mixed": _random("mixed-1")})
    found += _entries("berlinet-devroye", {name: _fixed(density) for name, density in _berlinet_devroye().items()})
    return {entry.name: entry for entry in found}


def generators(name: str, *numbers: int, streams: int) -> Sequence[np.random.Generator]:
    """Independent generators that follow from a name and numbers, such as data size and seed, alone."""
    sequence = np.random.SeedSequence([zlib.crc32(name.encode()), *numbers])
    return [np.random.default_rng(child) for child in sequence.spawn(streams)]
