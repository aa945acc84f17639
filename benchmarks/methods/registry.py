"""The registry of methods: all estimators and algorithms that benchmarks run, by name."""

from __future__ import annotations

import hashlib
import importlib.metadata
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fbgmm
from fbgmm.algorithms.algorithm1 import VARIANTS as VARIANTS_1
from fbgmm.algorithms.algorithm2 import VARIANTS as VARIANTS_2

from ..harness import environment
from .fitted import Fitted
from .method import Fit, Group, Method
from .names import ConfigError, Name, own_digests, resolve
from .own import of_mixture, on_basis, own_method
from .rivals import RIVALS
from .timed import TIMED

AUTO = "auto"

BANDWIDTH_BINS = 1000


def _reading(algorithm: fbgmm.Algorithm) -> Method:
    return Method("readings", on_basis(algorithm), algorithm)


def _ours(algorithm: fbgmm.Algorithm, t: float = 2.0, seeds: tuple[tuple[int, int], ...] = ()) -> Method:
    """An algorithm of this library, which the benchmarks that leave n and t to the method run on 200 means."""
    return Method("ours", on_basis(algorithm, 200, t), algorithm, seeds=seeds)


def _with_bandwidth(select: Callable[[Any, Any], Any]) -> Method:
    """Algorithm 2 with sigma from a bandwidth selector, on as many components as a bin is wide."""

    def fit(x: np.ndarray) -> Fitted:
        basis = fbgmm.init_basis_from(x, n=BANDWIDTH_BINS)
        counts, _ = np.histogram(x, np.asarray(basis.edges, x.dtype))
        t = max(float(select(jnp.asarray(counts, basis.r.dtype), basis.r) / basis.r), 0.5)
        return on_basis(2, BANDWIDTH_BINS, t)(x)

    return Method("ours", fit)


METHODS: dict[Name, Method] = {
    1: _reading(fbgmm.algorithm1()),
    2: _reading(fbgmm.algorithm2()),
    **{f"1:{variant}": _reading(fbgmm.algorithm1(variant)) for variant in VARIANTS_1},
    **{f"2:{variant}": _reading(fbgmm.algorithm2(variant)) for variant in VARIANTS_2},
    **{f"Algorithm {a}, {t}r": Method("ours", on_basis(a, 200, float(t))) for a in (1, 2) for t in (1, 2, 3)},
    "maximum likelihood, 16 steps": _ours(fbgmm.maximum_likelihood(16)),
    "maximum likelihood, accelerated": _ours(fbgmm.maximum_likelihood(16, accelerated=True)),
    "interior point": _ours(fbgmm.interior_point(), t=3.0),
    "roughness": _ours(fbgmm.roughness()),
    "multi-scale": _ours(fbgmm.multi_scale(), t=1.0),
    "least squares": _ours(fbgmm.least_squares(), seeds=((0, 5),)),
    "Algorithm 2, ISJ": _with_bandwidth(fbgmm.isj),
    "Algorithm 2, Sheather–Jones": _with_bandwidth(fbgmm.sheather_jones),
    # A new algorithm of the library is one line here: "name": _ours(fbgmm.name()).
    AUTO: Method("ours", lambda x: of_mixture(jax.block_until_ready(fbgmm.fit(x)))),
    **RIVALS,
    **TIMED,
}
"""All methods by name."""


def find(name: Name, what: str = "method") -> tuple[Name, Method]:
    """A method that estimates densities with its name as the registry spells it: a known one, or the user's own.

    Raises:
        ConfigError: there is none, or it is not installed.
    """
    found, method = resolve(name, {each: m for each, m in METHODS.items() if m.fit is not None}, what, own_method)
    if not method.installed:
        raise ConfigError(f"{what}: {found!r} needs the package {method.package!r}, which is not installed")
    return found, method


def in_group(*groups: Group) -> list[str]:
    """The names of all methods of these groups that are installed."""
    return [str(name) for name, method in METHODS.items() if method.group in groups and method.installed]


def by_group() -> dict[str, list[str]]:
    """The names of all estimators that can run here: "ours" and "rivals"."""
    return {"ours": in_group("ours"), "rivals": in_group("rivals")}


def absent(group: Group = "rivals") -> list[str]:
    """The names of the methods of a group that are not installed."""
    return [str(name) for name, method in METHODS.items() if method.group == group and not method.installed]


def fit_of(name: Name) -> Fit:
    """A method's fit without its warnings: what does not converge shows in the losses."""
    fit = find(name)[1].fit
    assert fit is not None, name

    def quiet(x: np.ndarray) -> Fitted:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return fit(x)

    return quiet


@cache
def identity(name: str, modules: tuple[str, ...], target: str) -> str:
    """A digest of the code and versions that an estimator's numbers depend on.

    A rival's do not depend on this library, so that its results, which are slow to make, outlive every change of ours.

    Args:
        modules: files of this package that measure.
        target: the name of what samples are drawn from.
    """
    here, (_, method) = Path(__file__).parents[1], find(name)
    parts: list[Any] = [name, importlib.metadata.version("numpy"), importlib.metadata.version("scipy")]
    if method.group == "rivals":
        files = ["methods/rivals.py", "methods/kernels.py", "methods/fitted.py"]
        parts += [rival_versions()[method.package]]
    else:
        files = ["methods/registry.py", "methods/own.py", "methods/fitted.py"]
        parts += [environment.source_digest(), environment.platform(), environment.versions()]
    parts += own_digests([name, target])
    parts += [_digest(here / file) for file in (*files, *modules)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@cache
def rival_versions() -> dict[str, str]:
    """Versions of the rivals' packages that are installed."""
    distributions = importlib.metadata.packages_distributions()
    packages = sorted({method.package for method in RIVALS.values() if method.installed})
    return {package: importlib.metadata.version(distributions[package][0]) for package in packages}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
