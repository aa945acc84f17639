"""Everyday data: amounts, counts, ratings, latencies, prices, tables, whatever people put into a density estimator.

Each kind takes a generator and a size, and gives that many points, float64. Kinds with fixed shares have them at every
size, up to the rounding of the counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

Rng = np.random.Generator
Kind = Callable[[Rng, int], np.ndarray]


def shares(values: Sequence[float], parts: Sequence[float]) -> Kind:
    """Values that stand in the data in the given proportions, in random order."""

    def draw(rng: Rng, number: int) -> np.ndarray:
        ends = np.rint(np.cumsum(parts) / np.sum(parts) * number).astype(int)
        return rng.permutation(np.repeat(np.asarray(values, np.float64), np.diff(ends, prepend=0)))

    return draw


def groups(*parts: tuple[float, Kind]) -> Kind:
    """Kinds that make up the data in the given shares, in random order."""

    def draw(rng: Rng, number: int) -> np.ndarray:
        ends = np.rint(np.cumsum([share for share, _ in parts]) * number).astype(int)
        sizes = np.diff(ends, prepend=0)
        return rng.permutation(np.concatenate([kind(rng, size) for (_, kind), size in zip(parts, sizes, strict=True)]))

    return draw


def normal(mean: float, deviation: float) -> Kind:
    return lambda rng, number: rng.normal(mean, deviation, number)


def constant(value: float) -> Kind:
    return lambda rng, number: np.full(number, value)


def _outlier(rng: Rng, number: int) -> np.ndarray:
    return rng.permutation(np.append(rng.normal(size=number - 1), 1e6))


def _table(rng: Rng, number: int) -> np.ndarray:
    return np.stack([rng.normal(0, 1, number // 2), rng.normal(1000, 100, number // 2)], axis=1)


def _alternating(rng: Rng, number: int) -> np.ndarray:
    """A sensor that is read in turn with its reference."""
    x = rng.normal(20, 2, number)
    x[::2] = 0.0
    return x


KINDS: dict[str, Kind] = {
    "normal": normal(0, 1),
    "uniform": lambda rng, number: rng.uniform(size=number),
    "exponential": lambda rng, number: rng.exponential(size=number),
    "two bells": groups((0.5, normal(-2, 0.5)), (0.5, normal(2, 1))),
    "zero-inflated amounts": groups((0.8, constant(0.0)), (0.2, lambda rng, number: rng.lognormal(10, 1, number))),
    "latencies": groups((0.8, normal(245, 3)), (0.2, normal(55_000, 3000))),
    "family sizes 1 … 4": shares([1, 2, 3, 4], [27, 58, 18, 6]),
    "four 1, one 2": shares([1, 2], [4, 1]),
    "yes or no": shares([0, 1], [7, 3]),
    "ratings 1 … 5": shares([1, 2, 3, 4, 5], [45, 45, 104, 280, 526]),
    "Cauchy": lambda rng, number: rng.standard_cauchy(number),
    "Pareto(1.5)": lambda rng, number: 1 + rng.pareto(1.5, number),
    "lognormal(0, 3)": lambda rng, number: rng.lognormal(0, 3, number),
    "table by columns": lambda rng, number: _table(rng, number).ravel(order="F"),
    "table by rows": lambda rng, number: _table(rng, number).ravel(),
    "spike and slab": groups((0.5, constant(0.0)), (0.5, normal(0, 1))),
    "widths 1 : 10,000": groups((0.5, normal(0, 1)), (0.5, normal(50_000, 10_000))),
    "one outlier": _outlier,
    "prices x.99": lambda rng, number: np.floor(rng.lognormal(3, 1, number)) + 0.99,
    "money in cents": lambda rng, number: np.round(rng.lognormal(3, 1, number), 2),
    "heights in cm": lambda rng, number: np.rint(rng.normal(170, 9, number)),
    "ages": lambda rng, number: np.minimum(np.floor(100 * rng.beta(1.2, 1.8, number)), 100),
    "Poisson counts": lambda rng, number: rng.poisson(3, number).astype(np.float64),
    "geometric counts": lambda rng, number: rng.geometric(0.1, number).astype(np.float64),
    "offset 1e6": normal(1e6, 1),
    "unit 1e-9": normal(3e-9, 1e-9),
    "sorted": lambda rng, number: np.sort(rng.gamma(2, 10, number)),
    "percentages": groups(
        (0.15, constant(0.0)), (0.2, constant(100.0)), (0.65, lambda rng, number: np.rint(100 * rng.beta(2, 2, number)))
    ),
    "every other a zero": _alternating,
}
"""By name."""


def draw(name: str, size: int, seed: int = 0) -> np.ndarray:
    """The sample of a kind that follows from name, size and seed alone, shape (size,)."""
    rng = np.random.default_rng(np.random.SeedSequence([zlib.crc32(name.encode()), size, seed]))
    return KINDS[name](rng, size)
