"""`python -m benchmarks several`: mean log density of new points in several dimensions, beside other estimators."""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import Progress

from fbgmm.nn.data.files import VARIABLE
from fbgmm.nn.data.uci import load_uci

from ..harness import cells, environment
from ..harness.report import Sheet, publish
from ..methods.names import ConfigError
from .densities import DENSITIES
from .estimators import Estimator, estimators, four_rounds, ours

SIZES, QUICK_SIZES = (500, 5000), (500,)
NEW, REAL_POINTS = 5000, 2000
"""New points of each made density; most points of a real data set, to fit and to judge."""

REAL = ("concrete", "kin8nm", "power", "protein", "wine")
"""UCI sets whose columns, features and target, are neither constant nor functions of one another."""

NOTE = (
    "Mean log density of new points in nats, nothing clipped, ± its standard error over these points. Made densities: "
    "5000 new points. Real data: features and target together, each column standardised by the training part of the "
    "first split; at most 2000 points to fit and to judge. Seconds: one fit and one evaluation; of fit_rotated in a "
    "process that has compiled for this shape, those of the flow with compilation, a small part of them; "
    "estimators may come from different runs (`--estimators`), whose times compare only roughly."
)


class Case(NamedTuple):
    """Data to fit, and new points to judge by."""

    name: str
    x: np.ndarray
    new: np.ndarray


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="500 points of each made density")
    wanted = "estimators to run (all); what the folder has of the others is kept"
    parser.add_argument("--estimators", nargs="+", choices=list(estimators()), metavar="NAME", help=wanted)


def cases(quick: bool) -> Iterator[Case]:
    """The made densities, and the real data where FBGMM_DATA has them."""
    for N in QUICK_SIZES if quick else SIZES:
        for i, (name, draw) in enumerate(DENSITIES.items()):
            made = (draw(np.random.default_rng([i, part, N]), size) for part, size in ((0, N), (1, NEW)))
            yield Case(f"{name}, N = {N}", *made)
    if not quick and os.environ.get(VARIABLE):
        for name in REAL:
            yield real_case(name)


def real_case(name: str) -> Case:
    """Columns of the first split."""
    data = load_uci(name)
    table = np.column_stack([data.x, data.y])
    rng = np.random.default_rng(0)
    x, new = (table[rng.permutation(rows[0])[:REAL_POINTS]] for rows in (data.train, data.test))
    mean, scale = x.mean(axis=0), x.std(axis=0)
    return Case(f"{name}, N = {len(x)}, D = {x.shape[1]}", (x - mean) / scale, (new - mean) / scale)


def finished(out: Path, name: str, estimator: Estimator, case: Case) -> dict[str, Any]:
    """As `judged`, kept in a file for each case, so that a killed run goes on where it was."""
    path, identity = out / "several-cells" / f"{cells.slug(case.name)}.json", cells.identity(judged, estimator, case)
    found = cells.read_all(path, {name: identity}).get(name)
    if found is None:
        found = judged(estimator, case)
        cells.write(path, identity, found, name)
    return found


def judged(estimator: Estimator, case: Case) -> dict[str, Any]:
    """What one estimator scores on one case; the first fit of our own compiles, so that the second is timed."""
    if estimator in (ours, four_rounds):
        estimator(case.x)(case.new)
    started = time.perf_counter()
    log_density = estimator(case.x)
    fitted = time.perf_counter()
    logs = log_density(case.new)
    ended = time.perf_counter()
    return {
        "mean": float(logs.mean()),
        "error": float(logs.std(ddof=1) / math.sqrt(len(logs))),
        "fit_seconds": fitted - started,
        "evaluation_seconds": ended - fitted,
    }


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks several`.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    if find_spec("sklearn") is None:
        raise ConfigError('several needs scikit-learn; install with: pip install "fbgmm[sklearn]"')
    known, rows, before = estimators(), {}, arguments.out / "several.json"
    if arguments.estimators:
        known = {name: known[name] for name in arguments.estimators}
        if before.exists():
            rows = {(row["case"], row["estimator"]): row for row in json.loads(before.read_text())["rows"]}
    all_cases = list(cases(arguments.quick))
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("fits", total=len(all_cases) * len(known))
        for case in all_cases:
            for name, estimator in known.items():
                rows[case.name, name] = {
                    "case": case.name,
                    "estimator": name,
                    **finished(arguments.out, name, estimator, case),
                }
                progress.advance(bar)
    record = {**environment.description("float32"), "new_points": NEW, "rows": list(rows.values())}
    publish(arguments.out, "several", record, sheets(record["rows"]), console)


def sheets(rows: list[dict[str, Any]]) -> list[Sheet]:
    """Scores and times, one column for each estimator."""
    names = list(dict.fromkeys(row["estimator"] for row in rows))
    by_case: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_case.setdefault(row["case"], {})[row["estimator"]] = row
    device = environment.device()

    def lines(cell: Any) -> list[list[str]]:
        return [[case, *(cell(found[name]) for name in names)] for case, found in by_case.items()]

    scores = lines(lambda row: f"{row['mean']:.3f} ± {row['error']:.3f}")
    times = lines(lambda row: f"{row['fit_seconds']:.3g} + {row['evaluation_seconds']:.2g}")
    return [
        Sheet("Log density of new points in several dimensions", ["data", *names], scores, NOTE),
        Sheet(f"Seconds of fit and evaluation ({device})", ["data", *names], times),
    ]
