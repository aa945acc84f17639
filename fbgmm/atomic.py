"""Atomic file writes: a file is there whole, or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the name `path` when all of it is on the disk; after an error it is removed.

    Each call has a temporary file of its own, so that threads and processes may write to one path: the last wins.
    Symbolic links are followed, and the mode of a file that is there is kept. Pipes and devices are written to.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        with open(path, "wb") as device:
            yield device
        return
    half = path.with_name(f".fbgmm-{uuid4().hex}.tmp")  # of a length that any folder allows
    try:
        with open(half, "xb") as file:
            if path.is_file():
                os.chmod(half, stat.S_IMODE(path.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
