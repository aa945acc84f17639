"""`python -m benchmarks regression`: networks that output densities, on nine UCI sets with the literature's splits.

All methods share the trunk (one hidden layer of 50 units, 100 for protein), the optimiser, the trials and the ensemble;
hyper-parameters are chosen on validation parts of each training set. Each set and method is a file, and each training
has checkpoints, so that a killed run goes on where it was.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec

import jax
from rich.console import Console

from ..harness import cells as kept
from ..harness import environment
from ..harness.files import remove_leftovers
from ..paper.config import ConfigError
from .report import SETS, write_report

QUICK_SETS = "yacht", "boston"
NEEDED = "flax", "optax", "orbax", "sklearn"
ORDER = "yacht", "boston", "energy", "concrete", "wine", "protein", "naval", "power", "kin8nm"  # small ones first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sets", nargs="+", metavar="SET", help=f"some of {', '.join(SETS)} (all)")
    parser.add_argument("--quick", action="store_true", help=f"{' and '.join(QUICK_SETS)}, three splits")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks regression`.

    Raises:
        ConfigError: packages that are not installed, unknown sets, a folder that holds another training.
        OSError: the data are not there or not what they should be.
    """
    absent = [package for package in NEEDED if find_spec(package) is None]
    if absent:
        raise ConfigError(f'regression needs {", ".join(absent)}; install with: pip install -e ".[bench,nn,peers]"')
    from fbgmm.nn.train.progress import progress_bars  # here: the other benchmarks do without the extra `nn`

    from . import cells, training

    quick = arguments.quick
    asked = arguments.sets or (QUICK_SETS if quick else ORDER)
    unknown = [name for name in asked if name not in SETS]
    if unknown:
        raise ConfigError(f"--sets: unknown {', '.join(unknown)}; allowed: {', '.join(SETS)}")
    folder = training.folder_of(arguments.out, quick)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    records = {}
    with progress_bars() as progress:
        for name in asked:
            case, plan = training.case_of(name, quick)
            for method in cells.METHODS:
                wanted = cells.identity(method, plan, len(case.y))
                path = cells.path_of(folder, name, method)
                found = kept.read(path, wanted)
                if found is None:
                    try:
                        found = cells.run_method(case, plan, method, folder, progress)
                    except ValueError as error:
                        raise ConfigError(f"{name}, {method}: {error}") from error
                    kept.write(path, wanted, found)
                records[name, method] = found
            jax.clear_caches()  # compiled programs take memory maps, of which a process may hold 65,530 on Linux
    write_report(arguments.out, records, environment.description("float32"), console, quick)
