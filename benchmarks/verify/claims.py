"""Figures that the pages state, each with an expression for its value in the files of results.

A file `claims/NAME.toml` belongs to one page. A claim quotes it, with each figure in braces, and has for each figure an
expression in references to results. A figure without braces is a condition and must occur in a reference. A table
of a page is quoted by its header, with one expression for each column and the name in the results for each row.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .numbers import NUMBER, Stated, numbers, plain, stated
from .results import Results, UnknownReferenceError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = ROOT / "docs" / "results"

_REFERENCE = re.compile(r"(\w+)\[([^\]]+)\]")
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "count": np.count_nonzero,
    "floor": np.floor,
    "least_at": lambda keys, values: keys[np.argmin(values)],
    "max": np.max,
    "min": np.min,
    "round": np.round,
    "sorted": np.sort,
    "sqrt": np.sqrt,
}


class ClaimError(ValueError):
    """A claim that does not fit its page: quoted text that is not there, or a figure without a value."""


class Figure(NamedTuple):
    """A number that a page states, and the expression for its value in the results."""

    page: str
    text: str
    stated: Stated
    expression: str

    @property
    def sources(self) -> set[str]:
        return {name for name, _ in _REFERENCE.findall(self.expression)}

    @property
    def is_a_cell(self) -> bool:
        """Whether it stands in a table of results as it is: no setting of the run, and nothing computed."""
        return bool(re.fullmatch(r"\w+\[[^#\]][^\]]*\]", self.expression))

    def value(self, results: dict[str, Results]) -> float:
        """What the results say.

        Raises:
            ClaimError: an expression that has no value.
            UnknownReferenceError: a reference that names no number in the results.
        """

        def number(match: re.Match[str]) -> str:
            found.append(results[match[1]].find(match[2]))
            return f"found[{len(found) - 1}]"

        found: list[float | np.ndarray] = []
        try:
            code = _REFERENCE.sub(number, self.expression)
            return float(eval(f"({code})", {"__builtins__": {}}, {"found": found, **_FUNCTIONS}))
        except UnknownReferenceError as error:
            raise UnknownReferenceError(f"{self.page}: {self.text!r}: {error}") from None
        except (KeyError, SyntaxError, TypeError, NameError) as error:
            raise ClaimError(f"{self.page}: {self.text!r}: {self.expression}: {error}") from None

    def agrees(self, found: float, tolerance: float = 0.0) -> bool:
        """Whether the page states `found`, to its last digit or within a relative tolerance."""
        reach = self.stated.half_digit * (1 + 1e-6) + 1e-9 * abs(found) + tolerance * abs(self.stated.value)
        return abs(found - self.stated.value) <= reach


class Claims:
    """The claims about one page.

    Attributes:
        page: its path in the repository.
        figures: all figures with a value.
        unknown: figures that no claim quotes.
        number: of all figures on the page.
    """

    def __init__(self, path: Path):
        claims = tomllib.loads(path.read_text(encoding="utf-8"))
        self.page: str = claims["page"]
        self.figures: list[Figure] = []
        self._quoted: list[tuple[int, int]] = []
        self._text = plain((ROOT / self.page).read_text(encoding="utf-8"))
        for claim in claims.get("claim", ()):
            self._add(claim["text"], claim["found"])
        for table in claims.get("table", ()):
            self._add_table(**table)
        figures = list(numbers(self._text))
        known = [any(start <= figure.start < end for start, end in self._quoted) for figure in figures]
        self.number = len(figures)
        self.unknown = [self._around(figure) for figure, is_known in zip(figures, known, strict=True) if not is_known]

    def _add(self, text: str, found: list[str]) -> None:
        """One quoted passage."""
        pieces = re.split(r"\{(.*?)\}", text)
        passage, figures = "".join(pieces), pieces[1::2]
        start = self._text.find(passage)
        if start < 0:
            raise ClaimError(f"{self.page} does not say {passage!r}")
        if len(figures) != len(found):
            raise ClaimError(f"{self.page}: {text!r} has {len(figures)} figures in braces and {len(found)} expressions")
        conditions = {abs(number.value) for number in numbers(" " + " ".join(pieces[::2]))}
        named = {abs(stated(match).value) for part in found for match in NUMBER.finditer(re.sub(r"[\[|;]", " ", part))}
        if missing := conditions - named:
            raise ClaimError(f"{self.page}: {text!r}: {sorted(missing)} in no reference; put it into braces")
        self._quoted.append((start, start + len(passage)))
        for figure, expression in zip(figures, found, strict=True):
            match = NUMBER.fullmatch(figure)
            if match is None:
                raise ClaimError(f"{self.page}: {{{figure}}} in {text!r} is no number")
            self.figures.append(Figure(self.page, text, stated(match), expression))

    def _add_table(self, header: str, rows: dict[str, str] | list[str], found: list[str]) -> None:
        """A table, row by row; in an expression {row} is the row's name in the results, {k} the place in the cell."""
        start = self._text.find(header)
        if start < 0:
            raise ClaimError(f"{self.page} has no table {header!r}")
        self._quoted.append((start, start + len(header)))
        for label, row in (rows if isinstance(rows, dict) else {name: name for name in rows}).items():
            line = re.compile(rf"\| {re.escape(label)} \|([^|]*\|){{{len(found)}}}").search(self._text, start)
            if line is None:
                raise ClaimError(f"{self.page} has no row {label!r} of {len(found)} columns below {header!r}")
            text, expressions = f"| {label} |", []
            for cell, expression in zip(line[0].split("|")[2:-1], found, strict=True):
                places = list(NUMBER.finditer(cell)) if expression else []
                expressions += [
                    expression.replace("{row}", row).replace("{k}", str(k)) for k in range(1, len(places) + 1)
                ]
                text += (NUMBER.sub(r"{\g<0>}", cell) if expression else cell) + "|"
            self._add(text, expressions)

    def _around(self, figure: Stated) -> str:
        return f"{self._text[max(figure.start - 40, 0) : figure.start]}[{self._text[figure.start : figure.end]}]"


def all_claims() -> Iterator[Claims]:
    """Of all pages that have some, in the order of their names."""
    for path in sorted((HERE / "claims").glob("*.toml")):
        yield Claims(path)
