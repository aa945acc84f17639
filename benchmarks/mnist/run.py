"""`python -m benchmarks mnist`: how good the digits are that each density of latent codes gives, in one run.

For each seed an autoencoder is trained; every method fits the codes of the training images, is timed, and draws as many
codes of each digit as there are test images of it; one decoder turns them into images, and a classifier trained apart
judges these. Each result is a file, so that a killed run goes on where it was; one is made anew when the code or the
settings it depends on have changed.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from rich.console import Console

from ..harness import environment
from ..harness.files import remove_leftovers
from ..paper.config import ConfigError
from .report import write_report

SEEDS = 3
NEEDED = "flax", "optax", "orbax", "pooch", "sklearn"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, help=f"trainings, each with its own samples ({SEEDS})")
    parser.add_argument("--quick", action="store_true", help="2,000 training and test images, one seed")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks mnist`.

    Raises:
        ConfigError: packages that are not installed, seeds < 1, or a folder that holds another training.
        OSError: the data are not there or not what they should be.
    """
    absent = [package for package in NEEDED if find_spec(package) is None]
    if absent:
        raise ConfigError(f'mnist needs {", ".join(absent)}; install with: pip install -e ".[bench,nn,peers]"')
    from fbgmm.nn.train.progress import progress_bars  # here: the other benchmarks do without the extra `nn`

    from . import cells
    from .case import FULL, QUICK, folder_of, prepare

    quick = arguments.quick
    number = arguments.seeds if arguments.seeds is not None else 1 if quick else SEEDS
    if number < 1:
        raise ConfigError(f"--seeds: {number} is too small")
    sizes, seeds = QUICK if quick else FULL, range(number)
    folder = folder_of(arguments.out, quick)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    todo: dict[int, list[tuple[str, str]]] = {}
    for seed, kind, name, found in cells.results(folder, sizes, seeds):
        if found is None:
            todo.setdefault(seed, []).append((kind, name))
    if not todo:
        console.print(f"all results were there already, in {folder}")
    with progress_bars() as progress:
        for seed, missing in todo.items():
            case, _ = prepare(seed, sizes, folder, progress)
            for i, (kind, name) in enumerate(missing):
                cells.make(case, kind, name)
                progress(f"methods, seed {seed}", i + 1, len(missing))
    records = [(seed, kind, name, f) for seed, kind, name, f in cells.results(folder, sizes, seeds) if f is not None]
    write_report(arguments.out, records, environment.description("float32"), console, quick)
