"""The report of `python -m benchmarks everyday`: misfits beside what is allowed, misses, failures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ..accuracy.cells import Table, Task
from ..accuracy.estimator_report import failure_sheet, write_report
from ..harness.report import Sheet

NOTE = """\
Greatest difference of the fitted cdf from the data's own distribution function, at the middles of the gaps between
neighbouring values, over what is allowed: .05 + 1/√N, .08 + 1/√N where more than 30 % of the points are tied. Above 1
is a miss, in bold; "failed" is one too. One line for each kind of data, in it one number for each size: """


def ratio(record: dict[str, Any]) -> float | None:
    """Misfit over what is allowed; None where the fit failed."""
    return None if record["losses"] is None else record["losses"]["misfit"] / record["losses"]["allowed"]


def missed(record: dict[str, Any]) -> bool:
    return (found := ratio(record)) is None or not found <= 1


def entry(record: dict[str, Any] | None) -> str:
    if record is None:
        return "–"
    found = ratio(record)
    if found is None:
        return "**failed**"
    text = f"{found:.2f}" if found < 10 else f"{found:.1f}"
    return f"**{text}**" if missed(record) else text


def found_of(table: Table, tasks: Sequence[Task], estimator: str) -> list[tuple[Task, dict[str, Any]]]:
    """The tasks that an estimator has results of, with these."""
    return [(t, records[t.seed]) for t in tasks if t.seed in (records := table.get((t.name, t.size, estimator), {}))]


def misses(table: Table, tasks: Sequence[Task], estimator: str) -> tuple[int, int]:
    """How many of an estimator's fits missed, and how many there are."""
    records = [record for _, record in found_of(table, tasks, estimator)]
    return sum(map(missed, records)), len(records)


def misfit_sheet(table: Table, tasks: Sequence[Task], names: Sequence[str]) -> Sheet:
    kinds, sizes = list(dict.fromkeys(t.name for t in tasks)), list(dict.fromkeys(t.size for t in tasks))
    seed = tasks[0].seed
    lines = []
    for kind in kinds:
        found = [[table.get((kind, size, name), {}).get(seed) for size in sizes] for name in names]
        lines.append([kind, *(" ".join(map(entry, records)) for records in found)])
    totals = [misses(table, tasks, name) for name in names]
    lines.append(["missed", *(f"{count} of {number}" for count, number in totals)])
    return Sheet("Misfit over what is allowed", ["data", *names], lines, NOTE + f"N = {', '.join(map(str, sizes))}.")


def summary_sheet(table: Table, tasks: Sequence[Task], names: Sequence[str]) -> Sheet:
    """Misses of each estimator, and its worst fit of those that did not fail."""
    lines = []
    for name in names:
        count, number = misses(table, tasks, name)
        found = {
            f"{task.name}, N = {task.size}": value
            for task, record in found_of(table, tasks, name)
            if (value := ratio(record)) is not None
        }
        worst = max(found, key=lambda where: found[where], default=None)
        text = "–" if worst is None else f"{found[worst]:.2f} ({worst})"
        lines.append([name, f"{count} of {number}", str(number - len(found)), text])
    return Sheet("Misses", ["estimator", "missed", "of these failed", "worst misfit over what is allowed"], lines)


def rows(table: Table, tasks: Sequence[Task], names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each kind, size and estimator, for JSON."""
    nothing = {"misfit": None, "at": None, "allowed": None}
    return [
        {"data": task.name, "data_size": task.size, "seed": task.seed, "estimator": name}
        | (record["losses"] or nothing)
        | {"missed": missed(record), "error": record["error"]}
        for task in tasks
        for name in names
        if (record := table.get((task.name, task.size, name), {}).get(task.seed)) is not None
    ]


def report(out: Path, table: Table, tasks: Sequence[Task], names: Sequence[str], console: Console) -> None:
    """Writes everyday.json and everyday.md, and shows the tables."""
    counts = {name: dict(zip(("missed", "of"), misses(table, tasks, name), strict=True)) for name in names}
    sheets = [summary_sheet(table, tasks, names), misfit_sheet(table, tasks, names), failure_sheet(table)]
    record = {"rows": rows(table, tasks, names), "misses": counts}
    write_report(out, "everyday", "Everyday data", record, sheets, console)
