"""Speed of counting: every way on every shape, against a copy of the same bytes and other libraries' histograms."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import fbgmm
from fbgmm.binning import cell_index
from fbgmm.counting import ways
from fbgmm.counting.scatter import MOST_PACKED

from ..harness.timing import Work, race, seconds_of

Row = dict[str, Any]

LOW, HIGH = -4.0, 4.0
_PART = 64  # a contender is first timed on this part of the points,
_LONGEST = 2.0  # and left out where all of them would take more seconds
_BUDGET = 0.3  # seconds of each contender
_ROW = 0.01  # seconds of calls in a row


def measure(quick: bool, out: Path) -> Iterator[Row]:
    """One row for each contender, shape and kind of weights."""
    full = [(1, 10**8, 200), (1, 10**8, 4096), (262_144, 100, 200), (10_000, 10_000, 200)]
    for rows, points, cells in [(1, 6_400, 50), (64, 100, 50)] if quick else full:
        x = jax.random.normal(jax.random.key(0), (rows, points), jnp.float32)
        for weights in (None, jax.random.uniform(jax.random.key(1), (rows, points), jnp.float32)):
            yield from _shape(x, weights, cells)


def _shape(x: jax.Array, weights: jax.Array | None, cells: int) -> Iterator[Row]:
    read = x.nbytes if weights is None else 2 * x.nbytes
    what = {"shape": [*x.shape, cells], "weighted": weights is not None}
    copy = seconds_each(_call(lambda x: x + 1, x))
    bandwidth = 2 * x.nbytes / copy

    def row(name: str, seconds: float | None, **more: Any) -> Row:
        rates = {} if seconds is None else _rates(x.size / seconds, read / seconds / bandwidth)
        return {**what, "contender": name, "seconds": seconds, **rates, **more}

    yield row("copy of the data", copy, bytes_per_second=bandwidth)
    yield row("read, and write the result", seconds_each(_call(read_and_write(cells), x, weights)))
    for name in ways.WAYS:
        if name == "packed" and (weights is not None or x.shape[1] > MOST_PACKED):
            continue
        with ways.taking(name):
            try:
                yield row(f"fbgmm, {name}", *_guarded(_counter(cells), x, weights))
            except (ValueError, jax.errors.JaxRuntimeError, NotImplementedError) as error:
                yield row(f"fbgmm, {name}", None, error=str(error)[:300])
    if len(x) == 1 and weights is None:
        for name, peer in PEERS.items():
            try:
                work = peer(x[0], cells)
            except ImportError:  # a peer that is not installed has no row
                continue
            yield row(name, seconds_each(work))


def _rates(points: float, share: float) -> Row:
    return {"points_per_second": points, "share_of_bandwidth": share}


def _counter(cells: int) -> Callable[..., jax.Array]:
    basis = fbgmm.init_basis(LOW, HIGH, n=cells)
    return lambda x, w: ways.histograms(cell_index(basis, x), w, cells)


def read_and_write(cells: int) -> Callable[..., jax.Array]:
    """A program that reads the data and writes a result of the weights' shape: no fit takes less."""

    def f(x: jax.Array, w: jax.Array | None) -> jax.Array:
        total = jnp.sum(x if w is None else x * w, axis=1)
        return jnp.broadcast_to(total[:, None], (len(x), cells)) + jnp.arange(cells)[None, :]

    return f


def _call(f: Callable[..., Any], *arguments: Any) -> Work:
    compiled = jax.jit(f)
    return lambda: compiled(*arguments)


def _guarded(f: Callable[..., Any], x: jax.Array, w: jax.Array | None) -> tuple[float | None]:
    """The median seconds; None for what would take too long, judged by a part of the points."""
    some = max(x.size // _PART, 1)
    rows, points = (1, some) if len(x) == 1 else (max(len(x) // _PART, 1), x.shape[1])
    part = _call(f, x[:rows, :points], None if w is None else w[:rows, :points])
    part_seconds = (seconds_of(part), seconds_of(part))[1]
    if part_seconds * x.size / (rows * points) > 4 * _LONGEST:  # launching weighs more in a part
        return (None,)
    return (seconds_each(_call(f, x, w)),)


def seconds_each(work: Work) -> float:
    """Median seconds of a call, of as many in a row as take `_ROW`: a device works through them without waiting for
    the host, as within a longer program."""
    once = min(seconds_of(work) for _ in range(3))
    calls = min(max(round(_ROW / once), 1), 100)

    def several() -> Any:
        for _ in range(calls - 1):
            work()
        return work()

    ((_, timing),) = race({"": several}, 9, _BUDGET)
    return timing.median / calls


def _cupy(x: jax.Array, cells: int) -> Work:
    os.environ.setdefault("CUPY_ACCELERATORS", "cub")
    cupy = importlib.import_module("cupy")
    data = cupy.from_dlpack(x)

    def work() -> None:
        cupy.histogram(data, cells, (LOW, HIGH))
        cupy.cuda.Device().synchronize()

    return work


def _torch(x: jax.Array, cells: int) -> Work:
    torch = importlib.import_module("torch")
    data = torch.from_dlpack(x)

    def work() -> None:
        torch.histc(data, cells, LOW, HIGH)
        if data.is_cuda:
            torch.cuda.synchronize()

    return work


PEERS = {"cupy.histogram (CUB)": _cupy, "torch.histc": _torch}
