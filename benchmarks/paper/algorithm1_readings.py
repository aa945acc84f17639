"""Readings of Algorithm 1, and whether one of them has the paper's losses (section 3.1, Tables 1 and 2).

In the paper Algorithms 1 and 2 agree to the second or third digit. What its text leaves open about Algorithm 1 is only
its kernel, what a point gives to the weight of a component k cells away, and what is done with negative numbers: in
every reading a pass is a sum over shifted counts, so that all are measured on the same counts (see `fbgmm.updates`).
480 readings have the side intervals end as far from the mean as the box prints it; as the ends of these intervals are
swapped in the text under Eq. 7, twice as many more have them begin there, or lie about that point.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

import fbgmm
from fbgmm.counts import count, total
from fbgmm.updates import interval_mass, lag_reach

from .experiment import fit_pi, map_experiments, over_widths
from .other_definitions import DATA_SIZE, KIND, WIDTHS, N
from .printed_values import paper_loss
from .targets import Kind, Target

Sides = Literal["mean", "sum", "greater", "lesser", "one"]
Place = Literal["ending", "about", "beginning"]


class Reading(NamedTuple):
    """One way to read Algorithm 1.

    Attributes:
        middle: length of k_mid in units of d, 1 (Eq. 3, 4) or 2 (the box).
        place, at: a side interval ends, lies about or begins `at` r from the mean: 1, or ½, the edge of the cell.
        side: length of a side interval in units of d.
        sides: what is subtracted: their mean (Eq. 7), sum, greater, lesser, or the upper one alone.
        parts: how many d make sigma.
        cut_kernel, cut_weights: whether negative parts of the kernel, or of the weights, are set to 0.
    """

    middle: int
    at: float
    side: int
    sides: Sides
    parts: int
    cut_kernel: bool
    cut_weights: bool
    place: Place = "ending"

    def words(self) -> str:
        """The reading in words."""
        cut = [name for name, is_cut in (("kernel", self.cut_kernel), ("weights", self.cut_weights)) if is_cut]
        sides = {"one": "one side"}.get(self.sides, f"{self.sides} of the sides")
        length = {1: "d", 2: "2d"}
        at = {1.0: "r", 0.5: "r/2"}[self.at]
        return (
            f"middle of length {length[self.middle]}, {sides} of length {length[self.side]} {self.place} {at} from the "
            f"mean, d = σ/{self.parts}, negative {'parts of ' + ' and '.join(cut) + ' cut' if cut else 'parts kept'}"
        )


READINGS = tuple(
    Reading(*choices, place)
    for place in get_args(Place)
    for choices in product((2, 1), (1.0, 0.5), (1, 2), get_args(Sides), (4, 6, 12), (False, True), (True, False))
)
AS_PRINTED = len(READINGS) // len(get_args(Place))
"""So many of them, the first, have side intervals that end where the box has it."""
DEFAULT = Reading(2, 1.0, 1, "mean", 4, False, True)
"""The reading of `fbgmm.algorithm1`."""

_BLOCK = 5  # experiments at a time, of 1440 mixtures each


def readings_losses(experiments: int, seed: int, kind: Kind = KIND) -> tuple[np.ndarray, np.ndarray]:
    """Losses of all READINGS, shape (experiments, 3, readings), and of Algorithm 2, shape (experiments, 3); 3 widths.

    The experiments are those of the sweep's cells with the same seed.
    """
    program = jax.jit(lambda seed, start: map_experiments(_losses, kind, DATA_SIZE, seed, start, _BLOCK))
    blocks = [program(np.int32(seed), np.int32(start)) for start in range(0, experiments, _BLOCK)]
    ours, theirs = (
        np.concatenate([np.asarray(part, np.float64) for part in parts]) for parts in zip(*blocks, strict=True)
    )
    return ours[:experiments], theirs[:experiments]


def paper_ratios(kind: Kind = KIND) -> np.ndarray:
    """The paper's loss of Algorithm 1 over that of Algorithm 2, at each width, shape (3,)."""
    losses = [[paper_loss(kind, algorithm, N, t, DATA_SIZE) for t in WIDTHS] for algorithm in (1, 2)]
    return np.divide(*np.array(losses, np.float64))


def nearest(ratios: np.ndarray, wanted: np.ndarray) -> int:
    """The reading whose ratios, shape (3, readings), have the least root mean square of log(ours/paper)."""
    return int(np.argmin(np.mean(np.log(ratios / wanted[:, None]) ** 2, axis=0)))


def kernels(lag: jax.Array, t: jax.Array) -> jax.Array:
    """What a point gives to the weight of the component `lag` cells above its nearest mean, as `fbgmm.updates.step1`.

    Args:
        lag: in cells, shape (lags,).
        t: sigma/r.

    Returns:
        Of every reading, shape (readings, lags).
    """
    columns = [np.array(column)[:, None] for column in zip(*READINGS, strict=True)]
    middle, at, side, sides, parts, cut_kernel, _, place = columns
    d, r = 1 / jnp.asarray(parts, lag.dtype), 1 / t  # in units of sigma
    here = -lag[None] * r
    half, length = middle * d / 2, side * d
    end = jnp.asarray(at, lag.dtype) * r + length * jnp.select([place == "about", place == "beginning"], [0.5, 1.0])
    above = interval_mass(here + end - length, here + end)
    below = interval_mass(here - end, here - end + length)
    combined = {
        "mean": (above + below) / 2,
        "sum": above + below,
        "greater": jnp.maximum(above, below),
        "lesser": jnp.minimum(above, below),
        "one": above,
    }
    subtracted = jnp.select([jnp.asarray(sides == name) for name in combined], list(combined.values()))
    found = interval_mass(here - half, here + half) - subtracted
    return jnp.where(cut_kernel, jnp.maximum(found, 0), found)


def all_weights(c: jax.Array, basis: fbgmm.Basis) -> jax.Array:
    """Weights of every reading from the counts c of shape (n,), shape (readings, n)."""
    reach = lag_reach(basis)
    lags = jnp.arange(-reach, reach + 1, dtype=c.dtype)
    near = np.arange(c.size)[:, None] + np.arange(2 * reach, -1, -1)  # lag −reach takes from the cell reach above
    pi = 1 / c.size + kernels(lags, basis.t) @ jnp.pad(c, reach)[near].T
    cut = jnp.asarray([reading.cut_weights for reading in READINGS])[:, None]
    return fbgmm.normalize(jnp.where(cut, jnp.maximum(pi, 0), pi))


def _losses(target: Target, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    def loss(basis: fbgmm.Basis, pi: jax.Array) -> jax.Array:
        return fbgmm.information_loss(target.cdf, fbgmm.Mixture(basis, pi))

    def at_width(basis: fbgmm.Basis) -> tuple[jax.Array, jax.Array]:
        pi = all_weights(total(count(basis, x)), basis)
        return jax.vmap(partial(loss, basis))(pi), loss(basis, fit_pi(fbgmm.algorithm2(), basis, x))

    found: tuple[jax.Array, jax.Array] = over_widths(at_width, x, N, WIDTHS, N)
    return found
