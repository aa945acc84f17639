"""Algorithms from counts to the weights pi, one in each file; `base` has the protocol."""

from .algorithm1 import algorithm1
from .algorithm2 import algorithm2
from .base import Algorithm
from .duality_gap import duality_gap
from .interior_point import interior_point
from .least_squares import least_squares
from .maximum_likelihood import maximum_likelihood
from .multi_scale import multi_scale
from .resolve import resolve
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
