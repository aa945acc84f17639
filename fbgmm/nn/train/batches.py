"""Application of a function to many rows in batches of one size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..._typing import AnyArray
from .progress import Progress, silent


def in_batches(
    f: Callable[[np.ndarray], AnyArray],
    x: np.ndarray,
    batch: int = 1000,
    progress: Progress = silent,
    what: str = "batches",
) -> np.ndarray:
    """f of all rows of x, a batch at a time: constant memory, and one program to compile.

    Args:
        f: from a batch, shape (batch, …), to as many rows of something; each row of it depends on its own row only.
        x: shape (N, …), N ≥ 1; zeros fill the last batch.
        batch: rows in a call of f.
        progress, what: called after each batch with the number of rows done, under that name.

    Example:
        >>> import numpy as np
        >>> from fbgmm.nn.train import in_batches
        >>> in_batches(lambda rows: rows.sum(axis=1), np.ones((5, 2)), batch=2).tolist()
        [2.0, 2.0, 2.0, 2.0, 2.0]
    """
    found = []
    for first in range(0, len(x), batch):
        rows = x[first : first + batch]
        filled = np.zeros((batch, *x.shape[1:]), x.dtype)
        filled[: len(rows)] = rows
        found.append(np.asarray(f(filled))[: len(rows)])
        progress(what, min(first + batch, len(x)), len(x))
    return np.concatenate(found)
