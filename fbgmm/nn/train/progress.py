"""Progress of long work: a callback, and progress bars in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[str, int, int], None]
"""progress(what, done, total): `done` of `total` steps are finished; `what` is the work's name, or "name: note"."""


def silent(what: str, done: int, total: int) -> None:
    """No progress shown."""


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """A bar on standard error for each work that reports.

    Example:
        >>> from fbgmm.nn.train import progress_bars
        >>> with progress_bars() as progress:
        ...     for step in range(3):
        ...         progress("reading", step + 1, 3)
    """
    from rich import progress  # here: callers that show nothing need no rich
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bars:
        yield callback_for(bars)


def callback_for(bars: Any) -> Progress:
    """A callback that shows work on a `rich.progress.Progress`, which may show other things as well."""
    tasks: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        name = what.partition(":")[0]
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=total)
        bars.update(tasks[name], description=what, completed=done, total=total)

    return show
