"""Re-exports of the public names; `fbgmm` loads them when the first is asked for."""

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
from .fitting.fit import fit, fit_batch
from .fitting.stream import fit_stream
from .metrics import LocalBound, density_information_loss, information_loss, local_loss_bound
from .mixture import Mixture, mix
from .multivariate.rotated import Rotated, fit_rotated
from .saving import load, save
from .status import MisfitWarning, PrecisionWarning, Status
from .updates import init_pi, normalize, update_pi
