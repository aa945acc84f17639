"""fbgmm: density estimation with Gaussians on a fixed basis, in JAX."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import *

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


def __getattr__(name: str) -> Any:
    """The public names, and modules. JAX is loaded with the first, so that `fbgmm --help` answers without it."""
    if name in __all__:
        api = import_module(".api", __name__)
        globals().update({public: getattr(api, public) for public in __all__})
        return globals()[name]
    if not name.startswith("_") and find_spec(f"{__name__}.{name}"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'fbgmm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
