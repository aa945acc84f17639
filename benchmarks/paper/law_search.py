"""Which law of the random targets meets the paper's values for Algorithm 2, and how well the values tell laws apart.

Laws of few, round parameters are tried in rounds: all of them on few targets, the best of these on more. A law's misfit
is the root mean square of log(ours/paper) over the paper's values, without the two that contradict their neighbours.

A small misfit may be luck: the paper's values are means over 20 or 30 targets. How much luck is needed is found by
making such values with a law itself, many times. A law is within the noise of the best if, were it true, the best of
all laws would beat it by as much as it does in at least one case of twenty (a likelihood-ratio test by simulation, with
the misfit in place of the likelihood; compare Feldman and Cousins 1998).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from .law_losses import ALL_VALUES, NORMAL_VALUES, LawLosses
from .targets import LAWS, Law

PAPER = np.array([value.paper for value in ALL_VALUES])
FITTED = np.array([not value.contradicts for value in ALL_VALUES])

_TENTHS = [i / 10 for i in range(31)]
LOWS, HIGHS = _TENTHS[5:16], _TENTHS[16:]
"""Wider and narrower ones are worse at every number of components (rows 8 and 8b of the reproduction notes)."""
POWERS = (1.0, 1.5, 2.0)
LOCATIONS = ((0.0, 10.0), (1.0, 4.0), (1.0, 5.0), (1.0, 6.0))
"""Whether normal, and the reach: a uniform law on (−10, 10) has standard deviation 5.8."""
MIXED_PARTS = tuple(product((math.sqrt(3.0), 1.0), (9, 30)))
"""Half the width of a Uniform component over its scale, and the most degrees of freedom."""

WIDTH = 100  # laws in one call of a program; enough that sorting the uniform numbers is a small part
KEEP = 100  # laws after each round
RESAMPLES = 200
LEVEL = 0.05


class Scored(NamedTuple):
    """A law with what it gives.

    Attributes:
        means: our mean losses, in the order of ALL_VALUES.
        misfit: root mean square of log(ours/paper) over the values that are fitted.
        own_noise: standard error of the misfit from the number of our targets, by the bootstrap.
        expected: the mean misfit of values made with the law itself from as few targets as the paper's.
        chance: how often the best of all laws would beat this one by as much as it does, if this one were true.
    """

    law: Law
    means: np.ndarray
    misfit: float
    own_noise: float
    expected: float
    chance: float

    @property
    def within_noise(self) -> bool:
        return self.chance >= LEVEL


class Search(NamedTuple):
    """All laws of the last round, the best first, and the simplest of those within the noise."""

    scored: list[Scored]
    chosen: Scored


def grid() -> list[Law]:
    """The laws that are tried; their part that only mixed targets have is left as it was."""
    return [
        Law(low, high, power, normal, reach)
        for (normal, reach), power, low, high in product(LOCATIONS, POWERS, LOWS, HIGHS)
    ]


def search(
    laws: Sequence[Law],
    experiments: int,
    seed: int,
    advance: Callable[[float], None] = lambda number: None,
    paper: np.ndarray = PAPER,
) -> Search:
    """The laws that meet the paper's values, from the parts that normal targets have.

    Args:
        laws: those to try, for example `grid()`.
        experiments: targets for each value in the last round; the first round has a sixteenth, the second a quarter.
        seed: of the targets and their samples.
        advance: is told how many experiments, each for up to WIDTH laws, were computed.
        paper: the values to meet, in the order of ALL_VALUES.
    """
    losses_of = LawLosses(WIDTH, seed, advance)
    first, second = range(max(4, experiments // 16)), range(max(4, experiments // 4))
    normal = len(NORMAL_VALUES)
    found = losses_of.of_family("normal", laws, first).mean(axis=0)
    kept = _best(laws, _misfits(found, paper[:normal], FITTED[:normal]))
    kept = [law._replace(half_width=half, most_df=most) for law in kept for half, most in MIXED_PARTS]
    found = losses_of.of_both(kept, second).mean(axis=0)
    kept = _best(kept, _misfits(found, paper, FITTED))
    kept = list(dict.fromkeys([*kept, *LAWS.values()]))
    losses = losses_of.of_both(kept, range(experiments))
    chosen = simplest(score(kept, losses, paper)).law
    near = [law for law in neighbours(chosen, laws) if law not in kept]
    losses = np.concatenate([losses, losses_of.of_both(near, range(experiments))], axis=1)
    scored = score([*kept, *near], losses, paper)
    return Search(sorted(scored, key=lambda one: one.misfit), simplest(scored))


def neighbours(law: Law, laws: Sequence[Law]) -> list[Law]:
    """The laws that differ from one in one thing: a number, the law of the locations, or a part of mixed targets."""
    things = (("low",), ("high",), ("power",), ("normal_locations", "reach"))
    found = {law._replace(**{name: getattr(one, name) for name in thing}) for thing in things for one in laws}
    found |= {law._replace(half_width=half, most_df=most) for half, most in MIXED_PARTS}
    return sorted(found - {law})


def near_range(found: Search) -> dict[str, tuple[float, float]]:
    """How far low and high may be moved, one at a time, before a law is outside the noise."""
    law, within = found.chosen.law, [one.law for one in found.scored if one.within_noise]
    lows = [float(one.low) for one in within if one._replace(low=law.low) == law]
    highs = [float(one.high) for one in within if one._replace(high=law.high) == law]
    return {"low": (min(lows), max(lows)), "high": (min(highs), max(highs))}


def departures(law: Law) -> int:
    """How far a law is from the plainest: weights ∝ U and locations uniform on (−10, 10) are none."""
    return int(law.power != 1) + int(law.normal_locations != 0)


def simplest(scored: Iterable[Scored]) -> Scored:
    """Of the laws within the noise those with fewest departures, and of these the one with the least misfit."""
    return min((one for one in scored if one.within_noise), key=lambda one: (departures(one.law), one.misfit))


def score(laws: Sequence[Law], losses: np.ndarray, paper: np.ndarray) -> list[Scored]:
    """Misfits and their noise.

    Args:
        losses: shape (experiments, laws, values).
        paper: the values to meet, shape (values,).
    """
    random = np.random.default_rng(0)  # of the resampling: the same for all laws, so that these are compared well
    means = losses.mean(axis=0)
    misfits = _misfits(means, paper, FITTED)
    number = len(losses)
    again = [losses[random.integers(number, size=number)].mean(axis=0) for _ in range(RESAMPLES)]
    own = np.std([_misfits(mean, paper, FITTED) for mean in again], axis=0)
    picked = np.stack([_papers_shares(random, number) for _ in range(RESAMPLES)])
    gaps = misfits - misfits.min()
    scored = []
    for i, law in enumerate(laws):
        made = np.einsum("rev,ev->rv", picked, losses[:, i])
        theirs = np.stack([_misfits(means, values, FITTED) for values in made])  # (resamples, laws)
        chance = float(np.mean(theirs[:, i] - theirs.min(axis=1) >= gaps[i] - 1e-12))
        scored.append(
            Scored(law, means[i], float(misfits[i]), float(own[i]), float(np.sqrt(np.mean(theirs[:, i] ** 2))), chance)
        )
    return scored


def _papers_shares(random: np.random.Generator, number: int) -> np.ndarray:
    """Weights of the experiments in means like the paper's: of 20 for Tables 1 and 2, of 30 for each size of Table 3.

    Shape (experiments, values).
    """
    shares = np.empty((number, len(ALL_VALUES)))
    for key in sorted({(value.family, value.data_size) for value in ALL_VALUES}):
        drawn = random.integers(number, size=30 if key[1] > 5000 else 20)
        here = [(value.family, value.data_size) == key for value in ALL_VALUES]
        shares[:, here] = np.bincount(drawn, minlength=number)[:, None] / drawn.size
    return shares


def _misfits(means: np.ndarray, paper: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Root mean square of the log ratios over the fitted values, shape (laws,), of means of shape (laws, values)."""
    ratios = np.log(means[:, fitted] / paper[fitted])
    return np.asarray(np.sqrt(np.mean(ratios**2, axis=1)))


def _best(laws: Sequence[Law], misfits: np.ndarray) -> list[Law]:
    return [laws[i] for i in np.argsort(misfits, kind="stable")[:KEEP]]
