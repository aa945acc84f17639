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
from fbgmm.counting import ways

from ..harness.timing import Work, race, seconds_of
from ..paper import tables

Row = dict[str, Any]


def measure(quick: bool, out: Path) -> Iterator[Row]:
    """One row for each kind of fit and of evaluation; fits on a given n in each way of counting."""
    x = jax.random.normal(jax.random.key(0), (10**4 if quick else 10**7,))
    xs = jax.random.normal(jax.random.key(1), (20, 100) if quick else (262_144, 100))
    some = jax.random.normal(jax.random.key(2), (4, 100) if quick else (10_000, 1000))
    given: dict[str, Work] = {
        f"fit(x, n=200), N = {len(x):,}": lambda: fbgmm.fit(x, n=200).pi,
        f"fit_batch(xs, n=200), {xs.shape[0]:,} × {xs.shape[1]}": lambda: fbgmm.fit_batch(xs, n=200).pi,
    }
    for name in ways.WAYS:
        with ways.taking(name):
            yield from _rows(given, counting=name)
    yield from transfers({**given, "fit(x)": lambda: fbgmm.fit(x).pi})
    yield from _rows({f"fit(x), N = {len(x):,}": lambda: fbgmm.fit(x).pi})
    yield from _rows({f"fit_batch(xs), {some.shape[0]:,} × {some.shape[1]}": lambda: fbgmm.fit_batch(some).pi})
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


def transfers(works: dict[str, Work]) -> Iterator[Row]:
    """How often each work copies between host and device, by the profiler's names of copies."""
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


def _rows(works: dict[str, Work], **more: Any) -> Iterator[Row]:
    for name, timing in race(works, 7, budget=2.0):
        yield {"work": name, "seconds": timing.median, "first_call_seconds": timing.first, **more}


def _tables(quick: bool, out: Path) -> Iterator[Row]:
    """Tables 1–3, written to a folder `tables`; with --quick the first one alone."""
    for number in (1,) if quick else (1, 2, 3):
        experiments = 2 if quick else 1000
        asked = argparse.Namespace(
            table=[number], algorithm=[], experiments=experiments, seed=0, precision="float32", out=out / "tables"
        )
        spent = seconds_of(partial(tables.run, asked, Console(quiet=True)))
        yield {"work": f"table {number}, {experiments} experiments", "first_call_seconds": spent}
