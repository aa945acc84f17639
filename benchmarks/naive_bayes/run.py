"""`python -m benchmarks naive_bayes`: FixedBasisNB beside other naive Bayes classifiers, on data of scikit-learn."""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import time
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console
from rich.progress import Progress

from ..harness import environment
from ..harness.report import Sheet, digits, publish
from ..paper.config import ConfigError

DATA = ("iris", "wine", "breast_cancer", "digits")
FOLDS = 5
REPEATS, REPEATS_LARGE, LARGE = 5, 2, 1000
"""Repetitions of the cross-validation, and those where there are more than so many samples."""

NOTE = (
    "Means over the folds of repeated stratified {folds}-fold cross-validation, ± standard errors, corrected for the "
    "folds' common data (Nadeau and Bengio 2003). Log loss in nats, probabilities from float64's eps on. Seconds: "
    "median of fit and prediction of one fold, after the first; first: the first fold, compilation included."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, help=f"of the cross-validation ({REPEATS}, or {REPEATS_LARGE} if large)")
    parser.add_argument("--quick", action="store_true", help="iris and wine, one repetition")


class Judged(NamedTuple):
    """What one fold says of a classifier."""

    accuracy: float
    log_loss: float
    seconds: float


def classifiers() -> dict[str, Any]:
    """By name; each is cloned for each fold."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.naive_bayes import GaussianNB

    from fbgmm.sklearn import FixedBasisNB

    from .kernel_naive_bayes import KernelNB, searched

    return {
        "FixedBasisNB": FixedBasisNB(),
        "FixedBasisNB, power = 1": FixedBasisNB(power=1.0),
        "GaussianNB": GaussianNB(),
        "GaussianNB, calibrated": CalibratedClassifierCV(GaussianNB(), method="sigmoid", cv=5),
        "KernelDensity, Silverman": KernelNB("silverman"),
        "KernelDensity, searched": searched(),
    }


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks naive_bayes`.

    Raises:
        ConfigError: scikit-learn is not installed, or repeats < 1.
    """
    if find_spec("sklearn") is None:
        raise ConfigError('naive_bayes needs scikit-learn; install with: pip install "fbgmm[sklearn]"')
    if arguments.repeats is not None and arguments.repeats < 1:
        raise ConfigError(f"--repeats must be at least 1; found {arguments.repeats}")
    rows: list[dict[str, Any]] = []
    names = DATA[:2] if arguments.quick else DATA
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("naive_bayes", total=len(names) * len(classifiers()))
        for name in names:
            x, y = load(name)
            repeats = arguments.repeats or (1 if arguments.quick else REPEATS if len(x) < LARGE else REPEATS_LARGE)
            for classifier, model in classifiers().items():
                progress.update(bar, description=f"{name}: {classifier}")
                folds = judged(model, x, y, repeats)
                rows.append({"data": name, "classifier": classifier, **summary(folds, len(x), repeats)})
                progress.advance(bar)
    made = environment.description("float64" if jax.config.read("jax_enable_x64") else "float32")
    made["versions"] = {**made["versions"], "scikit-learn": importlib.metadata.version("scikit-learn")}
    table = sheet(rows, f"{made['device']}, {made['precision']}")
    publish(arguments.out, "naive_bayes", {**made, "quick": arguments.quick, "rows": rows}, [table], console)


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples and labels of a data set that comes with scikit-learn."""
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return np.asarray(x, np.float64), np.asarray(y)


def judged(model: Any, x: np.ndarray, y: np.ndarray, repeats: int) -> list[Judged]:
    """The classifier in every fold; the folds are the same for all."""
    from sklearn.base import clone
    from sklearn.metrics import log_loss
    from sklearn.model_selection import RepeatedStratifiedKFold

    found = []
    for train, test in RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=repeats, random_state=0).split(x, y):
        fresh = clone(model)
        started = time.perf_counter()
        p = fresh.fit(x[train], y[train]).predict_proba(x[test])
        seconds = time.perf_counter() - started
        accuracy = np.mean(fresh.classes_[p.argmax(axis=1)] == y[test])
        found.append(Judged(float(accuracy), float(log_loss(y[test], p, labels=fresh.classes_)), seconds))
    return found


def summary(folds: list[Judged], samples: int, repeats: int) -> dict[str, Any]:
    """Means and standard errors over folds, whose training sets overlap: the variance is that of one fold times
    1/folds + test/training (Nadeau and Bengio 2003, section 3)."""
    table = np.array(folds)
    factor = math.sqrt(1 / len(folds) + 1 / (FOLDS - 1))
    mean, error = table.mean(axis=0), table.std(axis=0, ddof=1) * factor
    return {
        "samples": samples,
        "folds": FOLDS,
        "repeats": repeats,
        "accuracy": float(mean[0]),
        "accuracy_error": float(error[0]),
        "log_loss": float(mean[1]),
        "log_loss_error": float(error[1]),
        "seconds": float(np.median(table[1:, 2])),
        "first_seconds": float(table[0, 2]),
    }


def sheet(rows: list[dict[str, Any]], device: str) -> Sheet:
    header = ["data", "classifier", "accuracy", "log loss", "seconds", "first"]
    lines = [
        [
            row["data"],
            row["classifier"],
            f"{row['accuracy']:.4f} ± {row['accuracy_error']:.4f}",
            f"{digits(row['log_loss'])} ± {digits(row['log_loss_error'])}",
            f"{row['seconds']:.3g}",
            f"{row['first_seconds']:.3g}",
        ]
        for row in rows
    ]
    return Sheet(f"Naive Bayes classifiers ({device})", header, lines, NOTE.format(folds=FOLDS))
