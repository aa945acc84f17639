"""Figures 8 to 10 and the latent densities: the application of section 3.2.1, from the digits to the pictures.

Networks are trained and rivals fitted as `python -m benchmarks mnist` does, in the same folders: what it has made is
drawn. With `--pretrained` they are those of the repository; the discriminator is not there, so Figure 8 is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

from benchmarks.mnist.case import FULL, QUICK, Case, folder_of, prepare
from benchmarks.mnist.methods import em_rival, sw_rival
from benchmarks.paper.config import ConfigError
from fbgmm.nn.digits.autoencoder import CLASSES
from fbgmm.nn.digits.latent import LatentMixture
from fbgmm.nn.digits.training import TrainedAutoencoder, decode
from fbgmm.nn.train.progress import Progress

from ..request import Request, RequestError
from . import densities as mnist_densities
from . import pretrained
from . import samples as mnist_samples
from . import structure as mnist_structure

COLUMNS = 8  # samples of each digit and method
PAIRS = (0, 4), (0, 3), (1, 7), (3, 8), (4, 9), (5, 6)
MIXED = 32  # samples of each pair

Sampler = Callable[[jax.Array, int, int], jax.Array]
"""sampler(key, digit, count) → codes, shape (count, D)."""


class Study(NamedTuple):
    """All that the figures show.

    Attributes:
        trained: None where the networks are those of the repository.
        latent: as in the paper, each latent dimension for itself.
        samplers: methods by name.
    """

    case: Case
    trained: TrainedAutoencoder | None
    latent: LatentMixture
    samplers: dict[str, Sampler]


def draw(request: Request, out: Path, progress: Progress) -> Iterator[tuple[str, Figure]]:
    """Names and figures, in the paper's order."""
    key_codes, key_samples, key_pairs = jax.random.split(jax.random.key(request.seed), 3)
    study = studied(request, out, progress)
    case, digits = study.case, study.case.digits
    if study.trained is not None:
        image, label = digits.test_images[0], int(digits.test_labels[0])
        yield "figure8", mnist_structure.draw(key_codes, image, label, study.trained, study.latent)
    yield "figure9", mnist_samples.draw_rows(sampled(key_samples, study), case.judge)
    yield "figure10", mnist_samples.draw_mixed(mixed(key_pairs, study))
    yield "mnist_densities", mnist_densities.draw(case.z, case.labels, study.latent)


def studied(request: Request, out: Path, progress: Progress) -> Study:
    """Trains, encodes and fits, or reads what is there.

    Raises:
        RequestError: the folder holds another training, or one that cannot be read.
    """
    sizes, folder = QUICK if request.quick else FULL, request.kept(folder_of, out)
    if request.pretrained:
        case, rivals = pretrained.load(request.seed, sizes, progress)
        trained = None
    else:
        try:
            case, trained = prepare(request.seed, sizes, folder, progress)
        except ConfigError as error:
            raise RequestError(str(error)) from error
        rivals = sw_rival(case), em_rival(case)
    fit = partial(LatentMixture.fit, case.z, case.labels, CLASSES, seed=case.seed)
    latent, rotated = fit(independent=True), fit(independent=False)
    samplers: dict[str, Sampler] = {"ours, as in the paper": latent.sample, "ours, rotated": rotated.sample}
    samplers |= {name: rival.sample for name, rival in zip(("SW-GMM", "EM-GMM"), rivals, strict=True)}
    return Study(case, trained, latent, samplers)


def sampled(key: jax.Array, study: Study) -> dict[str, np.ndarray]:
    """For each method COLUMNS random images of each digit, none chosen; shape (10, COLUMNS, 28, 28)."""
    images = {}
    for name, sampler in study.samplers.items():
        key, *keys = jax.random.split(key, CLASSES + 1)
        z = np.concatenate([np.asarray(sampler(keys[digit], digit, COLUMNS)) for digit in range(CLASSES)])
        images[name] = decode(study.case.decoder, z).reshape(CLASSES, COLUMNS, 28, 28)
    return images


def mixed(key: jax.Array, study: Study) -> dict[tuple[int, int], np.ndarray]:
    """For each pair random images whose latent dimensions come from either class, half of them; (MIXED, 28, 28)."""
    keys = jax.random.split(key, len(PAIRS))
    return {
        pair: decode(study.case.decoder, study.latent.mix(pair_key, pair, count=MIXED))
        for pair_key, pair in zip(keys, PAIRS, strict=True)
    }
