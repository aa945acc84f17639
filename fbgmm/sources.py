"""Data in chunks, for `fbgmm.fit_stream`: arrays and memory maps, Parquet files, text.

Each source is iterable more than once where its data can be read again, so that `fit_stream` can find low and high in
a first pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

CHUNK = 1 << 20
"""Points in a chunk: large enough to hide the cost of a call, small enough for constant memory (8 MiB)."""


class ArraySource:
    """A one-dimensional array in slices; a `numpy.memmap` is read from disk slice by slice.

    Raises:
        ValueError: not one-dimensional.
    """

    def __init__(self, array: Any, chunk: int = CHUNK):
        if array.ndim != 1:
            raise ValueError(f"chunks has shape {array.shape}; allowed: one dimension, (N,), or an iterable of such")
        self.array, self.chunk = array, chunk

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, self.array.shape[0], self.chunk):
            yield self.array[start : start + self.chunk]


class ParquetSource:
    """One column of a Parquet file, by row groups; needs pyarrow (extra `parquet`).

    Missing values are an error of `fit_stream`, as NaN is.

    Args:
        path: of the file.
        column: name of a numeric column.

    Raises:
        ValueError: no such column; the message names those there are.
    """

    def __init__(self, path: str | Path, column: str, chunk: int = CHUNK):
        import pyarrow.parquet  # here: the core imports jax and numpy only

        self.file, self.column, self.chunk = pyarrow.parquet.ParquetFile(path), column, chunk
        if column not in self.file.schema_arrow.names:
            raise ValueError(f"column {column!r} is not in {path}; allowed: {', '.join(self.file.schema_arrow.names)}")

    def __iter__(self) -> Iterator[np.ndarray]:
        for batch in self.file.iter_batches(self.chunk, columns=[self.column]):
            yield batch.column(0).to_numpy(zero_copy_only=False)


class TextSource:
    """Numbers in text, separated by white space or commas, such as `sys.stdin`; read once.

    Args:
        stream: lines of text, such as a file open for reading; empty lines and what follows a `#` are skipped.

    Raises:
        ValueError: while iterating, naming the line that holds no number.
    """

    def __init__(self, stream: Iterable[str], chunk: int = CHUNK):
        self.stream, self.chunk = stream, chunk

    def __iter__(self) -> Iterator[np.ndarray]:
        return self._read()

    def _read(self) -> Iterator[np.ndarray]:
        numbers: list[float] = []
        for number, line in enumerate(self.stream, start=1):
            try:
                numbers.extend(map(float, line.partition("#")[0].replace(",", " ").split()))
            except ValueError as error:
                raise ValueError(f"line {number} must hold numbers; found {line.strip()[:60]!r}") from error
            if len(numbers) >= self.chunk:
                yield np.asarray(numbers)
                numbers = []
        if numbers:
            yield np.asarray(numbers)


def as_source(chunks: Any) -> Iterable[Any]:
    """What `fit_stream` iterates over: arrays are sliced, everything else is taken as an iterable of arrays.

    Raises:
        TypeError: not iterable, or text.
    """
    if isinstance(chunks, (str, bytes, Path)):
        raise TypeError(
            f"chunks must be an iterable of arrays; found the text {str(chunks)!r}. "
            "For a file use fbgmm.sources.ParquetSource, fbgmm.sources.TextSource or numpy.memmap"
        )
    if hasattr(chunks, "ndim") and hasattr(chunks, "shape"):
        return ArraySource(chunks)
    if not isinstance(chunks, Iterable):
        raise TypeError(f"chunks must be an iterable of arrays; found {type(chunks).__name__}")
    return chunks
