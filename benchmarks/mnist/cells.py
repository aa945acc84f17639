"""The cells of `python -m benchmarks mnist`: what one method of one seed gives, kept in a file of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import fbgmm
from fbgmm.nn.data.mnist import Digits
from fbgmm.nn.digits.latent import LatentMixture
from fbgmm.nn.digits.training import AutoencoderSettings, TrainedAutoencoder, decode, encode, train
from fbgmm.nn.train.progress import Progress

from ..harness.records import digest, read_record, slug, write_record
from ..paper.config import ConfigError
from . import unsupervised
from .judge import EPOCHS, Judge, judge
from .report import CEILING, EM_DIAGONAL, EM_FULL, INDEPENDENT, OURS, SW
from .rivals import em_gmm, sw_gmm
from .sample_quality import confusion, diversity, frechet_distance, manifold
from .sliced_wasserstein import Descent

CLASSES = 10
QUICK_EPOCHS, QUICK_JUDGE_EPOCHS = 24, 12  # of fewer steps
QUICK_DESCENT = Descent(steps=200)
GROUP_SAMPLES = 500  # of each group found without labels
ROUNDS = 3  # of the timing of a fit that takes less than a second


class Case(NamedTuple):
    """What the methods of one seed share."""

    seed: int
    trained: TrainedAutoencoder
    judge: Judge
    z: np.ndarray
    labels: np.ndarray
    test_z: np.ndarray
    test_labels: np.ndarray
    test_features: np.ndarray
    descent: Descent
    progress: Progress


class Density(NamedTuple):
    """A method after its fit.

    Attributes:
        sample: sample(key, label, count) → codes.
        log_prob: log_prob(codes, label), or None.
        seconds: of the fit, compiled before; None where there is nothing to fit.
        details: of the fit, for the file.
    """

    sample: Callable[[jax.Array, int, int], Any]
    log_prob: Callable[[np.ndarray, int], Any] | None
    seconds: float | None
    details: dict[str, Any]


def fit_ours(case: Case, independent: bool) -> Density:
    def fit() -> LatentMixture:
        found = LatentMixture.fit(case.z, case.labels, CLASSES, independent=independent, seed=case.seed)
        return jax.block_until_ready(found)

    found, seconds = fit(), []  # the first call compiles
    for _ in range(ROUNDS):
        started = time.perf_counter()
        fit()
        seconds.append(time.perf_counter() - started)
    shares = np.zeros((CLASSES, 1)) if found.log_shares is None else np.asarray(found.log_shares)
    components = np.isfinite(shares).sum(axis=1).tolist()
    return Density(found.sample, found.log_prob, float(np.median(seconds)), {"components": components})


def fit_em(case: Case, covariance: Any) -> Density:
    rival = em_gmm(case.z, case.labels, covariance, seed=case.seed, progress=case.progress)
    details = {"components": rival.components, "seconds_chosen": rival.seconds_chosen}
    return Density(rival.sample, rival.log_prob, rival.seconds, details)


def fit_sw(case: Case) -> Density:
    key = jax.random.fold_in(jax.random.key(case.seed), 1)
    rival = sw_gmm(key, case.z, case.labels, descent=case.descent, progress=case.progress)
    return Density(rival.sample, rival.log_prob, rival.seconds, {"components": rival.components})


def real_codes(case: Case) -> Density:
    """The codes of the test images themselves: what the decoder allows a perfect density."""
    return Density(lambda key, label, count: case.test_z[case.test_labels == label][:count], None, None, {})


METHODS: dict[str, Callable[[Case], Density]] = {
    CEILING: real_codes,
    OURS: lambda case: fit_ours(case, independent=False),
    INDEPENDENT: lambda case: fit_ours(case, independent=True),
    EM_FULL: lambda case: fit_em(case, "full"),
    EM_DIAGONAL: lambda case: fit_em(case, "diag"),
    SW: fit_sw,
}

GROUPS: dict[str, Callable[[Case], unsupervised.Groups]] = {
    OURS: lambda case: unsupervised.ours(jax.random.key(case.seed), case.z),
    EM_FULL: lambda case: unsupervised.em(case.z, case.seed),
    SW: lambda case: unsupervised.sw(jax.random.key(case.seed), case.z, descent=case.descent),
}


def measure(case: Case, density: Density) -> dict[str, Any]:
    """Everything that is said of a method's samples and of its density."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(case.seed), 2), CLASSES)
    counts = np.bincount(case.test_labels, minlength=CLASSES)
    codes = [np.asarray(density.sample(keys[c], c, int(counts[c]))) for c in range(CLASSES)]
    asked = np.repeat(np.arange(CLASSES), counts)
    images = decode(case.trained.decoder, np.concatenate(codes))
    features = case.judge.features(images)
    taken = confusion(case.judge.probabilities(images), asked)
    log_prob = None
    if density.log_prob is not None:
        each = [density.log_prob(case.test_z[case.test_labels == c], c) for c in range(CLASSES)]
        log_prob = float(np.concatenate(each).mean())
    return {
        "recognised": float(np.diag(taken) @ counts / counts.sum()),
        "recognised_by_class": np.diag(taken).tolist(),
        "nine_as_four": float(taken[9, 4]),
        "frechet": frechet_distance(case.test_features, features),
        **manifold(case.test_features, features)._asdict(),
        "diversity_of_7": diversity(images[asked == 7]),
        "log_likelihood": log_prob,
        "seconds": density.seconds,
        **density.details,
    }


def measure_groups(case: Case, groups: unsupervised.Groups) -> dict[str, Any]:
    """Purity of what the groups' samples look like, and the likelihood of held-out codes."""
    number = len(groups.shares)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(case.seed), 3), number)
    codes = [np.asarray(groups.sample(keys[k], k, GROUP_SAMPLES)) for k in range(number)]
    images = decode(case.trained.decoder, np.concatenate(codes))
    taken = case.judge.probabilities(images).argmax(axis=1)
    pure, digits = unsupervised.purity(taken, np.repeat(np.arange(number), GROUP_SAMPLES), groups.shares)
    return {
        "purity": pure,
        "digits": digits,
        "log_likelihood": float(np.mean(groups.log_prob(case.test_z))),
        "seconds": groups.seconds,
    }


def prepare(seed: int, digits: Digits, folder: Path, quick: bool, progress: Progress) -> Case:
    """Trains (or finds trained) the autoencoder of a seed and the judge, and encodes all images.

    Raises:
        ConfigError: the folder holds another training.
    """
    settings = settings_of(quick)
    images, labels = digits.train_images, digits.train_labels
    try:
        trained = train(jax.random.key(seed), images, labels, folder / f"autoencoder-seed{seed}", settings, progress)
        classifier = judge(folder / "judge", digits, progress, QUICK_JUDGE_EPOCHS if quick else EPOCHS)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return Case(
        seed=seed,
        trained=trained,
        judge=classifier,
        z=encode(trained.encoder, images),
        labels=labels.astype(np.int32),
        test_z=encode(trained.encoder, digits.test_images),
        test_labels=digits.test_labels.astype(np.int32),
        test_features=classifier.features(digits.test_images / np.float32(255)),
        descent=QUICK_DESCENT if quick else Descent(),
        progress=progress,
    )


def settings_of(quick: bool) -> AutoencoderSettings:
    return AutoencoderSettings(epochs=QUICK_EPOCHS) if quick else AutoencoderSettings()


def identity(name: str, settings: AutoencoderSettings) -> str:
    """A digest of the code and settings that a result depends on; for a rival, this library's densities are not."""
    here, package = Path(__file__).parent, Path(fbgmm.__file__).parent
    files = [here / "cells.py", here / "sample_quality.py", here / "judge.py"]
    files += [package / "nn/digits/training.py", package / "nn/digits/autoencoder.py"]
    if name in (OURS, INDEPENDENT):
        files += [
            package / "multivariate/rotated.py",
            package / "evaluation/normal_scores.py",
            here / "unsupervised.py",
        ]
        files += [package / "nn/digits/latent.py", package / "nn/digits/k_means.py"]
    elif name != CEILING:
        files += [here / "rivals.py", here / "sliced_wasserstein.py", here / "unsupervised.py"]
    return digest(settings, files)


def path_of(folder: Path, seed: int, kind: str, name: str) -> Path:
    return folder / f"seed{seed}_{kind}_{slug(name)}.json"


def results(
    folder: Path, settings: AutoencoderSettings, seeds: Iterable[int]
) -> Iterator[tuple[int, str, str, dict[str, Any] | None]]:
    """Seed, kind, method and measures (None: missing) of all that the report shows."""
    for seed in seeds:
        for kind, names in (("digits", METHODS), ("groups", GROUPS)):
            for name in names:
                yield seed, kind, name, read_record(path_of(folder, seed, kind, name), identity(name, settings))


def make(folder: Path, case: Case, kind: str, name: str, settings: AutoencoderSettings) -> None:
    """Fits and measures one method, and writes the result."""
    found = measure(case, METHODS[name](case)) if kind == "digits" else measure_groups(case, GROUPS[name](case))
    write_record(path_of(folder, case.seed, kind, name), identity(name, settings), found)
