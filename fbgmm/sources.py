"""Data sources of `fbgmm.fit_stream`, read in chunks: arrays and memory maps, Parquet files, CSV tables, plain text.

Each source is iterable more than once where its data can be read again, so that `fit_stream` can find low and high in
a first pass.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ._typing import ArrayLike

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
        column: name of a numeric column; None: the only one.

    Raises:
        ValueError: no such column, none named where there are several, or not one of numbers; the message names those
            there are. Not a Parquet file.
        ModuleNotFoundError: pyarrow is missing.
    """

    def __init__(self, path: str | Path, column: str | None = None, chunk: int = CHUNK):
        try:
            import pyarrow.parquet  # here: the core imports jax and numpy only
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'Parquet files need pyarrow; install with: pip install "fbgmm[parquet]"'
            ) from error
        try:
            self.file = pyarrow.parquet.ParquetFile(path)
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"{path} is not a Parquet file: {error}") from error
        names = self.file.schema_arrow.names
        self.column, self.chunk = names[_position(path, column, names)], chunk
        kind = self.file.schema_arrow.field(self.column).type
        if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
            raise ValueError(
                f"{path}: column {self.column!r} holds {kind}; allowed: integers or floating-point numbers"
            )

    def __iter__(self) -> Iterator[np.ndarray]:
        for batch in self.file.iter_batches(self.chunk, columns=[self.column]):
            yield batch.column(0).to_numpy(zero_copy_only=False)


class CsvSource:
    """One column of a table in a text file, such as a CSV file, read anew in each pass. `table_chunks` says how.

    Args:
        path: of the file, in UTF-8, as it is or compressed by gzip.
        column, delimiter: as in `table_chunks`.

    Raises:
        ValueError: as `table_chunks`; for what the first row shows already here.
    """

    def __init__(self, path: str | Path, column: str | None = None, chunk: int = CHUNK, delimiter: str = ","):
        self.path, self.column, self.chunk, self.delimiter = path, column, chunk, delimiter
        with open(path, "rb") as file, text_of(file) as lines:
            _heading(csv.reader(_without_marks(lines), delimiter=delimiter), column, str(path))

    def __iter__(self) -> Iterator[np.ndarray]:
        with open(self.path, "rb") as file, text_of(file) as lines:
            yield from table_chunks(lines, self.column, self.chunk, self.delimiter, str(self.path))


@contextmanager
def text_of(file: Any) -> Iterator[Iterable[str]]:
    """The lines of a binary file or pipe, in UTF-8; uncompressed where it begins as gzip does."""
    binary: Any = file if hasattr(file, "peek") else io.BufferedReader(file)
    if binary.peek(2)[:2] == b"\x1f\x8b":
        binary = gzip.GzipFile(fileobj=binary)
    text = io.TextIOWrapper(binary, encoding="utf-8", newline="")
    try:
        yield text
    finally:
        text.detach()  # the file is the caller's


def _without_marks(lines: Iterable[str]) -> Iterator[str]:
    """The lines without byte order marks, which files put together have in their midst too."""
    return (line.lstrip("\ufeff") for line in lines)


def table_chunks(
    lines: Iterable[str], column: str | None = None, chunk: int = CHUNK, delimiter: str = ",", name: str = "text"
) -> Iterator[np.ndarray]:
    """One column of a table in lines of text, such as `sys.stdin`, in chunks; read once.

    The first row is a header where one of its cells is not a number. All others are as long; those without any cell
    are skipped. Numbers have a decimal point, and nothing between the thousands.

    Args:
        lines: of text.
        column: its name in the header; without a header its position, from "1". None: the only one.
        delimiter: between the cells.
        name: of the table, for errors.

    Raises:
        ValueError: no rows of numbers; no such column, or none named where there are several; a row longer or shorter
            than the first, or a cell that is not a finite number, naming its line and column.

    Example:
        >>> from fbgmm.sources import table_chunks
        >>> [chunk.tolist() for chunk in table_chunks(["name,height", "Ada,1.65", "Max,1.8"], "height")]
        [[1.65, 1.8]]
    """
    rows = csv.reader(_without_marks(lines), delimiter=delimiter)
    begun, position, column, width = _heading(rows, column, name)
    numbers: list[float] = []
    for row in chain(begun, _rows(rows, name)):
        number = _number(row[position]) if len(row) == width else math.nan
        if not -math.inf < number < math.inf:
            if len(row) == width:
                found, allowed = repr(row[position][:60]), "a finite number, such as 1234.5"
            else:
                found, allowed = f"a row of {len(row)} cells", f"{width}, as in the first row"
            raise ValueError(f"{name}, line {rows.line_num}, column {column!r}: found {found}; allowed: {allowed}")
        numbers.append(number)
        if len(numbers) == chunk:
            yield np.asarray(numbers)
            numbers = []
    if numbers:
        yield np.asarray(numbers)


def _heading(rows: Any, column: str | None, name: str) -> tuple[list[list[str]], int, str, int]:
    """The first row if it is data, the position of the column and its name, and the number of cells."""
    first = next(_rows(rows, name), None)
    if first is None:
        raise ValueError(f"{name} is empty; allowed: a table with at least one row of numbers")
    for i, cell in enumerate(first):
        if not _is_number(cell) and any(c.isdigit() for c in cell) and set(cell) <= _IN_NUMBERS:
            place = f"{name}, line {rows.line_num}, column {str(i + 1)!r}"
            raise ValueError(f"{place}: found {cell[:60]!r}; allowed: a finite number, such as 1234.5, or a name")
    data = all(map(_is_number, first))
    names = [str(i + 1) for i in range(len(first))] if data else [cell.strip() for cell in first]
    position = _position(name, column, names)
    return [first] * data, position, names[position], len(first)


_IN_NUMBERS = set("0123456789+-.,_' eE\u00a0\u202f")
"""What a number holds, as people write it: a first row of such cells is no header."""


def _rows(rows: Any, name: str) -> Iterator[list[str]]:
    """The rows that hold something."""
    try:
        yield from filter(None, rows)
    except (csv.Error, UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{name}, after line {rows.line_num}: not a table of text in UTF-8: {error}") from error


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
        numbers: list[float] = []
        for number, line in enumerate(self.stream, start=1):
            try:
                cells = line.lstrip("\ufeff").partition("#")[0].replace(",", " ").split()
                numbers.extend(map(_strict, cells))
            except ValueError as error:
                raise ValueError(f"line {number} must hold numbers; found {line.strip()[:60]!r}") from error
            if len(numbers) >= self.chunk:
                yield np.asarray(numbers)
                numbers = []
        if numbers:
            yield np.asarray(numbers)


def file_source(path: str | Path, column: str | None = None) -> Iterable[Any]:
    """The source that reads a file, by its suffix: .csv, .tsv, their .gz, .parquet or .npy.

    Args:
        path: of the file. A pipe, such as /dev/stdin, holds a table in CSV, which is read once.
        column: as in `CsvSource` and `ParquetSource`; of a two-dimensional .npy array its position, from "1".

    Raises:
        ValueError: another suffix, not such a file, or as the source that reads it.
        FileNotFoundError: no such file.

    Example:
        >>> import numpy as np, pathlib, tempfile
        >>> from fbgmm.sources import file_source
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "x.npy"
        ...     np.save(path, np.array([1.0, 2.0]))
        ...     [chunk.tolist() for chunk in file_source(path)]
        [[1.0, 2.0]]
    """
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        return _piped(path, column)
    suffix = Path(str(path).lower().removesuffix(".gz")).suffix
    if str(path).lower().endswith(".gz") and suffix not in (".csv", ".tsv"):
        suffix = ".gz"
    if suffix not in (".csv", ".tsv", ".parquet", ".npy"):
        raise ValueError(f"{path} has an unknown suffix; allowed: .csv, .tsv, .csv.gz, .tsv.gz, .parquet or .npy")
    with open(path, "rb"):  # for Python's own error where it is missing
        pass
    if suffix == ".parquet":
        return ParquetSource(path, column)
    if suffix != ".npy":
        return CsvSource(path, column, delimiter="," if suffix == ".csv" else "\t")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is not an array of numbers in a .npy file: {error}") from error
    if array.dtype.kind not in "iufb" or array.ndim not in (1, 2):
        raise ValueError(
            f"{path} holds shape {array.shape} of {array.dtype}; allowed: real numbers in one or two dimensions"
        )
    table = array[:, None] if array.ndim == 1 else array
    return ArraySource(table[:, _position(path, column, [str(i + 1) for i in range(table.shape[1])])])


def _piped(path: str | Path, column: str | None) -> Iterator[np.ndarray]:
    with open(path, "rb") as file, text_of(file) as lines:
        yield from table_chunks(lines, column, name=str(path))


def _position(path: object, column: str | None, names: Sequence[str]) -> int:
    """Of a column among the names of all."""
    if column is None and len(names) == 1:
        return 0
    if column is None:
        raise ValueError(f"{path} has {len(names)} columns, so one must be named; allowed: {', '.join(names[:20])}")
    if names.count(column) != 1:
        times = "not" if column not in names else "more than once"
        raise ValueError(f"column {column!r} is {times} in {path}; allowed: {', '.join(names[:20])}")
    return names.index(column)


def _strict(cell: str) -> float:
    """The number, as Python reads it, but for underscores and for digits that are not ASCII; raises ValueError."""
    if "_" in cell or not cell.isascii():
        raise ValueError(cell)
    return float(cell)


def _number(cell: str) -> float:
    """As `_strict`; NaN where there is none."""
    try:
        return _strict(cell)
    except ValueError:
        return math.nan


def _is_number(cell: str) -> bool:
    return not math.isnan(_number(cell)) or cell.strip().lower().lstrip("+-") == "nan"


def as_source(chunks: ArrayLike | Iterable[ArrayLike]) -> Iterable[Any]:
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
