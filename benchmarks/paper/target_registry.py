"""The registry of targets: what samples are drawn from, by name, for sweeps and the accuracy benchmark.

Names are the paper's random targets, the densities and data sets of the accuracy benchmark, the user's own
(`module:name`), and files of data (`file:PATH`, or `file:PATH#COLUMN` for one column of several).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from fbgmm.sources import file_source

from ..accuracy.densities import density_of, entries, generators
from ..accuracy.losses import KnownDensity
from ..accuracy.real_samples import samples
from ..methods.names import FILE, ConfigError, called_if_needed, is_own, load, module_of, needed_arguments, resolve
from .experiment import map_experiments
from .targets import KINDS, Kind

NEW_POINTS = 20_000
"""Points drawn from a target to score an estimate on. Of a file these are the points that were not fitted."""


class Drawn(NamedTuple):
    """A sample, the density it comes from where that is known, and how to draw new points."""

    x: np.ndarray
    density: KnownDensity | None
    draw_new: Callable[[], np.ndarray]


class TargetKind(NamedTuple):
    """What samples are drawn from.

    Attributes:
        draw: from a data size and seeds, of which the last is the number of the experiment. Of data, size 0 is half.
        known: whether its distribution function is known.
        most: the largest data size; None for any.
        roots: what its samples follow from, beside its name.
    """

    draw: Callable[[int, tuple[int, ...]], Drawn]
    known: bool = True
    most: int | None = None
    roots: tuple[Any, ...] = ()


def find(name: Any, what: str = "kind") -> tuple[str, TargetKind]:
    """A kind of targets with its name as the registry spells it.

    Raises:
        ConfigError: there is none of this name, or the user's own object or file cannot be used.
    """
    if isinstance(name, str) and name.startswith(FILE):
        return name, _of_data(name, read_file(name))
    known = _kinds() if name in _kinds() or is_own(name) else _kinds() | _real_kinds()
    found, kind = resolve(name, known, what, _own)
    return str(found), kind


@cache
def _kinds() -> dict[str, TargetKind]:
    roots = (_draw, entries)
    paper = {str(kind): TargetKind(partial(_draw_random_target, kind), roots=(_draw_random_target,)) for kind in KINDS}
    return paper | {name: TargetKind(partial(_draw, name, e.make), roots=roots) for name, e in entries().items()}


@cache  # apart, because the libraries that ship the samples take seconds to import
def _real_kinds() -> dict[str, TargetKind]:
    return {name: _of_data(name, x) for name, x in samples().items()}


def _draw_random_target(kind: Kind, size: int, seeds: tuple[int, ...]) -> Drawn:
    """The target and sample of an experiment, those of the compiled sweeps."""
    seed, i = (0, *seeds)[-2:]
    target, x = _random_target_program(kind, size, bool(jax.config.read("jax_enable_x64")))(seed, i)
    density = density_of(jax.tree.map(lambda leaf: leaf[0], target))
    (rng,) = generators(kind, size, *seeds, streams=1)
    return Drawn(np.asarray(x[0], np.float64), density, lambda: density.sample(rng, NEW_POINTS))


@cache
def _random_target_program(kind: Kind, size: int, _x64: bool) -> Callable[[int, int], Any]:
    return jax.jit(lambda seed, i: map_experiments(lambda target, x: (target, x), kind, size, seed, i, 1))


def _draw(
    name: str, make: Callable[[int], KnownDensity], size: int, seeds: tuple[int, ...], known: bool = True
) -> Drawn:
    density = make(seeds[-1])
    first, second = generators(name, size, *seeds, streams=2)
    return Drawn(density.sample(first, size), density if known else None, lambda: density.sample(second, NEW_POINTS))


def _of_data(name: str, x: np.ndarray) -> TargetKind:
    """Data, of which each experiment fits a random part and scores the rest."""

    def draw(size: int, seeds: tuple[int, ...]) -> Drawn:
        (rng,) = generators(name, size, *seeds, streams=1)
        order, size = rng.permutation(x.size), size or x.size // 2
        return Drawn(x[order[:size]], None, lambda: x[order[size:]])

    return TargetKind(draw, known=False, most=x.size - 1, roots=(_of_data, x))


class OwnDensity:
    """The user's own density: a distribution of scipy, an object with `sample(rng, number)`, or such a function."""

    def __init__(self, found: Any, name: str) -> None:
        self._found, self._name = found, name
        self.known = hasattr(found, "cdf")
        self._sample = getattr(found, "sample", found)
        if hasattr(found, "rvs"):
            self._sample = lambda rng, number: found.rvs(size=number, random_state=rng)

    def cdf(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._found.cdf(np.asarray(x, np.float64)), np.float64)

    def sample(self, rng: np.random.Generator, number: int) -> np.ndarray:
        x = np.asarray(self._sample(rng, number), np.float64)
        if x.shape != (number,) or not np.isfinite(x).all():
            raise ConfigError(f"{self._name} drew shape {x.shape}; allowed: {number} finite numbers, shape ({number},)")
        return x

    def nodes(self, number: int) -> np.ndarray:
        return np.unique(self.sample(np.random.default_rng(0), number))


@cache
def _own(name: str) -> TargetKind:
    found = called_if_needed(load(name), name)
    if isinstance(found, type) or not (
        hasattr(found, "sample") or hasattr(found, "rvs") or (callable(found) and needed_arguments(found) == 2)
    ):
        raise ConfigError(
            f"{name} is {found!r}; allowed: a distribution of scipy, an object with sample(rng, number) and cdf(x), a "
            "function (rng, number) → points, or a function without arguments that returns one of these"
        )
    density = OwnDensity(found, name)
    draw = partial(_draw, name, lambda i: density, known=density.known)
    return TargetKind(draw, density.known, roots=(_own, module_of(name)))


@cache
def read_file(name: str) -> np.ndarray:
    """The numbers of `file:PATH` or `file:PATH#COLUMN`, float64, shape (N,).

    Raises:
        ConfigError: they cannot be read, are not finite, or are fewer than three.
    """
    path, _, column = name.removeprefix(FILE).partition("#")
    try:
        parts = [np.asarray(part, np.float64) for part in file_source(Path(path), column or None)]
    except (OSError, ValueError, ModuleNotFoundError) as error:
        raise ConfigError(f"{name}: {error}") from error
    x = np.concatenate(parts) if parts else np.empty(0)
    if x.size < 3 or not np.isfinite(x).all():
        raise ConfigError(f"{name} holds {x.size} numbers, {np.isfinite(x).sum()} finite; allowed: 3 or more, finite")
    return x
