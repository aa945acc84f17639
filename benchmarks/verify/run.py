"""`python -m benchmarks verify`: compares the figures of README and docs with the results they come from."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from ..harness.files import write_text
from ..harness.report import Sheet
from ..paper.config import ConfigError
from .claims import ClaimError, Figure, all_claims
from .results import UnknownReferenceError
from .sources import Source, make, read_sources

HEADER = ["page", "figure", "expected", "found", "tolerance", "minutes", "command", ""]


class Check(NamedTuple):
    """A figure beside what was found for it in files that a command made, or that are committed (command "")."""

    figure: Figure
    found: float
    tolerance: float
    minutes: float
    command: str

    @property
    def agrees(self) -> bool:
        return self.figure.agrees(self.found, self.tolerance)

    def line(self) -> list[str]:
        figure = self.figure
        expected, found = f"{figure.stated.value:.6g}", f"{self.found:.6g}"
        tolerance = f"{self.tolerance:.0%}" if self.tolerance else "its last digit"
        verdict = "" if self.agrees else "DIFFERS"
        command = f"python -m benchmarks {self.command}" if self.command else "committed"
        return [figure.page, figure.expression, expected, found, tolerance, f"{self.minutes:g}", command, verdict]


def check_committed(figures: Iterable[Figure], sources: dict[str, Source]) -> list[Check]:
    """Each figure beside the committed files of results."""
    results = {name: source.committed() for name, source in sources.items()}
    return [Check(figure, figure.value(results), 0.0, 0.0, "") for figure in figures]


def check_anew(
    figures: Iterable[Figure], sources: dict[str, Source], out: Path, quick: bool, console: Console
) -> list[Check]:
    """Each figure of these sources beside what their commands give now.

    A small command makes a part of a file, from fewer experiments: it is asked for the cells that it has.
    """
    commands = {name: source.quick if quick else source.command for name, source in sources.items()}
    folders = {command: out / str(place) for place, command in enumerate(dict.fromkeys(commands.values()))}
    for command, folder in folders.items():
        console.print(f"python -m benchmarks {command}")
        make(command, folder)
    made = {name: source.made(folders[commands[name]]) for name, source in sources.items()}
    checks = []
    for figure in figures:
        if not figure.sources <= set(made) or (quick and not figure.is_a_cell):
            continue
        needed = [sources[name] for name in sorted(figure.sources)]
        try:
            found = figure.value(made)
        except UnknownReferenceError:
            if quick:
                continue
            raise
        tolerance = max(source.quick_tolerance if quick else source.tolerance for source in needed)
        minutes = sum(source.quick_minutes if quick else source.minutes for source in needed)
        command = "; ".join(dict.fromkeys(commands[source.name] for source in needed))
        checks.append(Check(figure, found, tolerance, minutes, command))
    return checks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="small commands only, at most three minutes on two cores")
    parser.add_argument("--only", metavar="SOURCE", action="append", help="only this source; may be given repeatedly")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks verify`; ends the process with status 1 where a figure differs.

    Raises:
        ConfigError: an unknown source, a claim that does not fit its page, a command that fails.
    """
    sources = read_sources()
    if unknown := set(arguments.only or ()) - set(sources):
        raise ConfigError(f"unknown source {', '.join(sorted(unknown))}; allowed: {', '.join(sources)}")
    asked = {name: source for name, source in sources.items() if name in (arguments.only or sources)}
    chosen = {name: source for name, source in asked.items() if (source.quick if arguments.quick else source.command)}
    try:
        pages = list(all_claims())
        figures = [figure for page in pages for figure in page.figures]
        checks = check_committed(figures, sources)
        checks += check_anew(figures, chosen, arguments.out / "verify", arguments.quick, console)
    except (ClaimError, UnknownReferenceError, subprocess.CalledProcessError) as error:
        raise ConfigError(str(error)) from error
    sheet = Sheet("Figures of README and docs", HEADER, [check.line() for check in checks])
    write_text(arguments.out / "verify.md", sheet.markdown())
    for page in pages:
        console.print(f"{page.page}: {page.number - len(page.unknown)} of {page.number} figures checked")
    left_out = [f"{source.name} ({source.minutes:g} min)" for source in sources.values() if source.name not in chosen]
    console.print(f"compared with the committed files only: {', '.join(left_out) or 'none'}")
    differing = [check for check in checks if not check.agrees]
    if differing:
        for check in differing:
            where, name, expected, found, tolerance, _, command, _ = check.line()
            console.print(
                f"{where}: expected {expected} (within {tolerance}), found {found} ({command}): {name}", markup=False
            )
        raise SystemExit(1)
    anew = sum(bool(check.command) for check in checks)
    console.print(f"{len(checks)} checks, {anew} of them on new results; none differs ({arguments.out / 'verify.md'})")
