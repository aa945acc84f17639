"""Real one-dimensional samples that installed packages ship, for held-out likelihood over repeated random halves.

Only measurements with few ties are taken: where values are rounded, the likelihood of a density rewards spikes.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache

import numpy as np

FEWEST_VALUES = 0.5
"""Distinct values, as a share of the points, below which a column is rounded too coarsely."""

_SKLEARN = {
    "load_iris": ("petal length (cm)",),
    "load_wine": ("alcohol", "color_intensity", "proline", "flavanoids"),
    "load_breast_cancer": ("mean radius", "mean texture", "mean smoothness", "area error", "worst concave points"),
    "load_diabetes": ("s1", "s3", "s5", "s6"),
}
_STATSMODELS = {"engel": ("income", "foodexp"), "nile": ("volume",), "sunspots": ("SUNACTIVITY",)}


@cache
def samples() -> dict[str, np.ndarray]:
    """Samples by name, each of shape (N,); none of a package that is not installed."""
    return {
        name: x for name, x in {**_from_sklearn(), **_from_statsmodels()}.items() if distinct_share(x) >= FEWEST_VALUES
    }


def distinct_share(x: np.ndarray) -> float:
    return np.unique(x).size / x.size


def absent() -> list[str]:
    return [package for package in ("sklearn", "statsmodels") if importlib.util.find_spec(package) is None]


def _from_sklearn() -> dict[str, np.ndarray]:
    if importlib.util.find_spec("sklearn") is None:
        return {}
    package = importlib.import_module("sklearn.datasets")
    found = {}
    for loader, columns in _SKLEARN.items():
        data = getattr(package, loader)()
        place = {str(name): i for i, name in enumerate(data.feature_names)}
        for column in columns:
            found[f"{loader.removeprefix('load_')}: {column}"] = np.asarray(data.data[:, place[column]], np.float64)
    return found


def _from_statsmodels() -> dict[str, np.ndarray]:
    if importlib.util.find_spec("statsmodels") is None:
        return {}
    found = {}
    for module, columns in _STATSMODELS.items():
        data = importlib.import_module(f"statsmodels.datasets.{module}").load().data
        for column in columns:
            found[f"{module}: {column}"] = np.asarray(data[column], np.float64)
    return found
