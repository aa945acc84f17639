"""One file for each way from counts to the weights pi; `base` holds the protocol."""

from .algorithm1 import algorithm1
from .algorithm2 import algorithm2
from .base import Algorithm, resolve

__all__ = ["Algorithm", "algorithm1", "algorithm2", "resolve"]
