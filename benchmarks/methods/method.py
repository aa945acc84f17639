"""The type of an entry in the registry of methods."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from fbgmm import Algorithm

from .fitted import Fitted

Fit = Callable[[np.ndarray], Fitted]
"""From a sample, float64 of shape (N,), to an estimate."""

Group = Literal["ours", "rivals", "readings", "timed", "own"]
"""This library's estimators; others'; readings of the paper; work that is only timed; the user's own."""


class Method(NamedTuple):
    """A method by what it can do.

    Attributes:
        fit: from a sample to an estimate; None for work that is only timed.
        algorithm: of a method of this library that learns weights on a given basis: sweeps set n and t themselves.
        package: that must be installed.
        seeds: at data sizes from which on it is run on so many seeds only, because it is slow: (size, seeds).
        timed: in races, from a sample to anything.
    """

    group: Group
    fit: Fit | None
    algorithm: Algorithm | None = None
    package: str = "fbgmm"
    seeds: tuple[tuple[int, int], ...] = ()
    timed: Callable[[np.ndarray], Any] | None = None

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def seeds_allowed(self, size: int) -> float:
        """On how many seeds it is run at a data size."""
        return min((seeds for least, seeds in self.seeds if size >= least), default=float("inf"))


def quietly(fit: Fit) -> Fit:
    """A fit without its warnings: what does not converge shows in the losses."""

    def quiet(x: np.ndarray) -> Fitted:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return fit(x)

    return quiet


def rival(package: str, fit: Fit, seeds: tuple[tuple[int, int], ...] = ()) -> Method:
    """An estimator of another library."""
    return Method("rivals", fit, package=package, seeds=seeds)
