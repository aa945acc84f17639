"""The paper's values for Algorithm 2 under many laws of the random targets at once (section 3.1, Tables 1–3).

Algorithm 2 sees a sample only through its counts, so no sample is drawn. With u_1 < … < u_N the order statistics of N
uniform numbers and F the target's cdf, F⁻¹(u_1) … F⁻¹(u_N) is a sample of the target: its range are two quantiles, and
a cell [a, b] holds as many points as there are u between F(a) and F(b). The uniform numbers, and the keys that the
targets are drawn with, are the same for all laws: what two laws differ by does not hang on chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import stdtr

from fbgmm.updates import interval_mass, step2

from .printed_values import paper_loss
from .targets import Family, Law, Target, draw_target


class Value(NamedTuple):
    """One of the paper's numbers for Algorithm 2: where it stands."""

    family: Family
    n: int
    t: float
    data_size: int

    @property
    def paper(self) -> float:
        loss = paper_loss(self.family, 2, self.n, self.t, self.data_size)
        assert loss is not None, self
        return loss

    @property
    def contradicts(self) -> bool:
        """Whether it contradicts its neighbours in the paper's own Table 3, so that no law can meet it and them.

        At n = 1000 nearly all of the loss is noise, which falls by √2.5 from 20,000 to 50,000 points; at n = 100 nearly
        all is smoothing, which does not depend on the number of points.
        """
        return (self.n, self.data_size) in {(1000, 20_000), (100, 50_000)}

    def __str__(self) -> str:
        if self.data_size > 5000:
            return f"Table 3, N = {self.data_size:,}, n = {self.n}"
        return f"Table {1 if self.family == 'normal' else 2}, {self.t:g}r"


COMPONENTS = (10, 30, 50, 100, 200, 500, 1000)
NORMAL_VALUES = (
    *(Value("normal", 200, t, 5000) for t in (1.0, 2.0, 3.0)),
    *(Value("normal", n, 3.0, size) for size in (20_000, 50_000) for n in COMPONENTS),
)
MIXED_VALUES = tuple(Value("mixed", 200, t, 5000) for t in (1.0, 2.0, 3.0))
VALUES: dict[Family, tuple[Value, ...]] = {"normal": NORMAL_VALUES, "mixed": MIXED_VALUES}
ALL_VALUES = (*NORMAL_VALUES, *MIXED_VALUES)

_LEAST = 2.0**-20
"""What is cut off the uniform numbers at either end: in float32 they may be 0, and a cdf may stay below 1, and then
there is no quantile. One sample of 50,000 points in ten would have had a point further out."""
_HALVINGS = 40  # of ±_FAR, to below the spacing of float32 at 1
_FAR = 1e4  # beyond the extremes of 50,000 points of a Student-t with 2 degrees of freedom and scale 3


class LawLosses:
    """Losses of many laws on the same targets, one compiled program for a family and a number of laws.

    Args:
        width: the number of laws in a call of the program; more laws are more calls.
        seed: of the targets and their samples.
        advance: is told how many experiments, each for up to `width` laws, were computed.
    """

    def __init__(self, width: int, seed: int, advance: Callable[[float], None] = lambda number: None) -> None:
        self._width, self._advance = width, advance
        keys = jax.random.split(jax.random.key(seed))
        self._run = {family: jax.jit(partial(_losses_of_experiment, family, *keys)) for family in VALUES}

    def of_family(self, family: Family, laws: Sequence[Law], experiments: range) -> np.ndarray:
        """Of a family's VALUES, shape (experiments, laws, values). Experiment i is the same whatever the others are."""
        parts = []
        for start in range(0, len(laws), self._width):
            part = list(laws[start : start + self._width])
            part += [part[-1]] * (self._width - len(part))
            columns = Law(*(jnp.asarray(np.array(column)) for column in zip(*part, strict=True)))
            found = []
            for i in experiments:
                found.append(np.asarray(self._run[family](np.int32(i), columns), np.float64))
                self._advance(1)
            parts.append(np.stack(found))
        return np.concatenate(parts, axis=1)[:, : len(laws)]

    def of_both(self, laws: Sequence[Law], experiments: range) -> np.ndarray:
        """Of ALL_VALUES; the part of normal targets is computed once for all laws that share it."""
        parts = [Law(*law[:5]) for law in laws]
        shared = list(dict.fromkeys(parts))
        normal = self.of_family("normal", shared, experiments)[:, [shared.index(part) for part in parts]]
        return np.concatenate([normal, self.of_family("mixed", laws, experiments)], axis=2)


def _losses_of_experiment(
    family: Family, key_target: jax.Array, key_sample: jax.Array, i: jax.Array, laws: Law
) -> jax.Array:
    """Losses of one experiment, shape (laws, values)."""
    key_i = jax.random.fold_in(key_target, i)
    targets = jax.vmap(partial(draw_target, key_i, family))(laws)
    values = VALUES[family]
    columns: dict[Value, jax.Array] = {}
    for size in sorted({value.data_size for value in values}):
        here = tuple(value for value in values if value.data_size == size)
        key = jax.random.fold_in(jax.random.fold_in(key_sample, i), size)
        u = jnp.sort(jax.random.uniform(key, (size,), minval=_LEAST, maxval=1 - _LEAST))
        for value, column in zip(here, jax.vmap(partial(_losses, u, here))(targets), strict=True):
            columns[value] = column
    return jnp.stack([columns[value] for value in values], axis=-1)


def _losses(u: jax.Array, values: Sequence[Value], target: Target) -> list[jax.Array]:
    """Losses of the values that one sample gives, the target's quantiles at the sorted u."""
    ends = _quantiles(target, jnp.stack([u[0], u[-1]]))
    cells: dict[int, tuple[jax.Array, jax.Array]] = {}
    for grid, multiples in nested({value.n for value in values}).items():
        edges = ends[0] + (ends[1] - ends[0]) * jnp.arange(grid + 1, dtype=u.dtype) / grid
        heap = _cdf(target, edges)
        below = jnp.searchsorted(u, heap, side="right").astype(u.dtype)
        below = below.at[0].set(0).at[-1].set(u.size)  # the ends are points themselves, to rounding
        for n in multiples:
            cells[n] = heap[:: grid // n], jnp.diff(below[:: grid // n])
    return [algorithm2_loss(*cells[value.n], value.t) for value in values]


def nested(numbers: set[int]) -> dict[int, list[int]]:
    """Numbers of cells by the finest grid whose cells theirs are made of."""
    found: dict[int, list[int]] = {}
    for n in sorted(numbers, reverse=True):
        grid = next((grid for grid in found if grid % n == 0), n)
        found.setdefault(grid, []).append(n)
    return found


def algorithm2_loss(heap: jax.Array, c: jax.Array, t: float) -> jax.Array:
    """Eq. 9 of Algorithm 2's mixture, by counts.

    Args:
        heap: the target's cdf at the edges of the cells, shape (n + 1,).
        c: counts of the cells, shape (n,).
        t: sigma/r.
    """
    pi = 1 / c.size + step2(jnp.asarray(t, c.dtype)) * c
    pi /= jnp.sum(pi)
    reach = math.ceil(6 * t) + 1  # in cells: beyond it a component has no mass in float32
    lags = jnp.arange(-reach, reach + 1, dtype=c.dtype)
    masses = jnp.convolve(pi, interval_mass((lags - 0.5) / t, (lags + 0.5) / t))
    left, inside, right = jnp.split(masses, [reach, reach + c.size])
    tails = jnp.abs(heap[0] - jnp.sum(left)) + jnp.abs(1 - heap[-1] - jnp.sum(right))
    return tails + jnp.sum(jnp.abs(jnp.diff(heap) - inside))


def _quantiles(target: Target, u: jax.Array) -> jax.Array:
    """The target's quantiles at u, by halving."""

    def halve(_: int, bracket: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bracket
        middle = (low + high) / 2
        above = _cdf(target, middle) < u
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, (jnp.full_like(u, -_FAR), jnp.full_like(u, _FAR)))
    return (low + high) / 2


def _cdf(target: Target, x: jax.Array) -> jax.Array:
    return target.cdf(x, student_t_cdf)


_NODES = 4096  # for each number of degrees of freedom; read off linearly, to 1e-7
_MOST_DF = 30


def student_t_cdf(z: jax.Array, df: jax.Array) -> jax.Array:
    """Student's t for 2 … 30 degrees of freedom, from a table that is even in the angle atan(z/√df): in it the cdf is
    smooth up to both ends. About 60 times as fast as the incomplete beta function.
    """
    angle = jnp.arctan2(z, jnp.sqrt(df))
    position = (angle / math.pi + 0.5) * _NODES
    below = jnp.clip(jnp.floor(position), 0, _NODES - 1)
    start = (jnp.broadcast_to(df, z.shape) - 2) * (_NODES + 1)
    row = start.astype(jnp.int32) + below.astype(jnp.int32)
    table = jnp.asarray(_student_t_table(), z.dtype)
    return table[row] + (position - below) * (table[row + 1] - table[row])


@cache
def _student_t_table() -> np.ndarray:
    """The cdf, the degrees of freedom one after the other, shape (29·(_NODES + 1),)."""
    angle = (np.arange(1, _NODES) / _NODES - 0.5) * math.pi
    rows = [[0.0, *stdtr(df, math.sqrt(df) * np.tan(angle)), 1.0] for df in range(2, _MOST_DF + 1)]
    return np.ravel(rows)
