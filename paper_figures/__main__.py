"""`python -m paper_figures [WHAT …]`: draws the paper's figures, and more, as PDF and PNG."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fbgmm.compiling import keep_programs

from . import overview, style
from .density import densities, local_picture, loss_curves
from .request import Drawing, Request, RequestError
from .style_transfer import options as style_options

DRAWINGS: dict[str, Drawing] = {**local_picture.FIGURES, **densities.FIGURES, **loss_curves.FIGURES}
"""All that can be asked for. A further family of figures is a module with such a dictionary, named here."""

ON_REQUEST: dict[str, Drawing] = {"overview": overview.overview}
"""The head of README and site: not the paper's, and its data need the extra `sklearn`."""

APPLICATIONS = {
    "mnist": "paper_figures.mnist.draw",
    "style": "paper_figures.style_transfer.draw",
    "regression": "paper_figures.regression",
}
"""Those that train networks first, and need the extra `nn`: drawn only when asked for. Module of each, with `draw`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws what is asked for; returns the exit status, 2 for a request that cannot be met."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures", description=__doc__)
    known = f"{', '.join(DRAWINGS)} (default: all of these), {', '.join([*ON_REQUEST, *APPLICATIONS])}"
    parser.add_argument("what", nargs="*", metavar="WHAT", help=known)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder of all that is written (figures)")
    parser.add_argument("--quick", action="store_true", help="fewer experiments for the loss curves, fewer digits")
    parser.add_argument("--seed", type=int, default=0, help="of the samples; the targets shown are fixed (0)")
    results = "folder of results of the benchmarks: loss_n draws its table3.json, mnist and regression its trainings"
    parser.add_argument("--results", type=Path, help=results)
    parser.add_argument(
        "--pretrained", action="store_true", help="mnist with networks of the repository, but no figure 8"
    )
    style_options.add_arguments(parser)
    chosen = parser.parse_args(arguments)
    allowed = [*DRAWINGS, *ON_REQUEST, *APPLICATIONS]
    unknown = [name for name in chosen.what if name not in allowed]
    if unknown:
        return _refuse(f"unknown WHAT {', '.join(unknown)}; allowed: {', '.join(allowed)}")
    names = list(dict.fromkeys(chosen.what)) or list(DRAWINGS)
    request = Request(chosen.seed, chosen.quick, chosen.results, chosen.pretrained, style=chosen)
    try:
        draw_all(names, request, chosen.out)
    except (OSError, ModuleNotFoundError, RequestError) as error:
        return _refuse(str(error))
    return 0


def draw_all(names: Sequence[str], request: Request, out: Path) -> None:
    """Draws and writes figures by name, with a bar on standard error and the files on standard output.

    Raises:
        ModuleNotFoundError: an application without the packages it needs.
        OSError: a folder that cannot be written, data that cannot be had.
        RequestError: results that cannot be read, a seed that cannot be drawn.
    """
    out.mkdir(parents=True, exist_ok=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress, style.settings():
        bar = progress.add_task("figures", total=len(names))
        for name in names:
            progress.update(bar, description=name)
            for file, figure in _drawn(name, request, out, progress):
                print(*style.write(figure, out, file))
            progress.advance(bar)
        progress.update(bar, description="figures")


def _drawn(name: str, request: Request, out: Path, bars: Progress) -> Iterator[tuple[str, Figure]]:
    """Names of files and figures; a drawing is one, an application several."""
    drawings = DRAWINGS | ON_REQUEST
    if name in drawings:
        yield name, drawings[name](request)
    else:
        from fbgmm.nn.train.progress import callback_for  # here: the other figures do without the extra `nn`

        yield from import_module(APPLICATIONS[name]).draw(request, out, callback_for(bars))


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    keep_programs()
    sys.exit(main())
