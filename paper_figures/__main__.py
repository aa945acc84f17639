"""`python -m paper_figures [WHAT …]`: draws the paper's figures, and two more, as PDF and PNG."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.environment import enable_compilation_cache

from . import densities, local_picture, loss_curves, style
from .request import Drawing, Request, RequestError

DRAWINGS: dict[str, Drawing] = {**local_picture.FIGURES, **densities.FIGURES, **loss_curves.FIGURES}
"""All that can be asked for. A further family of figures is a module with such a dictionary, named here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws what is asked for; returns the exit status, 2 for a request that cannot be met."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"default: all of {', '.join(DRAWINGS)}")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder of all that is written (figures)")
    parser.add_argument("--quick", action="store_true", help="fewer experiments for the loss curves")
    parser.add_argument("--seed", type=int, default=0, help="of the samples; the targets shown are fixed (0)")
    parser.add_argument("--results", type=Path, help="folder with table3.json: loss_n draws it instead of computing it")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.what if name not in DRAWINGS]
    if unknown:
        return _refuse(f"unknown WHAT {', '.join(unknown)}; allowed: {', '.join(DRAWINGS)}")
    names = list(dict.fromkeys(chosen.what)) or list(DRAWINGS)
    request = Request(seed=chosen.seed, quick=chosen.quick, results=chosen.results)
    try:
        draw_all(names, request, chosen.out)
    except (OSError, RequestError) as error:
        return _refuse(str(error))
    return 0


def draw_all(names: Sequence[str], request: Request, out: Path) -> None:
    """Draws and writes figures by name, with a bar on standard error and the files on standard output.

    Raises:
        OSError: a folder that cannot be written.
        RequestError: results that cannot be read, a seed that cannot be drawn.
    """
    out.mkdir(parents=True, exist_ok=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress, style.settings():
        bar = progress.add_task("figures", total=len(names))
        for name in names:
            progress.update(bar, description=name)
            paths = style.write(DRAWINGS[name](request), out, name)
            progress.advance(bar)
            print(*paths)
        progress.update(bar, description="figures")


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    enable_compilation_cache()
    sys.exit(main())
