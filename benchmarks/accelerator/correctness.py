"""Correctness on the device: counts bit-equal to the CPU's, weighted sums within their bound, the numerical tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fbgmm
from fbgmm.binning import cell_index, on_accelerator
from fbgmm.counting import ways
from fbgmm.counting.scatter import MOST_PACKED
from fbgmm.counts import count

Row = dict[str, Any]

_ROOT = Path(__file__).parents[2]
_TESTS = ["basis", "binning", "counts", "updates", "mixture", "metrics"]
_TEST_SECONDS = 60
_WORKERS = 8  # compiling takes most of the time


def measure(quick: bool, out: Path) -> Iterator[Row]:
    """One row for each way and shape: on how many kinds of data the counts are the CPU's."""
    full = [(1, 10**6, 200), (1, 10**6, 4096), (1000, 1000, 200), (10_000, 100, 200)]
    for name in ways.WAYS:
        with ways.taking(name):
            for shape in [(1, 3_000, 50), (30, 100, 50)] if quick else full:
                if name != "packed":
                    yield {"check": f"counts and sums, {name}", "shape": list(shape), **_compared(*shape)}
                elif shape[1] <= MOST_PACKED:
                    yield {"check": "counts, packed", "shape": list(shape), **_compared(*shape, weighted=False)}


def run_tests(quick: bool, out: Path) -> Iterator[Row]:
    """The short tier's numerical tests, on the device."""
    files = [f"tests/fbgmm/test_{name}.py" for name in _TESTS] + ["tests/fbgmm/counting"]
    asked = ["tests/fbgmm/counting/test_ways.py", "-k", "overflow"] if quick else files
    # This process has taken most of the device's memory already, unless it was told not to.
    own = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_FLAGS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = ["-v", "-p", "xdist", "-n", str(_WORKERS), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *asked]
    out.mkdir(parents=True, exist_ok=True)
    log = out / "tests.log"  # written as they run: what was done when the time is up counts
    with log.open("w") as file:
        try:
            run = subprocess.run(
                command, cwd=_ROOT, env=os.environ | own, stdout=file, stderr=file, timeout=_TEST_SECONDS, check=False
            )
            ended = f"exit {run.returncode}"
        except subprocess.TimeoutExpired:
            ended = f"stopped after {_TEST_SECONDS} seconds"
    lines = log.read_text().splitlines()
    done = {word: sum(f" {word} " in line for line in lines) for word in ("PASSED", "FAILED", "SKIPPED", "ERROR")}
    failed = sorted({line.split(" - ")[0] for line in lines if " FAILED " in line})
    yield {"check": "numerical tests", "ended": ended, **done, "failed": failed}


def data_of(rows: int, points: int, cells: int) -> dict[str, np.ndarray]:
    """By name: data about the cells of [0, 1], shape (rows, points), some of them not finite."""
    rng = np.random.default_rng(0)
    edges = rng.choice(np.asarray(fbgmm.init_basis(0.0, 1.0, n=cells).edges, np.float32), (rows, points))
    random = rng.random((rows, points), np.float32)
    return {
        "random": random,
        "sorted": np.sort(random, axis=1),
        "constant": np.full((rows, points), 0.5, np.float32),
        "edges": edges,
        "an ulp below the edges": np.nextafter(edges, np.float32(-1)),
        "not finite": np.where(random < 0.1, np.float32(np.nan), random),
    }


def _compared(rows: int, points: int, cells: int, weighted: bool = True) -> Row:
    """Counts against those of JAX on the CPU, sums against numpy's in float64."""
    basis, home = fbgmm.init_basis(0.0, 1.0, n=cells), jax.devices("cpu")[0]
    low, r, last = (jnp.broadcast_to(a, (rows,)) for a in (basis.low, basis.r, jnp.int32(cells - 1)))
    counted = jax.jit(lambda x: on_accelerator(cells, x, low, r, last))
    summed = jax.jit(lambda x, w: ways.histograms(cell_index(basis, x), w, cells))
    weights = np.random.default_rng(1).random((rows, points), np.float32)
    wrong, worst = [], 0.0
    for kind, x in data_of(rows, points, cells).items():
        with jax.default_device(home):
            expected = jax.vmap(lambda row: count(fbgmm.init_basis(0.0, 1.0, n=cells), row))(jax.device_put(x, home))
            number = np.asarray(expected.units) + (np.asarray(expected.blocks) << 20)
        if not np.array_equal(counted(x), number):
            wrong.append(kind)
        if weighted and kind != "not finite":
            index = np.asarray(cell_index(basis, jnp.asarray(x)))
            sums = np.stack([np.bincount(i, w, cells) for i, w in zip(index, weights.astype(float), strict=True)])
            bound = np.finfo(np.float32).eps * np.maximum(number, 1) * sums  # of adding in any order
            worst = max(worst, float((np.abs(summed(x, weights) - sums) / np.maximum(bound, 1e-30)).max()))
    found: Row = {"counts that differ": ", ".join(wrong) or "none"}
    return found | ({"worst error of a sum over its bound": worst} if weighted else {})
