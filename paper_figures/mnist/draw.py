"""Figures 8 to 10 and the latent densities: the application of section 3.2.1, from the digits to the pictures.

Training is kept below the folder of the figures and goes on there after a kill; a second run finds it finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

from benchmarks.mnist.judge import EPOCHS, Judge, judge
from benchmarks.mnist.rivals import em_gmm, sw_gmm
from benchmarks.mnist.sliced_wasserstein import Descent
from fbgmm.nn.data.mnist import Digits, load_digits
from fbgmm.nn.digits.autoencoder import CLASSES
from fbgmm.nn.digits.latent import LatentMixture
from fbgmm.nn.digits.training import AutoencoderSettings, TrainedAutoencoder, decode, encode, train
from fbgmm.nn.train.progress import Progress

from ..request import Request, RequestError
from . import densities as mnist_densities
from . import samples as mnist_samples
from . import structure as mnist_structure

QUICK_IMAGES = 2000
QUICK_EPOCHS = 32  # of 15 steps
QUICK_JUDGE_EPOCHS = 20
QUICK_DESCENT = Descent(steps=500)
COLUMNS = 8  # samples of each digit and method
PAIRS = (0, 4), (0, 3), (1, 7), (3, 8), (4, 9), (5, 6)
MIXED = 32  # samples of each pair

Sampler = Callable[[jax.Array, int, int], jax.Array]
"""sampler(key, digit, count) → codes, shape (count, D)."""


class Study(NamedTuple):
    """All that the figures show."""

    digits: Digits
    """Those that were trained on, and the test digits."""
    trained: TrainedAutoencoder
    z: np.ndarray
    """Codes of the training images, shape (N, D)."""
    latent: LatentMixture
    """As in the paper: each latent dimension for itself."""
    samplers: dict[str, Sampler]
    """Methods by name."""
    judge: Judge


def draw(request: Request, out: Path, progress: Progress) -> Iterator[tuple[str, Figure]]:
    """Names and figures, in the paper's order."""
    key_study, key_codes, key_samples, key_pairs = jax.random.split(jax.random.key(request.seed), 4)
    study = prepare(key_study, request, out, progress)
    image, label = study.digits.test_images[0], int(study.digits.test_labels[0])
    yield "figure8", mnist_structure.draw(key_codes, image, label, study.trained, study.latent)
    yield "figure9", mnist_samples.draw_rows(sampled(key_samples, study), study.judge)
    yield "figure10", mnist_samples.draw_mixed(mixed(key_pairs, study))
    yield "mnist_densities", mnist_densities.draw(study.z, study.digits.train_labels, study.latent)


def prepare(key: jax.Array, request: Request, out: Path, progress: Progress) -> Study:
    """Trains, encodes and fits.

    Raises:
        RequestError: the folder holds another training, or one that cannot be read.
    """
    key_train, key_rival = jax.random.split(key)
    digits = load_digits(progress)
    settings, judge_epochs, descent = AutoencoderSettings(), EPOCHS, Descent()
    if request.quick:
        digits = digits._replace(
            train_images=digits.train_images[:QUICK_IMAGES], train_labels=digits.train_labels[:QUICK_IMAGES]
        )
        settings, judge_epochs = settings._replace(epochs=QUICK_EPOCHS), QUICK_JUDGE_EPOCHS
        descent = QUICK_DESCENT
    folder = out / f"mnist-seed{request.seed}{'-quick' if request.quick else ''}"
    images, labels = digits.train_images, digits.train_labels
    try:
        trained = train(key_train, images, labels, folder / "autoencoder", settings, progress)
        classifier = judge(folder / "judge", digits, progress, judge_epochs)
    except ValueError as error:
        raise RequestError(str(error)) from error
    z, y = encode(trained.encoder, images), labels.astype(np.int32)
    latent, rotated = (LatentMixture.fit(z, y, independent=independent) for independent in (True, False))
    samplers: dict[str, Sampler] = {
        "ours, as in the paper": latent.sample,
        "ours, rotated": rotated.sample,
        "SW-GMM": sw_gmm(key_rival, z, y, descent=descent, progress=progress).sample,
        "EM-GMM": em_gmm(z, y, progress=progress).sample,
    }
    return Study(digits, trained, z, latent, samplers, classifier)


def sampled(key: jax.Array, study: Study) -> dict[str, np.ndarray]:
    """For each method COLUMNS random images of each digit, none chosen; shape (10, COLUMNS, 28, 28)."""
    images = {}
    for name, sampler in study.samplers.items():
        key, *keys = jax.random.split(key, CLASSES + 1)
        z = np.concatenate([np.asarray(sampler(keys[digit], digit, COLUMNS)) for digit in range(CLASSES)])
        images[name] = decode(study.trained.decoder, z).reshape(CLASSES, COLUMNS, 28, 28)
    return images


def mixed(key: jax.Array, study: Study) -> dict[tuple[int, int], np.ndarray]:
    """For each pair random images whose latent dimensions come from either class, half of them; (MIXED, 28, 28)."""
    keys = jax.random.split(key, len(PAIRS))
    return {
        pair: decode(study.trained.decoder, study.latent.mix(pair_key, pair, count=MIXED))
        for pair_key, pair in zip(keys, PAIRS, strict=True)
    }
