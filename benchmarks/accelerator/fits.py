"""Fits, evaluation and the paper's tables on the device, and how often a fit talks to the host."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

import fbgmm

from ..harness.timing import Work, race, seconds_of
from ..paper import tables
from .counting import read_and_write, seconds_each

Row = dict[str, Any]


def measure(quick: bool, out: Path) -> Iterator[Row]:
    """One row for each kind of fit and of evaluation."""
    x = jax.random.normal(jax.random.key(0), (10**4 if quick else 10**7,))
    xs = jax.random.normal(jax.random.key(1), (20, 100) if quick else (262_144, 100))
    some = jax.random.normal(jax.random.key(2), (4, 100) if quick else (256, 1000))
    many = jax.random.normal(jax.random.key(2), (8, 100) if quick else (10_000, 1000))
    given: dict[str, Work] = {
        f"fit(x, n=200), N = {len(x):,}": lambda: fbgmm.fit(x, n=200).pi,
        f"fit_batch(xs, n=200), {xs.shape[0]:,} × {xs.shape[1]}": lambda: fbgmm.fit_batch(xs, n=200).pi,
    }
    floor = jax.jit(read_and_write(200))
    work = f"read {xs.shape[0]:,} × {xs.shape[1]}, and write the result"
    yield {"work": work, "seconds": seconds_each(lambda: floor(xs, None))}
    by_hand = jax.jit(jax.vmap(_fit_by_hand))
    work = f"the kernels by hand, {xs.shape[0]:,} × {xs.shape[1]}"
    yield {"work": work, "seconds": seconds_each(lambda: by_hand(xs))}
    yield from _rows(given)
    yield from _rows({f"fit(x), N = {len(x):,}": lambda: fbgmm.fit(x).pi})
    yield from _rows({f"fit_batch(xs), {some.shape[0]:,} × {some.shape[1]}": lambda: fbgmm.fit_batch(some).pi})
    first, again = (seconds_of(lambda: fbgmm.fit_batch(many).pi) for _ in range(2))
    work = f"fit_batch(xs), {many.shape[0]:,} × {many.shape[1]}"
    yield {"work": work, "seconds": again, "first_call_seconds": first}
    gmm, q = fbgmm.fit(x, n=200), jax.random.uniform(jax.random.key(3), x.shape)
    yield from _rows(
        {
            f"log_prob, {len(x):,}": partial(gmm.log_prob, x),
            f"cdf, {len(x):,}": partial(gmm.cdf, x),
            f"icdf, {len(x):,}": partial(gmm.icdf, q),
            f"sample, {len(x):,}": partial(gmm.sample, jax.random.key(4), x.shape),
        }
    )
    yield from _tables(quick, out)


def _fit_by_hand(x: jax.Array) -> jax.Array:
    basis = fbgmm.init_basis_from(x, n=200)
    return fbgmm.update_pi(fbgmm.init_pi(basis), basis, x)


def transfers(quick: bool, out: Path) -> Iterator[Row]:
    """How often a fit copies between host and device, by the profiler's names of copies. A part of its own, and late:
    under the profiler a long program can end in an error of the driver, after which the process is of no use."""
    x = jax.random.normal(jax.random.key(0), (10**4 if quick else 10**6,))
    xs = jax.random.normal(jax.random.key(1), (20, 100) if quick else (10_000, 100))
    works: dict[str, Work] = {
        "fit(x, n=200)": lambda: fbgmm.fit(x, n=200).pi,
        "fit_batch(xs, n=200)": lambda: fbgmm.fit_batch(xs, n=200).pi,
        "fit(x)": lambda: fbgmm.fit(x).pi,
    }
    for name, work in works.items():
        seconds_of(work)
        with tempfile.TemporaryDirectory() as folder:
            with jax.profiler.trace(folder):
                seconds_of(work)
            (path,) = Path(folder).rglob("*.xplane.pb")
            profile = jax.profiler.ProfileData.from_file(str(path))
            events = [event.name for plane in profile.planes for line in plane.lines for event in line.events]
        copies = Counter(event for event in events if "memcpy" in event.lower())
        yield {"work": f"copies in {name}", "events": len(events), "copies": dict(copies)}


def _rows(works: dict[str, Work]) -> Iterator[Row]:
    for name, timing in race(works, 7, budget=2.0):
        yield {"work": name, "seconds": timing.median, "first_call_seconds": timing.first}


def _tables(quick: bool, out: Path) -> Iterator[Row]:
    """Tables 1–3, written to a folder `tables`; with --quick the first one alone."""
    for number in (1,) if quick else (1, 2, 3):
        experiments = 2 if quick else 1000
        asked = argparse.Namespace(
            table=[number], algorithm=[], experiments=experiments, seed=0, precision="float32", out=out / "tables"
        )
        spent = seconds_of(partial(tables.run, asked, Console(quiet=True)))
        yield {"work": f"table {number}, {experiments} experiments", "first_call_seconds": spent}
