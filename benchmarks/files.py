"""Files that are there whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_TEMPORARY = ".*.tmp"


def write_text(path: Path, text: str) -> None:
    """Writes a file atomically: under another name in the same folder first, renamed when it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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
