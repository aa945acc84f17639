"""Command-line arguments of the benchmarks of estimators: targets, estimators, data sizes, seeds."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..methods import registry
from ..methods.names import ConfigError, Name, resolve
from .cells import Task


class Defaults(NamedTuple):
    """What is run where nothing else is asked for.

    Attributes:
        targets: the option that names targets, "densities" or "kinds".
        sizes, seeds: data sizes, and the number of samples of each; None where there is always one.
        quick_sizes, quick_seeds, quick_targets: the same of the short run; None for all targets.
        estimators: names; None for all.
        least_size: that can be asked for.
    """

    targets: str
    sizes: tuple[int, ...]
    quick_sizes: tuple[int, ...]
    seeds: int | None = None
    quick_seeds: int = 1
    quick_targets: tuple[str, ...] | None = None
    estimators: tuple[str, ...] | None = None
    quick_estimators: tuple[str, ...] | None = None
    least_size: int = 2


class Request(NamedTuple):
    """The grid that was asked for."""

    targets: list[str]
    estimators: list[str]
    sizes: list[int]
    seeds: range

    def tasks(self) -> list[Task]:
        """Small sizes first, and all targets at one seed before the next seed."""
        return [Task(name, size, seed) for size in self.sizes for seed in self.seeds for name in self.targets]


def add_arguments(parser: argparse.ArgumentParser, defaults: Defaults) -> None:
    sizes, quick = (" ".join(map(str, sizes)) for sizes in (defaults.sizes, defaults.quick_sizes))
    some = "all" if defaults.estimators is None else ", ".join(defaults.estimators)
    parser.add_argument(f"--{defaults.targets}", nargs="+", metavar="NAME", help="names, or groups of them (all)")
    parser.add_argument("--estimators", nargs="+", metavar="NAME", help=f"names, ours or rivals, module:name ({some})")
    parser.add_argument("--method", action="append", default=[], metavar="NAME", help="one more, such as module:name")
    parser.add_argument("--sizes", nargs="+", type=int, metavar="N", help=f"data sizes ({sizes})")
    if defaults.seeds is not None:
        parser.add_argument("--seeds", type=int, help=f"samples of each target and size ({defaults.seeds})")
        parser.add_argument("--first-seed", type=int, default=0, help="of these; tune on others than you report (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one for each core)")
    parser.add_argument("--quick", action="store_true", help=f"a short run: N = {quick}, few targets and seeds")


def requested(
    arguments: argparse.Namespace,
    defaults: Defaults,
    known: dict[str, list[str]],
    find_target: Callable[[str, str], tuple[Name, Any]] | None = None,
) -> Request:
    """The grid that the arguments ask for.

    Args:
        known: targets by group.
        find_target: finds other targets by name.

    Raises:
        ConfigError: a name that is not known, or a number that is too small.
    """
    quick = arguments.quick
    there = [name for group in known.values() for name in group]
    few = None if not quick or defaults.quick_targets is None else [n for n in defaults.quick_targets if n in there]
    asked = getattr(arguments, defaults.targets) or few
    targets = chosen(asked, known, f"--{defaults.targets}", find_target)
    some = defaults.quick_estimators if quick and defaults.quick_estimators else defaults.estimators
    present = None if some is None else [name for name in some if name not in registry.absent()]
    estimators = chosen(arguments.estimators or present, registry.by_group(), "--estimators", registry.find)
    estimators += chosen(arguments.method, {}, "--method", registry.find)
    sizes = list(dict.fromkeys(sorted(arguments.sizes or (defaults.quick_sizes if quick else defaults.sizes))))
    number, first = 1, 0
    if defaults.seeds is not None:
        first = arguments.first_seed
        number = arguments.seeds if arguments.seeds is not None else defaults.quick_seeds if quick else defaults.seeds
    least = {"--sizes": (min(sizes), defaults.least_size), "--seeds": (number, 1), "--jobs": (arguments.jobs, 1)}
    for what, (value, bound) in (least | {"--first-seed": (first, 0)}).items():
        if value < bound:
            raise ConfigError(f"{what}: found {value}; allowed: at least {bound}")
    return Request(targets, list(dict.fromkeys(estimators)), sizes, range(first, first + number))


def chosen(
    asked: Sequence[str] | None,
    known: dict[str, list[str]],
    what: str,
    find: Callable[[str, str], tuple[Name, Any]] | None = None,
) -> list[str]:
    """Names, or names of groups, as the names they stand for, each once; all where nothing was asked.

    Args:
        find: finds other names than these.

    Raises:
        ConfigError: a name that is not known.
    """
    single = {name: name for group in known.values() for name in group}
    found: list[str] = []
    for name in list(known) if asked is None else asked:
        if name in known:
            found += known[name]
        else:
            found.append(str(find(name, what)[0] if find and name not in single else resolve(name, single, what)[0]))
    return list(dict.fromkeys(found))
