"""`python -m benchmarks accelerator`: a device measured, in order of worth; each row is written at once.

Each part runs in a process of its own: one that hangs in the compiler or the driver is ended, and the others go on.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.console import Console

from ..harness import environment
from ..harness.files import write_json, write_text
from ..harness.report import Sheet
from . import applications, correctness, counting, fits

Row = dict[str, Any]
Measure = Callable[[bool, Path], Iterator[Row]]

PARTS: dict[str, tuple[Measure, float]] = {
    "correctness": (correctness.measure, 45.0),
    "tests": (correctness.run_tests, 65.0),
    "counting": (counting.measure, 50.0),
    "fits": (fits.measure, 85.0),
    "applications": (applications.measure, 25.0),
    "Figure 13": (applications.figure13, 60.0),
    "transfers": (fits.transfers, 15.0),
}
"""What measures each part, and its seconds, 345 in all. A part is ended when its seconds and those that the parts
before it left over are spent."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="which; all if not given")
    parser.add_argument("--quick", action="store_true", help="all of it small, on any device; without Figure 13")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Runs the parts in turn; one that fails or is ended is recorded with its error, and the rest goes on."""
    out, record = arguments.out, {"quick": arguments.quick, "driver": _driver(), "parts": {}}
    due = time.perf_counter()
    for name in arguments.parts:
        measure, budget = PARTS[name]
        part: Row = {"budget_seconds": budget, "error": None, "rows": []}
        record["parts"][name] = part
        due += budget
        started = time.perf_counter()
        for kind, what in _messages(measure, arguments.quick, out, due):
            if kind == "row":
                part["rows"].append(what)
            elif kind == "error":
                part["error"] = what
            else:
                record |= what
            part["seconds"] = time.perf_counter() - started
            _write(out, record)
        sheet(name, part).show(console)


def _messages(measure: Measure, quick: bool, out: Path, due: float) -> Iterator[tuple[str, Any]]:
    """What a process that measures says, in pairs (kind, what), and at the end how it failed, if it did."""
    context = multiprocessing.get_context("spawn")  # a copy of this process could not use the device
    receiver, sender = context.Pipe(duplex=False)
    started = time.perf_counter()
    process = context.Process(target=_measure, args=(measure, quick, out, sender))
    process.start()
    sender.close()
    try:
        while receiver.poll(max(due - time.perf_counter(), 0)):
            yield receiver.recv()
        yield "error", f"ended after {time.perf_counter() - started:.0f} seconds"
    except EOFError:
        process.join()
        if process.exitcode:
            yield "error", f"the process ended with code {process.exitcode}"
    finally:
        process.kill()
        process.join()


def _measure(measure: Measure, quick: bool, out: Path, sender: Connection) -> None:
    """In the process of a part: sends the device, and each row as it is there."""
    sender.send(("surroundings", environment.description("float32")))
    try:
        for row in measure(quick, out):
            sender.send(("row", row))
    except Exception as error:  # whatever it is, the other parts are worth having
        sender.send(("error", f"{type(error).__name__}: {error}"[:2000]))


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
    head = f"Device: {record.get('device')}; driver: {record['driver']}; {record.get('versions')}\n\n"
    write_text(out / "accelerator.md", head + "\n".join(each.markdown() for each in sheets))


def sheet(name: str, part: Row) -> Sheet:
    """The rows of a part under all the names that they have."""
    header = list(dict.fromkeys(key for row in part["rows"] for key in row)) or ["nothing measured"]
    lines = [[_text(row.get(key)) for key in header] for row in part["rows"]]
    return Sheet(name[0].upper() + name[1:], [key.replace("_", " ") for key in header], lines, part["error"] or "")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " × ".join(map(str, value)) or "–"
    return "–" if value is None or value == {} else f"{value:.3g}" if isinstance(value, float) else str(value)
