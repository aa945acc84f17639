"""Algorithms from counts to the weights pi, one in each file; `base` has the protocol."""

from .algorithm1 import algorithm1
from .algorithm2 import algorithm2
from .base import Algorithm
from .duality_gap import duality_gap
from .interior_point import interior_point
from .least_squares import least_squares
from .maximum_likelihood import maximum_likelihood
from .multi_scale import multi_scale
from .roughness import roughness

__all__ = [
    "Algorithm",
    "algorithm1",
    "algorithm2",
    "duality_gap",
    "interior_point",
    "least_squares",
    "maximum_likelihood",
    "multi_scale",
    "resolve",
    "roughness",
]


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
