"""Results that are kept, each in a file of its own, with a digest of the code and settings that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .files import write_json


def digest(settings: Any, sources: Iterable[Path]) -> str:
    """Of settings, by their representation, and source files: a result of another digest is made anew."""
    found = hashlib.sha256(repr(settings).encode())
    for path in sources:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def slug(name: str) -> str:
    """The name of a method as part of a file's name."""
    return name.replace(", ", "-").replace(" ", "-")


def read_record(path: Path, wanted: str) -> dict[str, Any] | None:
    """The measures in a file, or None where there is none of that identity."""
    try:
        file = json.loads(path.read_text(encoding="utf-8"))
        return dict(file["measures"]) if file["identity"] == wanted else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(path: Path, identity: str, measures: dict[str, Any]) -> None:
    """Writes measures with their identity, atomically."""
    write_json(path, {"identity": identity, "measures": measures})
