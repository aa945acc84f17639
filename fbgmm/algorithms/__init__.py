"""One file for each way from counts to the weights pi; `base` holds the protocol."""

from .algorithm1 import algorithm1
from .algorithm2 import algorithm2
from .base import Algorithm, resolve
from .interior_point import duality_gap, interior_point
from .least_squares import least_squares
from .maximum_likelihood import maximum_likelihood
from .penalised import multi_scale, roughness

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
