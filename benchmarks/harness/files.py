"""Files that are there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fbgmm.atomic import whole

_TEMPORARY = ".*.tmp"  # the names that `whole` writes under


def write_text(path: Path, text: str) -> None:
    """Writes a file atomically, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Writes strict JSON (no NaN, no infinity) atomically.

    Raises:
        ValueError: a number that is not finite.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def remove_leftovers(folder: Path) -> None:
    """Deletes what a killed process had begun to write. One process at a time may write into a folder."""
    for path in folder.glob(_TEMPORARY):
        path.unlink(missing_ok=True)
