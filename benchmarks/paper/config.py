"""The config of a sweep: a grid, read from TOML and checked key by key."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from ..harness.environment import PRECISIONS, Precision
from .experiment import ALGORITHMS, AlgorithmName
from .targets import KINDS, Kind


class ConfigError(ValueError):
    """A config that cannot be run: the message names the key, what was found and what is allowed."""


class Cell(NamedTuple):
    """One point of the grid: what is measured at once, over a number of experiments."""

    kind: Kind
    algorithm: AlgorithmName
    n: int
    t: float
    data_size: int
    seed: int
    experiments: int
    precision: Precision


@dataclass(frozen=True)
class Config:
    """A grid of cells: the product of the tuples. In TOML each is a list (or one value); the names are the same.

    Attributes:
        kind: random targets, "normal" or "mixed"; "normal-1" or "mixed-1" for those by the former law.
        algorithm: 1, 2, or a reading by name, such as "2:minus_dL_over_n".
        n: numbers of components.
        t: sigma in units of the spacing of the means.
        data_size: numbers of points.
        experiments: random targets for each cell, with one sample of each.
        seed: each seed draws other targets and samples; the same for all other cells.
        precision: "float32" or "float64".
    """

    kind: tuple[Kind, ...]
    algorithm: tuple[AlgorithmName, ...]
    n: tuple[int, ...]
    t: tuple[float, ...]
    data_size: tuple[int, ...]
    experiments: int
    seed: tuple[int, ...] = (0,)
    precision: Precision = "float32"

    def cells(self) -> Iterator[Cell]:
        """All cells, the last-named axis running fastest."""
        for kind, seed, data_size, algorithm, n, t in product(
            self.kind, self.seed, self.data_size, self.algorithm, self.n, self.t
        ):
            yield Cell(kind, algorithm, n, t, data_size, seed, self.experiments, self.precision)


def read_config(path: Path, **overrides: Any) -> Config:
    """The config in a TOML file, with some keys overridden.

    Raises:
        ConfigError: no such file, no TOML, or as `make_config`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    try:
        return make_config({**raw, **overrides})
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from error


def make_config(raw: dict[str, Any]) -> Config:
    """The config that a mapping of keys to values describes.

    Raises:
        ConfigError: an unknown or missing key, an empty list, a repeated value, a value of the wrong type or size.
    """
    names = [field.name for field in fields(Config)]
    for key in raw:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(f"unknown key {key!r}{hint}; allowed: {', '.join(names)}")
    for key in names:
        if key not in raw and key not in ("seed", "precision"):
            raise ConfigError(f"the key {key!r} is missing; allowed: {_RULES[key].allowed}")
    return Config(**{key: _checked(key, value) for key, value in raw.items()})


class _Rule(NamedTuple):
    good: Callable[[Any], bool]
    allowed: str
    one: bool = False  # a single value instead of a list


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31


def _one_of(value: Any, choices: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool) and value in choices


def _width(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


_RULES = {
    "kind": _Rule(lambda v: _one_of(v, KINDS), f"a list of {', '.join(map(repr, KINDS))}"),
    "algorithm": _Rule(lambda v: _one_of(v, ALGORITHMS), f"a list of {', '.join(map(repr, ALGORITHMS))}"),
    "n": _Rule(lambda v: _whole(v, 1), "a list of integers of at least 1"),
    "t": _Rule(_width, "a list of finite numbers above 0"),
    "data_size": _Rule(lambda v: _whole(v, 2), "a list of integers of at least 2"),
    "seed": _Rule(lambda v: _whole(v, 0), "a list of integers of at least 0, below 2^31"),
    "experiments": _Rule(lambda v: _whole(v, 2), "one integer of at least 2 (an interval needs two)", one=True),
    "precision": _Rule(lambda v: _one_of(v, PRECISIONS), f"one of {', '.join(map(repr, PRECISIONS))}", one=True),
}


def _checked(key: str, value: Any) -> Any:
    good, allowed, one = _RULES[key]
    if one:
        if not good(value):
            raise ConfigError(f"{key} must be {allowed}; found {value!r}")
        return value
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not values:
        raise ConfigError(f"{key} is empty; allowed: {allowed}, at least one")
    for each in values:
        if not good(each):
            raise ConfigError(f"{key} must be {allowed}; found {each!r}")
    if key == "t":
        values = [float(each) for each in values]
    if len(set(values)) < len(values):
        raise ConfigError(f"{key} must not repeat a value; found {values!r}")
    return tuple(values)
