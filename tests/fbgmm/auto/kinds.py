"""Everyday data, by kind, and the yardstick of `fit(x)`: its distribution function between the data's values."""

import numpy as np


def rated(*shares):
    return lambda g, n: g.choice(np.arange(1.0, len(shares) + 1), n, p=np.array(shares) / sum(shares))


def beside(first, second, share=0.5):
    """A share of the points from one law and the rest from another, in this order."""
    return lambda g, n: np.concatenate([first(g, round(share * n)), second(g, n - round(share * n))])


def normal(mean, deviation):
    return lambda g, n: g.normal(mean, deviation, n)


def zeros(_, n):
    return np.zeros(n)


KINDS = {
    "zero-inflated amounts": beside(zeros, lambda g, n: g.lognormal(10, 1, n), 0.8),
    "latencies": beside(normal(245, 3), normal(55_000, 3000), 0.8),
    "family sizes": rated(27, 58, 18, 6),
    "0/1": lambda g, n: (g.random(n) < 0.3).astype(float),
    "ratings": rated(45, 45, 104, 280, 526),
    "Cauchy": lambda g, n: g.standard_cauchy(n),
    "Pareto": lambda g, n: 1 + g.pareto(1.5, n),
    "lognormal(0, 3)": lambda g, n: g.lognormal(0, 3, n),
    "table by rows": lambda g, n: np.stack([g.normal(0, 1, n // 2), g.normal(1000, 100, n // 2)], 1).ravel(),
    "spike and slab": beside(normal(0, 1e-4), normal(0, 1)),
    "widths 1:10,000": beside(normal(0, 1), normal(0, 1e4)),
    "one outlier": beside(lambda g, n: np.full(n, 1e6), normal(0, 1), 0.0021),
    "prices": lambda g, n: np.ceil(g.lognormal(3, 1, n)) - 0.01,
    "heights": lambda g, n: np.round(g.normal(170, 8, n)),
    "counts": lambda g, n: g.poisson(2.5, n).astype(float),
    "percentages": lambda g, n: np.clip(g.normal(50, 45, n), 0, 100),
    "twelve decades": lambda g, n: 10 ** g.uniform(-6, 6, n),
    "small": lambda g, n: 1e-9 * g.normal(size=n),
    "exponential": lambda g, n: g.exponential(1, n),
    "uniform": lambda g, n: g.random(n),
    "normal": normal(0, 1),
}


def made(kind, size, seed=0):
    return KINDS[kind](np.random.default_rng([seed, list(KINDS).index(kind)]), size)


def misfit(cdf, x):
    """The greatest difference from the data's distribution function at the middles of the gaps, and what is allowed."""
    values, number = np.unique(np.asarray(x, np.float64), return_counts=True)
    middles = (values[1:] + values[:-1]) / 2
    found = np.abs(np.asarray(cdf(middles), np.float64) - np.cumsum(number)[:-1] / x.size).max()
    tied = number[number > 1].sum() / x.size
    return found, (0.08 if tied > 0.3 else 0.05) + x.size**-0.5
