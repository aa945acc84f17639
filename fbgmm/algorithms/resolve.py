"""The algorithm that an argument of `fit` names: 1, 2 or an `Algorithm`."""

from __future__ import annotations

from .algorithm1 import algorithm1
from .algorithm2 import algorithm2
from .base import Algorithm


def resolve(algorithm: Algorithm | int) -> Algorithm:
    """The Algorithm that an argument names: an Algorithm itself, or 1 or 2.

    Raises:
        ValueError: anything else.
    """
    if isinstance(algorithm, Algorithm):
        return algorithm
    if algorithm in (1, 2) and not isinstance(algorithm, bool):
        return algorithm1() if algorithm == 1 else algorithm2()
    raise ValueError(f"algorithm must be 1, 2 or an Algorithm, such as fbgmm.algorithm2(); found {algorithm!r}")
