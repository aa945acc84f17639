"""Shared parts of the reports on estimators: losses by seed, failed fits, files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..harness import environment
from ..harness.report import Sheet, publish
from ..methods import registry
from .cells import Table


def losses_of(records: dict[int, dict[str, Any]], loss: str) -> dict[int, float]:
    """One loss by seed, of the fits that did not fail and have it."""
    return {seed: losses[loss] for seed, record in records.items() if loss in (losses := record["losses"] or {})}


def standard_error(values: np.ndarray) -> float | None:
    """Of the mean; None for one value, or where one is not finite."""
    certain = values.size > 1 and np.isfinite(values).all()
    return float(values.std(ddof=1) / math.sqrt(values.size)) if certain else None


def failure_sheet(table: Table) -> Sheet | None:
    """Fits that raised, by estimator, with one message of each; None without any."""
    lines = []
    for name in dict.fromkeys(name for _, _, name in table):
        errors = [
            (target, size, record["error"])
            for (target, size, other), records in table.items()
            if other == name
            for record in records.values()
            if record["error"]
        ]
        if errors:
            where = ", ".join(dict.fromkeys(f"{target} (N = {size})" for target, size, _ in errors))
            lines.append([name, str(len(errors)), errors[0][2], where])
    return Sheet("Fits that failed", ["estimator", "fits", "first message", "where"], lines) if lines else None


def write_report(
    out: Path,
    name: str,
    title: str,
    record: dict[str, Any],
    sheets: Sequence[Sheet | None],
    console: Console,
    note: str = "",
    absent: Sequence[str] = (),
    shown: Callable[[Sheet], bool] = lambda sheet: True,
) -> None:
    """Writes NAME.json and NAME.md of those tables that are not None, and shows some of them.

    Args:
        record: for JSON; what made it is added.
        note: in Markdown, under the title.
        absent: what could not be measured beside the rivals that are not installed.
    """
    gone = [*registry.absent(), *absent]
    made_by = {"absent": gone, **environment.description("float32"), "rival_versions": registry.rival_versions()}
    missing = f"Not installed, so not measured: {', '.join(gone)}.\n" if gone else ""
    head = "\n".join(part for part in (f"# {title}\n", note + missing) if part)
    publish(out, name, record | made_by, [s for s in sheets if s is not None], console, head=head, shown=shown)
    if missing:
        console.print(missing)
