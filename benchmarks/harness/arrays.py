"""Arrays on disk in NumPy's npz format, with a description of what made them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fbgmm.atomic import whole

_DESCRIPTION = "made"


def write_arrays(path: Path, made: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays and what JSON can hold of how they were made, compressed and atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        named: dict[str, Any] = {_DESCRIPTION: np.asarray(json.dumps(dict(made))), **arrays}
        np.savez_compressed(file, **named)


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """What made them, and the arrays; None where there is no such file, or it is damaged."""
    try:
        with open(path, "rb") as opened, np.load(opened) as file:
            arrays = {name: file[name] for name in file.files}
        return dict(json.loads(str(arrays.pop(_DESCRIPTION)))), arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def halved(array: np.ndarray) -> np.ndarray:
    """As float16, with 7 bits of the mantissa instead of 10: as exact as bfloat16, and a quarter smaller in a file."""
    bits = np.asarray(array, np.float16).view(np.uint16)
    return ((bits + np.uint16(4)) & np.uint16(0xFFF8)).view(np.float16)
