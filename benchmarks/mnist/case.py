"""Data that the methods of one seed share: trained autoencoder, judge, and latent codes of all images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from fbgmm.nn.data.mnist import Digits, load_digits
from fbgmm.nn.digits.autoencoder import Decoder, Encoder
from fbgmm.nn.digits.training import AutoencoderSettings, TrainedAutoencoder, encode, train
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
    training: AutoencoderSettings = AutoencoderSettings()
    judge_epochs: int = EPOCHS
    descent: Descent = Descent()


FULL = Sizes()
QUICK = Sizes(2000, AutoencoderSettings(epochs=24), 12, Descent(steps=200))  # epochs of fewer steps


@dataclass(frozen=True)
class Case:
    """What the methods of one seed share; codes and features are computed when they are first asked for.

    Attributes:
        folder: of what is kept.
    """

    seed: int
    sizes: Sizes
    digits: Digits
    encoder: Encoder
    decoder: Decoder
    judge: Judge
    folder: Path
    progress: Progress

    @cached_property
    def z(self) -> np.ndarray:
        """Codes of the training images, shape (N, D)."""
        return encode(self.encoder, self.digits.train_images)

    @cached_property
    def labels(self) -> np.ndarray:
        return self.digits.train_labels.astype(np.int32)

    @cached_property
    def test_z(self) -> np.ndarray:
        return encode(self.encoder, self.digits.test_images)

    @cached_property
    def test_labels(self) -> np.ndarray:
        return self.digits.test_labels.astype(np.int32)

    @cached_property
    def test_features(self) -> np.ndarray:
        """What the judge sees in the test images, shape (M, 96)."""
        return self.judge.features(self.digits.test_images / np.float32(255))


def folder_of(out: Path, quick: bool) -> Path:
    """Where trainings and results are kept below a folder of output."""
    return out / ("mnist-cells-quick" if quick else "mnist-cells")


def digits_of(sizes: Sizes, progress: Progress) -> Digits:
    """The images of a run."""
    return Digits(*(part[: sizes.images] for part in load_digits(progress)))


def prepare(seed: int, sizes: Sizes, folder: Path, progress: Progress) -> tuple[Case, TrainedAutoencoder]:
    """Trains (or finds trained by this code) the autoencoder of a seed, and the judge.

    Raises:
        ConfigError: the folder holds a training on other images.
    """
    digits = digits_of(sizes, progress)
    data, training = (digits.train_images, digits.train_labels), sizes.training
    try:
        where = folder / f"autoencoder-seed{seed}-{identity(train, training)}"
        trained = train(jax.random.key(seed), *data, where, training, progress)
        where = folder / f"judge-{identity(judge, sizes.judge_epochs)}"
        classifier = judge(where, digits, progress, sizes.judge_epochs)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return Case(seed, sizes, digits, trained.encoder, trained.decoder, classifier, folder, progress), trained
