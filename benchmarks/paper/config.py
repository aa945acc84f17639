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
from ..methods import registry
from ..methods.names import ConfigError, Name
from . import metrics, target_registry
from .metrics import INFORMATION_LOSS

__all__ = ["Cell", "Config", "ConfigError", "make_config", "read_config"]


class Cell(NamedTuple):
    """One point of the grid: what is measured at once, over a number of experiments."""

    kind: str
    algorithm: Name
    n: int
    t: float
    data_size: int
    seed: int
    experiments: int
    precision: Precision
    metric: str = INFORMATION_LOSS


@dataclass(frozen=True)
class Config:
    """A grid of cells: the product of the tuples. In TOML each is a list (or one value); the names are the same.

    Attributes:
        kind: targets by name, as in `target_registry`: random ones such as "normal" and "mixed", test densities, the
            user's own as "module:name", files as "file:PATH".
        algorithm: methods by name, as in `benchmarks.methods.registry`: 1, 2, a reading such as
            "2:minus_dL_over_n", any estimator, the user's own as "module:name".
        n: numbers of components.
        t: sigma in units of the spacing of the means.
        data_size: numbers of points.
        experiments: random targets for each cell, with one sample of each.
        seed: each seed draws other targets and samples; the same for all other cells.
        precision: "float32" or "float64".
        metric: by name, as in `metrics`, or the user's own as "module:name".
    """

    kind: tuple[str, ...]
    algorithm: tuple[Name, ...]
    n: tuple[int, ...]
    t: tuple[float, ...]
    data_size: tuple[int, ...]
    experiments: int
    seed: tuple[int, ...] = (0,)
    precision: Precision = "float32"
    metric: tuple[str, ...] = (INFORMATION_LOSS,)

    def cells(self) -> Iterator[Cell]:
        """All cells, the last-named axis running fastest."""
        for kind, seed, data_size, algorithm, n, t, metric in product(
            self.kind, self.seed, self.data_size, self.algorithm, self.n, self.t, self.metric
        ):
            yield Cell(kind, algorithm, n, t, data_size, seed, self.experiments, self.precision, metric)


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
        ConfigError: an unknown or missing key, an empty list, a repeated value, a value of the wrong type or size, a
            name that is not known, values that do not go together.
    """
    names = [field.name for field in fields(Config)]
    for key in raw:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(f"unknown key {key!r}{hint}; allowed: {', '.join(names)}")
    for key in names:
        if key not in raw and key not in ("seed", "precision", "metric"):
            raise ConfigError(f"the key {key!r} is missing; allowed: {_RULES[key].allowed}")
    config = Config(**{key: _checked(key, value) for key, value in raw.items()})
    _check_together(config)
    return config


def _check_together(config: Config) -> None:
    """Raises ConfigError for a kind without a density with a metric that needs it, or with too little data."""
    needing = [metric for metric in config.metric if metrics.find(metric)[1].needs_truth]
    for kind in config.kind:
        _, target = target_registry.find(kind)
        if needing and not target.known:
            fit = [name for name, metric in metrics.METRICS.items() if not metric.needs_truth]
            raise ConfigError(
                f"metric: found {needing[0]!r}, which needs the true distribution function, and kind = {kind!r}, which "
                f"has none; allowed with it: {', '.join(map(repr, fit))} or your own"
            )
        if target.most is not None and max(config.data_size) > target.most:
            raise ConfigError(
                f"data_size: found {max(config.data_size)}, but {kind!r} holds {target.most + 1} points, of which one "
                f"or more are kept to score; allowed: at most {target.most}"
            )


class _Rule(NamedTuple):
    """What a key may be.

    Attributes:
        good: whether a value is.
        one: a single value instead of a list.
        spelt: to the value that the cells have, where that is another one; of names as the registry spells them.
    """

    good: Callable[[Any], bool]
    allowed: str
    one: bool = False
    spelt: Callable[[Any], Any] = lambda value: value


def _name(find: Callable[[Any], tuple[Name, Any]], example: str) -> _Rule:
    """A name, which is looked up: errors are those of the registry."""
    return _Rule(lambda value: True, f"a list of names, such as {example}", spelt=lambda value: find(value)[0])


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31


def _width(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


_RULES = {
    "kind": _name(target_registry.find, "'normal'"),
    "algorithm": _name(lambda name: registry.find(name, "algorithm"), "1 and 2"),
    "metric": _name(metrics.find, "'L1'"),
    "n": _Rule(lambda v: _whole(v, 1), "a list of integers of at least 1"),
    "t": _Rule(_width, "a list of finite numbers above 0", spelt=float),
    "data_size": _Rule(lambda v: _whole(v, 2), "a list of integers of at least 2"),
    "seed": _Rule(lambda v: _whole(v, 0), "a list of integers of at least 0, below 2^31"),
    "experiments": _Rule(lambda v: _whole(v, 2), "one integer of at least 2 (an interval needs two)", one=True),
    "precision": _Rule(
        lambda v: isinstance(v, str) and v in PRECISIONS, f"one of {', '.join(map(repr, PRECISIONS))}", one=True
    ),
}


def _checked(key: str, value: Any) -> Any:
    good, allowed, one, spelt = _RULES[key]
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
    values = [spelt(each) for each in values]
    if len(set(values)) < len(values):
        raise ConfigError(f"{key} must not repeat a value; found {values!r}")
    return tuple(values)
