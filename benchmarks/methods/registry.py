"""The registry of methods: all estimators and algorithms that benchmarks run, by name."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fbgmm
from fbgmm.algorithms.algorithm1 import VARIANTS as VARIANTS_1
from fbgmm.algorithms.algorithm2 import VARIANTS as VARIANTS_2

from .fitted import Fitted
from .method import Fit, Group, Method, quietly
from .names import ConfigError, Name, is_own, module_of, resolve
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


def _auto(x: np.ndarray) -> Fitted:
    return of_mixture(jax.block_until_ready(fbgmm.fit(x)))


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
    AUTO: Method("ours", _auto),
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


def roots(name: Name) -> tuple[Any, ...]:
    """What the numbers of a method follow from; of the user's own that is the whole module."""
    return (own_method, module_of(str(name))) if is_own(name) else (find(name)[1].fit,)


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
    """The fit of a method, without its warnings."""
    fit = find(name)[1].fit
    assert fit is not None, name
    return quietly(fit)


@cache
def rival_versions() -> dict[str, str]:
    """Versions of the rivals' packages that are installed."""
    distributions = importlib.metadata.packages_distributions()
    packages = sorted({method.package for method in RIVALS.values() if method.installed})
    return {package: importlib.metadata.version(distributions[package][0]) for package in packages}
