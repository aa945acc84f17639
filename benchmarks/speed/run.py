"""`python -m benchmarks speed`: fits, evaluation and memory against the floor (reading the data) and the peers."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.progress import Progress

import fbgmm

from ..harness import environment
from ..harness.report import Sheet, publish
from ..harness.timing import Timing, Work, added_memory, race
from ..methods import registry
from ..methods.names import ConfigError
from .evaluation import INTERPOLATION, MIXTURES, evaluation

Peer = Callable[[np.ndarray], Any]

FLOOR, OURS = "floor: numpy min + max", "fbgmm"
BY_HAND = "jit(vmap(init_basis_from → init_pi → update_pi))"
_LOOP_ROWS = 20  # a peer that must loop over rows is timed on so many of them, and extrapolated


def peers() -> dict[str, Peer]:
    """The work of other libraries that are installed, by name."""
    found = {name: registry.METHODS[name].timed for name in registry.in_group("timed")}
    return {name: work for name, work in found.items() if work is not None}


def single(n_points: int) -> tuple[dict[str, Work], dict[str, float]]:
    """One fit of N points, and the factor by which each contender's time is to be multiplied."""
    x = jax.random.normal(jax.random.key(0), (n_points,))
    host = np.asarray(x)
    works: dict[str, Work] = {FLOOR: lambda: (host.min(), host.max()), OURS: lambda: fbgmm.fit(x, n=200).pi}
    works |= {name: partial(fit, host) for name, fit in peers().items()}
    return works, dict.fromkeys(works, 1.0)


def batch(rows: int, n_points: int) -> tuple[dict[str, Work], dict[str, float]]:
    """Fits of many rows; the peers loop, over a part of the rows where all would take too long."""
    xs = jax.random.normal(jax.random.key(0), (rows, n_points))
    host = np.asarray(xs)
    works: dict[str, Work] = {FLOOR: lambda: (host.min(1), host.max(1)), OURS: lambda: fbgmm.fit_batch(xs, n=200).pi}
    works[BY_HAND] = partial(jax.jit(jax.vmap(_by_hand)), xs)
    some = min(rows, _LOOP_ROWS)
    for name, fit in peers().items():
        works[f"{name}, loop"] = partial(_loop, fit, host[:some])
    return works, {name: 1.0 if name in (FLOOR, OURS, BY_HAND) else rows / some for name in works}


def _by_hand(x: jax.Array) -> jax.Array:
    basis = fbgmm.init_basis_from(x, n=200, t=2.0)
    return fbgmm.normalize(fbgmm.update_pi(fbgmm.init_pi(basis), basis, x))


def _loop(fit: Peer, rows: np.ndarray) -> list[Any]:
    return [fit(row) for row in rows]


def choosing(rows: int, sizes: Sequence[int]) -> tuple[dict[str, Work], dict[str, float]]:
    """`fit(x)` and `fit_batch(xs)` without further arguments, for each data set."""
    xs = np.asarray(jax.random.normal(jax.random.key(0), (rows, 1000)))
    batch = f"each of {rows} in a batch, N = 1000"
    works: dict[str, Work] = {batch: lambda: fbgmm.fit_batch(xs).pi}
    for size in sizes:
        x = np.asarray(jax.random.normal(jax.random.key(1), (size,)))
        works[f"single, N = {size}"] = partial(fbgmm.fit, x)
    return works, {name: 1 / rows if name == batch else 1.0 for name in works}


_MEMORY = """
import jax, numpy as np, fbgmm
x = jax.numpy.asarray(np.random.default_rng(0).standard_normal({points}, np.float32))
if {warm}:
    fbgmm.fit(x, n=200, low=-6.0, high=6.0).pi.block_until_ready()
before()
fbgmm.fit(x, n=200, low=-6.0, high=6.0).pi.block_until_ready()
"""

_PEER_MEMORY = """
import numpy as np
from benchmarks.speed.run import peers
x = np.random.default_rng(0).standard_normal({points}, np.float32)
fit = peers()[{name!r}]
fit(x[:10_000])
before()
fit(x)
"""

_STREAM = """
import time, numpy as np, fbgmm
draw = np.random.default_rng(0)
block = draw.standard_normal(1 << 20, np.float32)
def chunks(points):
    for start in range(0, points, block.size):
        yield block[: points - start]
fbgmm.fit_stream(chunks(1 << 21), low=-6.0, high=6.0)
before()
started = time.perf_counter()
fbgmm.fit_stream(chunks({points}), low=-6.0, high=6.0)
print(time.perf_counter() - started)
"""

_IMPORT = "import time, jax\nt = time.perf_counter()\nimport fbgmm\nprint(time.perf_counter() - t)"


def rows(name: str, works: dict[str, Work], factors: dict[str, float], rounds: int) -> Iterator[dict[str, Any]]:
    """One row for each contender of a race."""
    timings: dict[str, Timing] = dict(race(works, rounds, budget=4.0))
    floor = timings.get(FLOOR) or timings.get(INTERPOLATION)
    for contender, timing in timings.items():
        factor = factors[contender]
        yield {
            "work": name,
            "contender": contender,
            "first_call_seconds": timing.first,
            "median_seconds": timing.median * factor,
            "quartiles_seconds": [quartile * factor for quartile in timing.quartiles],
            "rounds": timing.rounds,
            "of_floor": None if floor is None else timing.median * factor / floor.median,
            "extrapolated_by": factor,
        }


def sheets(found: list[dict[str, Any]], where: str) -> list[Sheet]:
    """A table for each race."""
    header = ["contender", "median ms", "quartiles ms", "× floor", "first call s"]
    races = dict.fromkeys(row["work"] for row in found)
    lines = [
        [
            row["contender"] + (f" (×{row['extrapolated_by']:g} of a part)" if row["extrapolated_by"] > 1 else ""),
            _milliseconds(row["median_seconds"]),
            " – ".join(map(_milliseconds, row["quartiles_seconds"])),
            "" if row["of_floor"] is None else f"{row['of_floor']:.1f}",
            f"{row['first_call_seconds']:.2f}",
        ]
        for row in found
    ]
    return [
        Sheet(
            f"{work} ({where})", header, [line for line, row in zip(lines, found, strict=True) if row["work"] == work]
        )
        for work in races
    ]


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}"


def slope(found: list[dict[str, Any]], contender: str, sizes: dict[str, int]) -> float:
    """Exponent of time against size, by least squares on the logarithms."""
    pairs = [
        (sizes[r["work"]], r["median_seconds"]) for r in found if r["contender"] == contender and r["work"] in sizes
    ]
    points, seconds = np.log(np.array(pairs)).T
    return float(np.polyfit(points, seconds, 1)[0])


def plot(found: list[dict[str, Any]], sizes: dict[str, int], path: Path) -> None:
    """Time against N, log–log, as PNG; needs matplotlib (extra `figures`)."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
    marks = iter("os^vDP*Xh<>")
    for contender in dict.fromkeys(row["contender"] for row in found if row["work"] in sizes):
        mine = [row for row in found if row["contender"] == contender and row["work"] in sizes]
        points = [(sizes[row["work"]], row["median_seconds"]) for row in mine]
        ax.loglog(*zip(*points, strict=True), marker=next(marks), lw=2.5 if contender == OURS else 1.2, label=contender)
    ax.set(xlabel="number of points N", ylabel="seconds for one fit")
    ax.legend(fontsize=7, loc="upper left")
    ax.grid(alpha=0.3, which="both", lw=0.4)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="small sizes, three rounds")
    parser.add_argument("--only", metavar="TEXT", help="the races whose name holds this, such as evaluation")


def memory(points: int) -> dict[str, Any]:
    """MiB added by one fit, and by the peers that return, each in a fresh process."""
    ours = {"first fit, compilation included": False, "second fit": True}
    found = {
        f"{OURS}, {name}": added_memory(_MEMORY.format(points=points, warm=warm))[0] for name, warm in ours.items()
    }
    for name in peers():
        if "EM" not in name:  # those take minutes at this size
            found[name] = added_memory(_PEER_MEMORY.format(points=points, name=name))[0]
    return {"points": points, "data_mib": points * 4 / 2**20, "added_mib": found}


def stream(points: int) -> dict[str, Any]:
    """A stream of chunks of 2^20 points, the same chunk again and again, so that only fitting is measured."""
    added, (seconds,) = added_memory(_STREAM.format(points=points))
    return {"points": points, "seconds": seconds, "added_mib": added}


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks speed`."""
    quick, only = arguments.quick, arguments.only or ""
    sizes = {f"one fit, N = {n:,}": n for n in ((10**4, 10**5) if quick else (10**4, 10**5, 10**6, 10**7))}
    shapes = ((100, 100), (1000, 100)) if quick else ((100, 1000), (1000, 1000), (10**4, 1000), (262_144, 100))
    works = {name: partial(single, n) for name, n in sizes.items()}
    works |= {f"{b:,} fits of {n:,} points": partial(batch, b, n) for b, n in shapes}
    points = 10**5 if quick else 10**6
    works |= {f"evaluation at {points:,} points, {name}": partial(evaluation, name, points) for name in MIXTURES}
    works["fit(x) alone, which chooses"] = partial(choosing, 20 if quick else 200, (1000,) if quick else (1000, 10**6))
    chosen = {name: make for name, make in works.items() if only in name}
    if not chosen:
        raise ConfigError(f"--only: no race has {only!r} in its name; there are: {', '.join(works)}")
    found: list[dict[str, Any]] = []
    record: dict[str, Any] = {"rows": found}
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("speed", total=len(chosen) + (0 if only else 3))
        for name, make in chosen.items():
            progress.update(bar, description=name)
            found += rows(name, *make(), rounds=3 if quick else 15)
            progress.advance(bar)
        if not only:
            same = {f"{b:,} fits of {n:,} points": b for b, n in shapes if n == shapes[0][1]}
            record["slope_of_time_against_points"] = slope(found, OURS, sizes)
            record["slope_of_time_against_batch"] = slope(found, OURS, same)
            for name, measure in _apart(quick).items():
                progress.update(bar, description=name)
                record[name] = measure()
                progress.advance(bar)
    record |= {"absent": registry.absent("timed"), "device": environment.device(), "versions": environment.versions()}
    tables = sheets(found, environment.device())
    publish(arguments.out, "speed", record, tables if only else [*tables, facts(record)], console)
    if not only:
        plot(found, sizes, arguments.out / "speed.png")


def _apart(quick: bool) -> dict[str, Callable[[], Any]]:
    """What is measured in processes of its own, by its name in the record."""
    return {
        "memory": partial(memory, 10**5 if quick else 10**7),
        "stream": partial(stream, 10**7 if quick else 10**9),
        "import_seconds_above_jax": _import_seconds,
    }


def _import_seconds() -> float:
    command = [sys.executable, "-c", _IMPORT]
    return float(
        np.median([float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(5)])
    )


def facts(record: dict[str, Any]) -> Sheet:
    """What is no race: slopes, memory, the stream, the import."""
    held, streamed = record["memory"], record["stream"]
    lines = [
        ["slope of log time against log N, one fit", f"{record['slope_of_time_against_points']:.2f}"],
        ["slope of log time against log B, batches", f"{record['slope_of_time_against_batch']:.2f}"],
        *([f"MiB added at N = {held['points']:,}: {name}", f"{mib:.1f}"] for name, mib in held["added_mib"].items()),
        [f"stream of {streamed['points']:,} points, seconds", f"{streamed['seconds']:.1f}"],
        ["stream, MiB added", f"{streamed['added_mib']:.1f}"],
        ["import of fbgmm above jax, ms", f"{1e3 * record['import_seconds_above_jax']:.0f}"],
        ["peers not installed", ", ".join(record["absent"]) or "none"],
    ]
    return Sheet("Slopes, memory, streams", ["quantity", "found"], lines)
