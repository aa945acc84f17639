"""Timing and memory: compiled first, blocked until ready, all contenders in turn, medians."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

Work = Callable[[], Any]


class Timing(NamedTuple):
    """Seconds of one contender. The first call compiles; the rounds come after it."""

    first: float
    median: float
    quartiles: tuple[float, float]
    rounds: int


def race(contenders: dict[str, Work], rounds: int, budget: float) -> Iterator[tuple[str, Timing]]:
    """Runs the contenders in turn, round after round, so that a drift of the machine's speed meets all of them alike.

    Args:
        contenders: by name; each call does the whole work and returns what must be ready.
        rounds: at most; at least 3.
        budget: seconds after which a slow contender stops after the rounds it has.
    """
    first = {name: seconds_of(work) for name, work in contenders.items()}
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(max(rounds, 3)):
        for name, work in contenders.items():
            if len(spent[name]) < 3 or sum(spent[name]) < budget:
                spent[name].append(seconds_of(work))
    for name, seconds in spent.items():
        low, median, high = np.percentile(seconds, [25, 50, 75])
        yield name, Timing(first[name], float(median), (float(low), float(high)), len(seconds))


def seconds_of(work: Work) -> float:
    """Seconds of one call, until what it returns is ready."""
    started = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - started


def added_memory(program: str) -> tuple[float, list[float]]:
    """MiB that a program holds at most above what it held at its line `before()`, and the numbers that it prints.

    The program runs in a fresh process, where `before()` marks the memory held once data and compiled code are there.
    """
    head = f"from {__name__} import mark as before, peak\n"
    tail = "\npeak()\n"
    result = subprocess.run([sys.executable, "-c", head + program + tail], check=True, capture_output=True, text=True)
    start, *printed, end = map(float, result.stdout.split())
    return (end - start) / 1024, printed


def mark() -> None:
    """Prints the resident memory, in KiB, and lets its peak begin anew: an earlier one would hide what is added."""
    Path("/proc/self/clear_refs").write_text("5")
    peak()


def peak() -> None:
    """Prints the peak of resident memory, in KiB. Linux's own figure for this program: that of `resource.getrusage`
    starts at the size of the process that started it."""
    status = Path("/proc/self/status").read_text()
    print(status.partition("VmHWM:")[2].split()[0])
