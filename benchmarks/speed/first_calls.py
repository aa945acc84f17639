"""`python -m benchmarks first_calls`: what the first call of each kind costs in a fresh process, no programs kept."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.progress import track

from ..harness import environment
from ..harness.report import Sheet, publish

_PROGRAM = """
import json, time
clocks = time.process_time(), time.perf_counter()
import jax, fbgmm
imported = [time.process_time() - clocks[0], time.perf_counter() - clocks[1]]
import numpy as np
x, other = (np.random.default_rng(size).standard_normal(size, np.float32) for size in (2000, 5003))
rows = np.random.default_rng(0).standard_normal((200, 1000), np.float32)
key, q = jax.random.key(0), np.linspace(0.01, 0.99, 101, dtype=np.float32)
jax.block_until_ready((jax.numpy.zeros(3) + 1, key))
{before}
clocks = time.process_time(), time.perf_counter()
jax.block_until_ready({call})
print(json.dumps([time.process_time() - clocks[0], time.perf_counter() - clocks[1]]))
print(json.dumps(imported))
"""

_FITTED = "gmm = jax.block_until_ready(fbgmm.fit(x))"

CALLS = {
    "fit(x)": ("", "fbgmm.fit(x)"),
    "fit(x), another length after it": (_FITTED, "fbgmm.fit(other)"),
    "fit(x, n=200, t=2)": ("", "fbgmm.fit(x, n=200, t=2)"),
    "log_prob after fit(x)": (_FITTED, "gmm.log_prob(other)"),
    "cdf after fit(x)": (_FITTED, "gmm.cdf(other)"),
    "icdf after fit(x)": (_FITTED, "gmm.icdf(q)"),
    "sample after fit(x)": (_FITTED, "gmm.sample(key, (1000,))"),
    "fit_batch of 200 rows": ("", "fbgmm.fit_batch(rows)"),
}
"""What is done before, and what is measured then."""

COMMANDS = {
    "fbgmm --help": ["--help"],
    "fbgmm fit data.csv --plot, nothing kept": ["fit", "data.csv", "--plot", "fit.png"],
    "fbgmm fit data.csv --plot, programs kept": ["fit", "data.csv", "--plot", "fit.png"],
}

Seconds = tuple[float, float]
"""Of the processor, and on the clock."""


def _plain() -> dict[str, str]:
    """The environment without what keeps programs or changes how they are compiled."""
    hidden = ("JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS")
    return {name: value for name, value in os.environ.items() if name not in hidden}


def in_process(before: str, call: str) -> tuple[Seconds, Seconds]:
    """Seconds of a call and of the import before it, in a process of its own without kept programs."""
    program = _PROGRAM.format(before=before, call=call)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=_plain())
    took, imported = map(json.loads, done.stdout.splitlines())
    return took, imported


def of_command(arguments: list[str], folder: Path) -> Seconds:
    """Seconds of the command `fbgmm`, which keeps its programs in the folder."""
    used, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "fbgmm", *arguments]
    subprocess.run(
        command, check=True, capture_output=True, cwd=folder, env=_plain() | {"XDG_CACHE_HOME": str(folder / "cache")}
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime, wall


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="each once instead of three times")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks first_calls`."""
    repeats = 1 if arguments.quick else 3
    found: dict[str, list[Seconds]] = {"import jax and fbgmm": []}
    screen = Console(stderr=True)
    for name, (before, call) in track(CALLS.items(), "first calls", console=screen):
        for _ in range(repeats):
            took, imported = in_process(before, call)
            found.setdefault(name, []).append(took)
            found["import jax and fbgmm"].append(imported)
    for _ in track(range(repeats), "the command", console=screen):
        with tempfile.TemporaryDirectory() as folder:
            np.savetxt(
                Path(folder, "data.csv"), np.random.default_rng(0).standard_normal(2000), header="x", comments=""
            )
            for name, words in COMMANDS.items():
                found.setdefault(name, []).append(of_command(words, Path(folder)))
    where = f"{environment.device()}, jax {environment.versions()['jax']}"
    medians = {name: [median(seconds) for seconds in zip(*each, strict=True)] for name, each in found.items()}
    lines = [[name, f"{processor:.2f}", f"{wall:.2f}"] for name, (processor, wall) in medians.items()]
    sheet = Sheet(f"First calls ({where})", ["first call", "processor s", "wall s"], lines)
    record = {"seconds": found, "device": environment.device(), "versions": environment.versions()}
    publish(arguments.out, "first_calls", record, [sheet], console)
