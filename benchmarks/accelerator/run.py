"""`python -m benchmarks accelerator`: a device measured, in order of worth; each row is written at once."""

from __future__ import annotations

import argparse
import importlib
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from ..harness import environment
from ..harness.files import write_json, write_text
from ..harness.report import Sheet

Row = dict[str, Any]

PARTS = {
    "correctness": ("correctness.measure", 45.0),
    "tests": ("correctness.run_tests", 65.0),
    "counting": ("counting.measure", 60.0),
    "fits": ("fits.measure", 75.0),
    "applications": ("applications.measure", 25.0),
    "Figure 13": ("applications.figure13", 60.0),
    "transfers": ("fits.transfers", 15.0),
}
"""What measures each part, loaded when its turn comes, and its seconds, 345 in all. A part is cut off when its seconds
and those that the parts before it left over are spent."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="which; all if not given")
    parser.add_argument("--quick", action="store_true", help="all of it small, on any device; without Figure 13")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Runs the parts in turn; one that fails or is cut off is recorded with its error, and the rest goes on."""
    out, record = arguments.out, _surroundings(arguments.quick)
    due = time.perf_counter()
    for name in arguments.parts:
        function, budget = PARTS[name]
        due += budget
        part: Row = {"budget_seconds": budget, "error": None, "rows": []}
        record["parts"][name] = part
        started = time.perf_counter()
        try:
            with _cut_off(due - started):
                module, _, measure = function.partition(".")
                for row in getattr(importlib.import_module(f"{__package__}.{module}"), measure)(arguments.quick, out):
                    part["rows"].append(row)
                    _write(out, record)
        except Exception as error:  # whatever it is, the other parts are worth having
            part["error"] = f"{type(error).__name__}: {error}"[:2000]
        part["seconds"] = time.perf_counter() - started
        _write(out, record)
        sheet(name, part).show(console)


@contextmanager
def _cut_off(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the body after so many seconds; a call into compiled code ends first."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"cut off after {seconds:.3g} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _surroundings(quick: bool) -> dict[str, Any]:
    return {"quick": quick, "driver": _driver(), **environment.description("float32"), "parts": {}}


def _driver() -> str:
    """The version of NVIDIA's driver; "none" where there is none."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "none"


def _write(out: Path, record: dict[str, Any]) -> None:
    write_json(out / "accelerator.json", record)
    sheets = [sheet(name, part) for name, part in record["parts"].items()]
    head = f"Device: {record['device']}; driver: {record['driver']}; {record['versions']}\n\n"
    write_text(out / "accelerator.md", head + "\n".join(each.markdown() for each in sheets))


def sheet(name: str, part: Row) -> Sheet:
    """The rows of a part under all the names that they have."""
    header = list(dict.fromkeys(key for row in part["rows"] for key in row)) or ["nothing measured"]
    lines = [[_text(row.get(key)) for key in header] for row in part["rows"]]
    return Sheet(name.capitalize(), [key.replace("_", " ") for key in header], lines, part["error"] or "")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " × ".join(map(str, value)) or "–"
    return "–" if value is None or value == {} else f"{value:.3g}" if isinstance(value, float) else str(value)
