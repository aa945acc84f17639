"""Numbers in result files, named by references such as `speed[one fit, N = 10,000 ( | fbgmm | median ms]`.

In Markdown the parts are: the beginning of a heading (left out: the first table); the beginning of a row's first
cells (`2; 1r`; `*` is any); a column's name (`NAME >`: the column to its right); `#k` for the k-th number there (left
out: the first). `# HEADING | #k` is a number of a heading itself. In JSON they are keys, positions, and conditions
`key=value` on a list of records, or on a table kept as columns.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from .numbers import NUMBER, stated


class UnknownReferenceError(ValueError):
    """A reference that names no number."""


class Results:
    """Reads numbers from one result file."""

    def __init__(self, path: Path):
        self.path = path
        text = path.read_text(encoding="utf-8")
        self._json = json.loads(text) if path.suffix == ".json" else None
        self._tables = _tables(text) if self._json is None else []

    def find(self, reference: str) -> float | np.ndarray:
        """The number that a reference names, times in seconds; an array where it names several.

        Raises:
            UnknownReferenceError: nothing of that name, or several.
        """
        parts = [part.strip() for part in reference.split("|")]
        try:
            found = self._in_table(parts) if self._json is None else _in_json(self._json, parts)
        except (LookupError, ValueError) as error:
            raise UnknownReferenceError(f"{self.path.name} has no number at [{reference}]: {error}") from None
        return np.array(found) if "*" in reference or len(found) != 1 else found[0]

    def _in_table(self, parts: list[str]) -> list[float]:
        index = int(parts.pop()[1:]) if parts[-1].startswith("#") and len(parts) > 1 else 1
        if parts[0].startswith("#"):
            names = [name for name, _ in self._tables]
            return [_numbers(names[_named(names, parts[0][1:].strip())])[index - 1]]
        *section, row, column = parts
        header, *lines = self._tables[_named([name for name, _ in self._tables], section[0]) if section else 0][1]
        place = _named(header, column.removesuffix(">").strip()) + column.endswith(">")
        wanted = [cell.strip() for cell in row.split(";")]
        lines = [line for line in lines if all(w == "*" or line[i].startswith(w) for i, w in enumerate(wanted))]
        if "*" not in row:
            lines = [_only([line for line in lines if line[: len(wanted)] == wanted] or lines)]
        in_ms = re.search(r"\bms$", header[place]) or re.search(r"\bms$", row)
        return [(1e-3 if in_ms else 1.0) * _numbers(line[place])[index - 1] for line in lines]


def _tables(text: str) -> list[tuple[str, list[list[str]]]]:
    """Headings and tables of a Markdown file; a table is its header and rows, each a list of cells."""
    tables: list[tuple[str, list[list[str]]]] = []
    heading, before = "", ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| ---"):
            tables.append((heading, [_cells(before)]))
        elif line.startswith("|") and before.startswith("|"):
            tables[-1][1].append(_cells(line))
        before = line
    return tables


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _numbers(cell: str) -> list[float]:
    return [stated(match).value for match in NUMBER.finditer(cell.replace("*", ""))]


def _named(names: list[str], wanted: str) -> int:
    """The place of the name that is, or else begins with, what is wanted."""
    exact = [place for place, name in enumerate(names) if name == wanted]
    return _only(exact or [place for place, name in enumerate(names) if name.startswith(wanted)])


def _only(found: list[Any]) -> Any:
    if len(found) != 1:
        raise LookupError(f"{len(found)} things of that name")
    return found[0]


def _in_json(value: Any, parts: list[str]) -> list[float]:
    for part in parts:
        key, is_condition, wanted = part.partition("=")
        if is_condition:
            records = _records(value)
            exact = [record for record in records if str(record[key]) == wanted]
            value = exact or [record for record in records if str(record[key]).startswith(wanted)]
            value = value[0] if len(value) == 1 else value
        elif isinstance(value, list) and not part.isdecimal():
            value = [record[part] for record in value]
        else:
            value = value[int(part) if isinstance(value, list) else part]
    return [float(number) for number in (value if isinstance(value, list) else [value])]


def _records(table: Any) -> list[dict[str, Any]]:
    """A list of records, also where it is kept as columns, or holds one only."""
    if isinstance(table, list):
        return table
    if not all(isinstance(values, list) for values in table.values()):
        return [table]
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
