"""What the methods of one seed share: trained autoencoder, judge, and the codes of all images."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from fbgmm.nn.data.mnist import Digits, load_digits
from fbgmm.nn.digits.autoencoder import Decoder, Encoder
from fbgmm.nn.digits.training import Settings, Trained, encode, train
from fbgmm.nn.train.progress import Progress

from ..harness.cells import identity
from ..paper.config import ConfigError
from .judge import EPOCHS, Judge, judge
from .sliced_wasserstein import Descent


class Sizes(NamedTuple):
    """How large a run is.

    Attributes:
        images: of the training and the test images each; None: all.
        training: of the autoencoder.
        judge_epochs: of the judge.
        descent: of the sliced Wasserstein distance.
    """

    images: int | None = None
    training: Settings = Settings()
    judge_epochs: int = EPOCHS
    descent: Descent = Descent()


FULL = Sizes()
QUICK = Sizes(2000, Settings(epochs=24), 12, Descent(steps=200))  # epochs of fewer steps


class Case(NamedTuple):
    """What the methods of one seed share.

    Attributes:
        folder: of what is kept.
        decoder: of codes.
        judge: of images.
        z, labels: codes of the training images, shape (N, D), and their digits, shape (N,).
        test_z, test_labels: the same of the test images.
        test_features: what the judge sees in the test images, shape (M, 96).
    """

    seed: int
    folder: Path
    decoder: Decoder
    judge: Judge
    z: np.ndarray
    labels: np.ndarray
    test_z: np.ndarray
    test_labels: np.ndarray
    test_features: np.ndarray
    descent: Descent
    progress: Progress


def digits_of(sizes: Sizes, progress: Progress) -> Digits:
    """The images of a run."""
    return Digits(*(part[: sizes.images] for part in load_digits(progress)))


def folder_of(out: Path, quick: bool) -> Path:
    """Where trainings and results are kept below a folder of output."""
    return out / ("mnist-cells-quick" if quick else "mnist-cells")


def train_all(seed: int, digits: Digits, folder: Path, sizes: Sizes, progress: Progress) -> tuple[Trained, Judge]:
    """Trains (or finds trained by this code) the autoencoder of a seed, and the judge.

    Raises:
        ConfigError: the folder holds a training on other images.
    """
    training = identity(train, sizes.training)
    judging = identity(judge, sizes.judge_epochs)
    images, labels = digits.train_images, digits.train_labels
    where = folder / f"autoencoder-seed{seed}-{training}"
    try:
        trained = train(jax.random.key(seed), images, labels, where, sizes.training, progress)
        classifier = judge(folder / f"judge-{judging}", digits, progress, sizes.judge_epochs)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return trained, classifier


def encoded(
    seed: int,
    encoder: Encoder,
    decoder: Decoder,
    judge: Judge,
    digits: Digits,
    folder: Path,
    sizes: Sizes,
    progress: Progress,
) -> Case:
    """The codes of all images by trained networks."""
    return Case(
        seed=seed,
        folder=folder,
        decoder=decoder,
        judge=judge,
        z=encode(encoder, digits.train_images),
        labels=digits.train_labels.astype(np.int32),
        test_z=encode(encoder, digits.test_images),
        test_labels=digits.test_labels.astype(np.int32),
        test_features=judge.features(digits.test_images / np.float32(255)),
        descent=sizes.descent,
        progress=progress,
    )
