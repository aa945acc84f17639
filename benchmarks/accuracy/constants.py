"""`python -m benchmarks constants`: what each constant of `fit(x)` is worth: its losses with half and with twice of it.

Judged on samples with seeds of their own, and on the half of the densities that constants may be chosen on: L1 on the
Marron–Wand and Berlinet–Devroye densities, regret for new points, misfit on everyday data. A constant that is well
chosen loses little by either step, and gains by neither.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.progress import track

from ..everyday import run as everyday
from ..everyday.kinds import KINDS
from ..harness import environment
from ..harness.report import Sheet, publish
from ..methods.registry import AUTO
from . import new_points
from . import run as accuracy
from .cells import Measure, Task
from .densities import entries

FIRST_SEED = 1000  # of one sample in each cell; those that are reported begin with 0
SIZES, QUICK_SIZES = (300, 3000), (300,)

CONSTANTS = {
    "read_sample": ("EDGE_EVIDENCE", "BEND_RANGE", "BEND_EVIDENCE"),
    "tails": ("MOST_SHAPE", "HEAVY_SHARE", "PRIOR"),
    "choose": ("TEMPERATURE", "COMPLEXITY", "FAVOUR"),
    "final_basis": ("UNSEEN",),
    "all_widths": ("_PENALTY",),
    "coordinate": ("OWN", "GROWTH"),
}
"""By module of `fbgmm.auto`."""


@contextmanager
def multiplied(module: str, name: str, factor: float) -> Iterator[None]:
    """With a constant of `fbgmm.auto` multiplied; a share stays below 1. Programs compiled with another are dropped."""
    where = importlib.import_module(f"fbgmm.auto.{module}")
    before = getattr(where, name)
    after = tuple(factor * part for part in before) if isinstance(before, tuple) else factor * before
    setattr(where, name, min(after, 0.99) if name in ("OWN", "MOST_SHAPE") else after)
    jax.clear_caches()
    try:
        yield
    finally:
        setattr(where, name, before)
        jax.clear_caches()


def losses(sizes: Sequence[int]) -> dict[str, np.ndarray]:
    """Of `fit(x)`: L1, regret and misfit over what is allowed, on every sample."""
    tuned = [entry.name for entry in entries().values() if entry.half == "tune"]
    laws = list(new_points.LAWS)[::2]

    def of(measure: Measure, names: Iterable[str], sizes: Iterable[int]) -> list[dict[str, float]]:
        tasks = [Task(name, size, FIRST_SEED) for name in names for size in sizes]
        return [measure(task, AUTO)["losses"] for task in tasks]

    misfits = of(everyday.measure, KINDS, (50, 500))
    return {
        "l1": np.array([one["l1"] for one in of(accuracy.measure, tuned, sizes)]),
        "regret": np.array([one["regret"] for one in of(new_points.measure, laws, (50, *sizes))]),
        "misfit": np.array([one["misfit"] / one["allowed"] for one in misfits]),
    }


def compared(found: dict[str, np.ndarray], default: dict[str, np.ndarray]) -> dict[str, float]:
    """L1 over that of the default, geometric mean; mean regret less that of the default, in nats; number of misses."""
    return {
        "l1": float(np.exp(np.mean(np.log(found["l1"] / default["l1"])))),
        "regret": float(np.mean(found["regret"] - default["regret"])),
        "missed": int(np.count_nonzero(found["misfit"] > 1)),
    }


def _numbers(l1: float, regret: float, missed: int) -> tuple[str, str, str]:
    return f"{l1:.3f}", f"{regret:+.4f}", str(missed)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--constants", nargs="+", metavar="NAME", help="names (all)")
    parser.add_argument("--quick", action="store_true", help=f"N = {QUICK_SIZES[0]} only")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks constants`."""
    sizes = QUICK_SIZES if arguments.quick else SIZES
    named = [(m, name) for m, names in CONSTANTS.items() for name in names]
    named = [pair for pair in named if arguments.constants is None or pair[1] in arguments.constants]
    steps = [(*pair, factor) for pair in named for factor in (0.5, 2.0)]
    default = losses(sizes)
    rows: list[dict[str, Any]] = []
    for module, name, factor in track(steps, "constants", console=Console(stderr=True)):
        with multiplied(module, name, factor):
            rows.append({"constant": name, "module": module, "factor": factor} | compared(losses(sizes), default))
    lines = [
        [
            f"{row['module']}.{row['constant']}",
            f"×{row['factor']:g}",
            *_numbers(row["l1"], row["regret"], row["missed"]),
        ]
        for row in rows
    ]
    number, missed = len(default["misfit"]), int(np.count_nonzero(default["misfit"] > 1))
    note = (
        f"L1: over that of the default, geometric mean over the tune half of the densities at N = {sizes}; regret: "
        "mean over half of the laws of `new_points`, less that of the default, in nats a point; missed: of "
        f"{number} everyday samples ({missed} with the default). One sample in each cell, seed {FIRST_SEED}."
    )
    sheet = Sheet("Constants of fit(x), halved and doubled", ["constant", "", "L1", "regret", "missed"], lines, note)
    record = {"rows": rows, "seed": FIRST_SEED, **environment.description("float32")}
    publish(arguments.out, "constants", record, [sheet], console)
