"""Strict settings for the whole suite, and the tolerances of the current precision."""

import jaxtyping  # first: fbgmm's annotations are real only where jaxtyping was imported before it
from jaxtyping import install_import_hook

# Every array that enters or leaves an annotated function of fbgmm has its shape and kind of dtype checked.
install_import_hook("fbgmm", "beartype.beartype")

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile("suite", derandomize=True, deadline=None, max_examples=25, print_blob=False)
settings.load_profile("suite")

X64 = bool(jax.config.jax_enable_x64)


@pytest.fixture
def dtype():
    """The default floating-point type: float64 where the suite runs with JAX_ENABLE_X64=1."""
    return np.float64 if X64 else np.float32


@pytest.fixture
def accuracy():
    """The relative error allowed against scipy in float64: what the project promises for each precision."""
    return 1e-12 if X64 else 1e-6


@pytest.fixture
def rounding():
    """A few units in the last place: for results that differ only in the order of operations."""
    return 1e-14 if X64 else 2e-6


@pytest.fixture
def unchecked_types():
    """Arguments of wrong types reach fbgmm's own checks, as they do for users, instead of the type checker's."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module", autouse=True)
def _programs_are_dropped():
    """A process may hold 65,530 memory maps on Linux, and each compiled program takes several: the suite needs more."""
    yield
    jax.clear_caches()
