"""Tables of `python -m benchmarks mnist`: means over seeds with 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..harness.report import Sheet, digits, estimate, publish

CEILING = "codes of the test images"
OURS = "ours"
INDEPENDENT = "ours, independent"
EM_FULL = "EM, full"
EM_DIAGONAL = "EM, diagonal"
SW = "SW"

Record = tuple[int, str, str, dict[str, Any]]
"""Seed, kind ("digits" or "groups"), method, measures."""

COLUMNS = {
    "recognised": "recognised",
    "frechet": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "nine_as_four": "9 taken for 4",
    "diversity_of_7": "diversity of the 7s",
    "log_likelihood": "log-likelihood, held out",
}
GROUP_COLUMNS = {
    "purity": "purity",
    "digits": "digits found",
    "log_likelihood": "log-likelihood, held out",
    "seconds": "seconds",
}


def write_report(out: Path, records: Sequence[Record], made: dict[str, Any], console: Console, quick: bool) -> None:
    """Writes mnist.json and mnist.md (mnist-quick… for a quick run), and shows the tables."""
    rows = [{"seed": seed, "kind": kind, "method": method, **found} for seed, kind, method, found in records]
    record = {**made, "quick": quick, "records": rows}
    publish(out, "mnist-quick" if quick else "mnist", record, sheets(records), console)


def sheets(records: Sequence[Record]) -> list[Sheet]:
    """The tables: methods, classes, seconds, groups."""
    seeds = len({seed for seed, *_ in records})
    over = f"{seeds} seeds, 95 % intervals" if seeds > 1 else "one seed"
    found = by_method(records, "digits")
    note = (
        "Judged by a classifier trained apart. Fréchet distance, precision, recall, density and coverage (k = 5) in "
        "its features, against the test images. Diversity: mean distance between images. Log-likelihood of the codes "
        "of the test images, in nats."
    )
    methods = [[name, *(cell(each, key) for key in COLUMNS)] for name, each in found.items()]
    classes = [
        [name, *(_text([one["recognised_by_class"][c] for one in each], interval=False) for c in range(10))]
        for name, each in found.items()
    ]
    groups = [
        [name, *(cell(each, key) for key in GROUP_COLUMNS)] for name, each in by_method(records, "groups").items()
    ]
    head = "method"
    return [
        Sheet(f"Generated digits ({over})", [head, *COLUMNS.values()], methods, note),
        Sheet("Share recognised, by the digit asked for", [head, *map(str, range(10))], classes),
        Sheet("Seconds to fit the densities of the codes", SECONDS, seconds_lines(found), SECONDS_NOTE),
        Sheet(f"Without labels: ten groups ({over})", [head, *GROUP_COLUMNS.values()], groups),
    ]


SECONDS = ("method", "seconds", "times ours", "with K known, seconds", "times ours", "parts or K for each class")
SECONDS_NOTE = "Compiled before. EM tries K upwards by BIC; with K known: only the fits of the K it chose."


def seconds_lines(found: dict[str, list[dict[str, Any]]]) -> list[list[str]]:
    """A line for each method that is fitted; the ratios are those of each seed's own run."""
    ours = [one["seconds"] for one in found.get(OURS, [])]
    lines = []
    for name, each in found.items():
        if each[0]["seconds"] is None:
            continue
        line = [name, cell(each, "seconds"), _ratio(each, "seconds", ours)]
        line += [cell(each, "seconds_chosen"), _ratio(each, "seconds_chosen", ours)]
        size = "; ".join(" ".join(map(str, one["components"])) for one in each)
        lines.append([*line, size])
    return lines


def _ratio(each: list[dict[str, Any]], key: str, ours: list[float]) -> str:
    if key not in each[0] or len(ours) != len(each):
        return ""
    return _text([one[key] / base for one, base in zip(each, ours, strict=True)])


def by_method(records: Sequence[Record], kind: str) -> dict[str, list[dict[str, Any]]]:
    """Measures of each method, in the order of the seeds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for _, its_kind, name, measures in sorted(records, key=lambda record: record[0]):
        if its_kind == kind:
            found.setdefault(name, []).append(measures)
    return found


def cell(each: list[dict[str, Any]], key: str) -> str:
    """Mean and interval of a measure over the seeds; empty where the method does not have it."""
    values = [one.get(key) for one in each]
    return "" if any(value is None for value in values) else _text(values)


def _text(values: Sequence[Any], interval: bool = True) -> str:
    array = np.asarray(values, np.float64)
    if array.size == 1 or not interval:
        return digits(float(array.mean()))
    return str(estimate(array))
