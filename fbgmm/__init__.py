"""fbgmm: density estimation with Gaussians on a fixed basis, in JAX."""

from . import plot, sources, testing
from .algorithms import (
    Algorithm,
    algorithm1,
    algorithm2,
    duality_gap,
    interior_point,
    least_squares,
    maximum_likelihood,
    multi_scale,
    roughness,
)
from .bandwidth import isj, sheather_jones
from .basis import Basis, init_basis, init_basis_from
from .fit import fit, fit_batch
from .metrics import LocalBound, density_information_loss, information_loss, local_loss_bound
from .mixture import Mixture, mix
from .rotated import Rotated, fit_rotated
from .saving import load, save
from .status import MisfitWarning, PrecisionWarning, Status
from .stream import fit_stream
from .updates import init_pi, normalize, update_pi

__version__ = "0.1.0"

__all__ = [
    "Algorithm",
    "Basis",
    "LocalBound",
    "MisfitWarning",
    "Mixture",
    "PrecisionWarning",
    "Rotated",
    "Status",
    "algorithm1",
    "algorithm2",
    "density_information_loss",
    "duality_gap",
    "fit",
    "fit_batch",
    "fit_rotated",
    "fit_stream",
    "information_loss",
    "init_basis",
    "init_basis_from",
    "init_pi",
    "interior_point",
    "isj",
    "least_squares",
    "load",
    "local_loss_bound",
    "maximum_likelihood",
    "mix",
    "multi_scale",
    "normalize",
    "plot",
    "roughness",
    "save",
    "sheather_jones",
    "sources",
    "testing",
    "update_pi",
]
