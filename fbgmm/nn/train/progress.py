"""How long work says how far it is: a callback, and a bar for those who want one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[str, int, int], None]
"""progress(what, done, total): `done` of `total` steps of a work are finished; `what` is its name, or "name: note"."""


def silent(what: str, done: int, total: int) -> None:
    """No progress shown."""


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """One bar on standard error for each work that reports.

    Example:
        >>> from fbgmm.nn.train.progress import progress_bars
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
        yield on(bars)


def on(bars: Any) -> Progress:
    """The callback that shows work on a `rich.progress.Progress`, which may show other things as well."""
    tasks: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        name = what.partition(":")[0]
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=total)
        bars.update(tasks[name], description=what, completed=done, total=total)

    return show
