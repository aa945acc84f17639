"""What a training is given: the splits of a data set, and the trials of a search over hyper-parameters.

A *split* is a data set of its own (20 of them in the usual benchmarks); splits of different lengths are padded by rows
of weight zero. A *trial* is a choice of hyper-parameters and the fold of the training rows that it leaves out to
validate on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ... import checks


class Data(NamedTuple):
    """Splits of a data set.

    Attributes:
        x: features, shape (S, N, D).
        y: targets, shape (S, N).
        weights: of the examples, shape (S, N): zero means absent.
        fold: which fold each example is in, shape (S, N), integers.
    """

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    fold: np.ndarray


class Trials(NamedTuple):
    """What differs between trainings of one network on one split; each of shape (T,).

    Attributes:
        fold: the fold that is left out, to validate on.
        rate: of Adam at the start; falls to zero along a cosine.
        decay: of the weights, not of the biases, in each step relative to the rate (AdamW).
        noise: standard deviation of the noise on the targets in training, in standard deviations of the targets.
    """

    fold: np.ndarray
    rate: np.ndarray
    decay: np.ndarray
    noise: np.ndarray

    @classmethod
    def grid(
        cls,
        members: int,
        rate: Sequence[float] = (0.01,),
        decay: Sequence[float] = (1e-3,),
        noise: Sequence[float] = (0.0,),
    ) -> Trials:
        """All combinations, each on the folds 0 … members − 1; members of one combination stand together."""
        table = [(f, r, d, s) for r in rate for d in decay for s in noise for f in range(members)]
        fold, *rest = zip(*table, strict=True)
        return cls(np.asarray(fold, np.int32), *(np.asarray(column, np.float32) for column in rest))


class Settings(NamedTuple):
    """How long a training lasts.

    Attributes:
        epochs: passes over the rows of a split.
        batch: rows in a step; what is left of an epoch is left out, at random.
        checks: how often all trials are validated and saved, evenly over the training.
        patience: checks without any trial of any split getting better, after which the training ends.
    """

    epochs: int = 100
    batch: int = 64
    checks: int = 20
    patience: int = 6


def moments(values: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each split's own rows; the latter 1 where they are all equal."""
    count = np.maximum(present.sum(axis=1), 1)
    values = np.where(present, values, 0).astype(np.float64)
    mean = values.sum(axis=1) / count
    squares = np.where(present, np.square(values - mean[:, None]), 0)
    deviation = np.sqrt(squares.sum(axis=1) / count)
    return mean, np.where(deviation > 1e-12 * (1 + np.abs(mean)), deviation, 1.0)


def require_finite(name: str, values: np.ndarray, present: np.ndarray) -> None:
    """Raises ValueError where a row that is present (*rows) has a value that is not finite."""
    bad = ~np.isfinite(values) & present.reshape(present.shape + (1,) * (values.ndim - present.ndim))
    if bad.any():
        first = tuple(map(int, np.argwhere(bad)[0]))
        raise ValueError(f"{name} must be finite; found {int(bad.sum())} values that are not, the first at {first}")


def check_training(data: Data, trials: Trials, settings: Settings) -> None:
    """Refuses what cannot be trained.

    Raises:
        ValueError: shapes that do not match; rows that are present and not finite; a trial without a row to train on
            or without one to validate on; settings below 1.
    """
    for name, value in settings._asdict().items():
        checks.positive_integer(name, value)
    S, N = data.y.shape
    if data.x.shape[:2] != (S, N) or data.weights.shape != (S, N) or data.fold.shape != (S, N):
        found = ", ".join(f"{name} {array.shape}" for name, array in data._asdict().items())
        raise ValueError(f"data must have shapes (S, N, D) for x and (S, N) for the others; found {found}")
    present = data.weights > 0
    require_finite("x", data.x, present)
    require_finite("y", data.y, present)
    if (data.weights < 0).any() or not np.isfinite(data.weights).all():
        raise ValueError("weights must be finite and at least 0")
    for fold in np.unique(trials.fold):
        out = (present & (data.fold == fold)).sum(axis=1)
        left = present.sum(axis=1) - out
        if (out < 1).any() or (left < 1).any():
            s = int(np.argmin(np.minimum(out, left)))
            raise ValueError(
                f"split {s} has {left[s]} rows to train on and {out[s]} in fold {fold} to validate on; "
                "allowed: at least one of each"
            )
