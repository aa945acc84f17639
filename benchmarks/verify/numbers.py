"""The numbers stated in a Markdown page: where they stand, their values, and the digits they are given to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:\^\d+|e[+-]?\d+)?"
NUMBER = re.compile(rf"(?<![\w.,^-])(?=[−-]?\.?\d)([−-]?{_DIGITS})(?: ?(ms|s|min)\b)?")
"""A number, and after it a unit of time."""

SECONDS = {None: 1.0, "ms": 1e-3, "s": 1.0, "min": 60.0}

_NAMES = "tables?|figures?|eqs?\\.|sections?|algorithms?|targets?|rows?|part|seed"
_SEVERAL = "tables|figures|sections|algorithms|rows|eqs?\\."
_NAME = r"\d+(?:\.\d+)*[a-z]?"
NO_FIGURES = re.compile(
    r"!\[.*?\]\(.*?\)"  # pictures
    r"|(?<=\])\([^)]*\)|https?://\S+"  # where links lead
    r"|`[^`]*`"
    rf"|(?i:\b(?:{_SEVERAL}) {_NAME}(?:(?:, | and | to |–){_NAME}\b)+|\b(?:{_NAMES}) {_NAME}\b)"
    r"|\b\d+r\b"  # widths of the paper's tables
    r"|\b(?:jax|Python|scikit-learn|version) [\d.]+"
    r"|\b\d+ (?:CPU )?cores\b"  # with the version: where it was measured
    r"|(?:\(|et al\. |[A-Z]\w+,? )(?:19|20)\d\d(?=[);,])",  # years of publications
)
"""What is not a figure, though it holds digits."""


class Stated(NamedTuple):
    """A number in a text: its place, its value (in seconds with a unit of time), and half a unit of its last digit."""

    start: int
    end: int
    value: float
    half_digit: float


def plain(page: str) -> str:
    """A page without blocks of code and the numbers of lists, each run of white space a single space."""
    without_code = re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"\s+", " ", re.sub(r"^ *\d+\. ", "", without_code, flags=re.MULTILINE)).strip()


def numbers(text: str) -> Iterator[Stated]:
    """The figures of a text; names such as "Table 1", versions, years and code are none."""
    hidden = NO_FIGURES.sub(lambda match: " " * len(match.group()), text)
    for match in NUMBER.finditer(hidden):
        yield stated(match)


def stated(match: re.Match[str]) -> Stated:
    """The number that `NUMBER` found."""
    digits, unit = match.groups()
    base, _, power = digits.replace("−", "-").replace(",", "").partition("^")
    value = float(base) ** float(power) if power else float(base)
    decimals = len(base.partition("e")[0].partition(".")[2])
    exact = bool(power) or "e" in base
    scale = SECONDS[unit]
    return Stated(match.start(), match.end(), value * scale, 0.0 if exact else scale * 0.5 * 10.0**-decimals)
