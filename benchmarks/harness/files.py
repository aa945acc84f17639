"""Atomic writing of text and JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    """Writes strict JSON (no NaN, no infinity) atomically, a list of numbers or words in one line.

    Raises:
        ValueError: a number that is not finite.
    """
    write_text(path, _as_json(value, "\n") + "\n")


def _as_json(value: Any, newline: str) -> str:
    inner = newline + "  "
    if isinstance(value, dict) and value:
        parts = [f"{json.dumps(str(key), ensure_ascii=False)}: {_as_json(part, inner)}" for key, part in value.items()]
        return "{" + inner + f",{inner}".join(parts) + newline + "}"
    if isinstance(value, (list, tuple)) and any(isinstance(part, (dict, list, tuple)) for part in value):
        return "[" + inner + f",{inner}".join(_as_json(part, inner) for part in value) + newline + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def as_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as one list for each key, with None where a row does not have it."""
    return {key: [row.get(key) for row in rows] for key in dict.fromkeys(key for row in rows for key in row)}


def remove_leftovers(folder: Path) -> None:
    """Deletes what a killed process had begun to write. One process at a time may write into a folder."""
    for path in folder.glob(_TEMPORARY):
        path.unlink(missing_ok=True)
