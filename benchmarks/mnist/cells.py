"""Results of `python -m benchmarks mnist`: what one method of one seed gives, kept in a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fbgmm.nn.digits.autoencoder import CLASSES
from fbgmm.nn.digits.training import decode

from ..harness import cells
from . import unsupervised
from .case import Case, Sizes, prepare
from .methods import GROUPS, METHODS, Density
from .sample_quality import confusion, diversity, frechet_distance, manifold

GROUP_SAMPLES = 500  # of each group found without labels


def measure(case: Case, density: Density) -> dict[str, Any]:
    """Everything that is said of a method's samples and of its density."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(case.seed), 2), CLASSES)
    counts = np.bincount(case.test_labels, minlength=CLASSES)
    codes = [np.asarray(density.sample(keys[c], c, int(counts[c]))) for c in range(CLASSES)]
    asked = np.repeat(np.arange(CLASSES), counts)
    images = decode(case.decoder, np.concatenate(codes))
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
    images = decode(case.decoder, np.concatenate(codes))
    taken = case.judge.probabilities(images).argmax(axis=1)
    pure, digits = unsupervised.purity(taken, np.repeat(np.arange(number), GROUP_SAMPLES), groups.shares)
    return {
        "purity": pure,
        "digits": digits,
        "log_likelihood": float(np.mean(groups.log_prob(case.test_z))),
        "seconds": groups.seconds,
    }


def identity(kind: str, name: str, sizes: Sizes) -> str:
    """Of the code and settings that a result depends on; for a rival, this library's densities are not among them."""
    made = (METHODS[name], measure) if kind == "digits" else (GROUPS[name], measure_groups)
    return cells.identity(*made, prepare, sizes)


def path_of(folder: Path, seed: int, kind: str, name: str) -> Path:
    return folder / f"seed{seed}_{kind}_{cells.slug(name)}.json"


def results(folder: Path, sizes: Sizes, seeds: Iterable[int]) -> Iterator[tuple[int, str, str, dict[str, Any] | None]]:
    """Seed, kind, method and measures (None: missing) of all that the report shows."""
    for seed in seeds:
        for kind, names in (("digits", METHODS), ("groups", GROUPS)):
            for name in names:
                yield seed, kind, name, cells.read(path_of(folder, seed, kind, name), identity(kind, name, sizes))


def make(case: Case, kind: str, name: str) -> None:
    """Fits and measures one method, and writes the result."""
    found = measure(case, METHODS[name](case)) if kind == "digits" else measure_groups(case, GROUPS[name](case))
    cells.write(path_of(case.folder, case.seed, kind, name), identity(kind, name, case.sizes), found)
