"""Settings of the whole suite: strict checks, quick compiling, two tiers, one worker for each core."""

import ctypes
import os
import shutil
import sys
import tempfile
from importlib.metadata import version

_OWN_CACHE = "JAX_COMPILATION_CACHE_DIR" not in os.environ
if _OWN_CACHE:
    # One folder for all workers and the processes that tests start. Programs are dropped after each file (below), and
    # found again here.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="fbgmm-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

# Nearly all of the suite's time is compiling. Without these three passes of XLA it takes a third of it; the programs
# are slower and round a little differently. FBGMM_TESTS_OPTIMIZED=1 compiles as users do.
_QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
if int(version("jaxlib").split(".")[1]) < 11:  # later ones have no such pass, and end at a flag that they do not know
    _QUICK += " --xla_cpu_use_fusion_emitters=false"
if "XLA_FLAGS" not in os.environ and os.environ.get("FBGMM_TESTS_OPTIMIZED") != "1":
    os.environ["XLA_FLAGS"] = _QUICK

import jaxtyping  # first: fbgmm's annotations are real only where jaxtyping was imported before it
from jaxtyping import install_import_hook

# Every array that enters or leaves an annotated function of fbgmm has its shape and kind of dtype checked.
install_import_hook("fbgmm", "beartype.beartype")

import jax
import numpy as np
import pytest
from hypothesis import settings

jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile("few", derandomize=True, deadline=None, max_examples=10, print_blob=False)
settings.register_profile("many", settings.get_profile("few"), max_examples=100)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "few"))

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
    if _GIVE_BACK is not None:
        _GIVE_BACK(0)


# glibc keeps what programs and their compiling have freed: more than a gigabyte in each worker.
_GIVE_BACK = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


# Workers and tiers.


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """The whole suite runs on all cores, where pytest-xdist is installed; a file that is named runs alone."""
    whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS
    worker = hasattr(config, "workerinput")  # must not start workers itself
    options = config.option
    if not worker and whole and getattr(options, "numprocesses", 0) is None and not options.usepdb:
        options.numprocesses, options.dist = os.cpu_count(), "loadfile"


_left_out = pytest.StashKey[int]()


def pytest_deselected(items):
    by_mark = all(item.get_closest_marker("slow") or item.get_closest_marker("exact") for item in items)  # not by -k
    if items and by_mark and items[0].config.option.markexpr == "not slow and not exact":
        items[0].config.stash[_left_out] = len(items)


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # all workers leave out the same
        session.config.workeroutput["left_out"] = session.config.stash.get(_left_out, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[_left_out] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter, config):
    if left_out := config.stash.get(_left_out, 0):
        terminalreporter.write_line(
            f"{left_out} tests were left out. They run with: python -m pytest -m slow; "
            "FBGMM_TESTS_OPTIMIZED=1 python -m pytest -m exact"
        )


def pytest_unconfigure(config):
    if _OWN_CACHE and not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
