"""Where the figures come from: files of results, and the commands that make them."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .claims import HERE, RESULTS
from .results import Results


@dataclass(frozen=True)
class Source:
    """A file of results.

    Attributes:
        name: in references.
        file: below docs/results.
        command: that makes it, the arguments of `python -m benchmarks`; "" for results of former code.
        minutes: that it takes on two cores.
        tolerance: relative, by which another run on another machine may differ.
        quick: a smaller command, or "": none.
        quick_minutes: that the smaller one takes.
        quick_tolerance: by which figures of the smaller one may differ.
    """

    name: str
    file: str
    command: str
    minutes: float
    tolerance: float
    quick: str = ""
    quick_minutes: float = 0.0
    quick_tolerance: float = 0.0

    def committed(self) -> Results:
        return Results(RESULTS / self.file)

    def made(self, out: Path) -> Results:
        """What its command wrote into a folder."""
        return Results(out / Path(self.file).name)


def make(command: str, out: Path) -> None:
    """Runs `python -m benchmarks` in a process of its own.

    Raises:
        CalledProcessError: it failed.
    """
    arguments = [sys.executable, "-m", "benchmarks", *shlex.split(command), "--out", str(out)]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def read_sources() -> dict[str, Source]:
    """All sources of `sources.toml`, by name."""
    table = tomllib.loads((HERE / "sources.toml").read_text(encoding="utf-8"))
    return {name: Source(name=name, **entry) for name, entry in table.items()}
