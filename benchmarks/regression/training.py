"""Models, data splits and training settings of `python -m benchmarks regression`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from fbgmm.nn.conditional.density import Density
from fbgmm.nn.conditional.heads import DensityHead
from fbgmm.nn.conditional.losses import cross_entropy, negative_log_likelihood, soft_counts
from fbgmm.nn.conditional.training import Loss, Splits, TrainedNetworks, TrainingSettings, Trials, train
from fbgmm.nn.data.uci import Regression, load_uci
from fbgmm.nn.train.progress import Progress

from ..harness.cells import identity, slug
from .report import HETERO, HL, HOMO, KMN, LOCATIONS, MDN, PLAIN, RESIDUAL
from .rivals import Homoscedastic, KernelMixtureNetwork, MixtureDensityNetwork

FOLDS = 10
QUICK_SPLITS = 3
SMALL = 2000  # rows of a training set; above, smaller grids and larger batches


class Variant(NamedTuple):
    """A head and the loss it is trained with."""

    head: Callable[..., nnx.Module]
    """head(features, y=y, weights=weights, rngs=rngs)."""
    loss: Loss = negative_log_likelihood


def hl_gauss(density: Density, y: jax.Array) -> jax.Array:
    """Cross-entropy to the target smeared by three quarters of a bin (Farebrother et al. 2024)."""
    bins = (density.mu[..., 1] - density.mu[..., 0]) / density.sigma[..., 0]  # in sigmas; not 2 where rounding is wider
    return cross_entropy(density, soft_counts(density, y, smear=0.75 * bins[..., None]))


VARIANTS: dict[str, Variant] = {
    HOMO: Variant(Homoscedastic),
    HETERO: Variant(partial(MixtureDensityNetwork, components=1)),
    MDN: Variant(partial(MixtureDensityNetwork, components=5)),
    KMN: Variant(KernelMixtureNetwork),
    HL: Variant(partial(DensityHead.from_targets, n=64, t=0.5), hl_gauss),
    PLAIN: Variant(partial(DensityHead.from_targets, n=64)),
    RESIDUAL: Variant(partial(DensityHead.residual, n=48, scales=(1, 4))),
    LOCATIONS: Variant(partial(DensityHead.residual, n=12, locations=2)),
}


class Network(nnx.Module):
    """One hidden layer and a head: the trunk of all methods."""

    def __init__(self, features: int, hidden: int, head: nnx.Module, *, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(features, hidden, rngs=rngs)
        self.head = head

    def __call__(self, x: jax.Array) -> Density:
        found: Density = self.head(jax.nn.relu(self.hidden(x)))
        return found


class Plan(NamedTuple):
    """How a set is trained on, the same for all methods.

    Attributes:
        settings: epochs, batch, checks.
        trials: members of the ensemble times strengths of weight decay.
        members: networks of one combination, each with its own tenth of the training rows to validate on.
        hidden: units.
    """

    settings: TrainingSettings
    trials: Trials
    members: int
    hidden: int


def folder_of(out: Path, quick: bool) -> Path:
    """Where trainings and results are kept below a folder of output."""
    return out / ("regression-cells-quick" if quick else "regression-cells")


def case_of(name: str, quick: bool) -> tuple[Case, Plan]:
    """A set with its splits, and how it is trained on."""
    case = prepare(name, load_uci(name), QUICK_SPLITS if quick else None)
    return case, plan_of(name, case.data.y.shape[1], quick)


def plan_of(name: str, rows: int, quick: bool) -> Plan:
    """Trainings of about 300,000 row visits each; 3 members and 2 decays, 2 and 2 for large sets."""
    epochs = int(np.clip(300_000 // rows, 15, 200))
    members = 2 if quick or rows > SMALL else 3
    decay = (0.01, 0.1) if rows <= SMALL else (0.001, 0.03)
    settings = TrainingSettings(
        max(epochs // 5, 5) if quick else epochs, 32 if rows <= SMALL else 64, checks=15, patience=5
    )
    return Plan(settings, Trials.grid(members, decay=decay), members, 100 if name == "protein" else 50)


class Case(NamedTuple):
    """A data set with padded splits.

    Attributes:
        name: of the set.
        data: training rows, (S, N, …); each split's folds are drawn with its number as seed.
        x, y: test rows, (S, P, D) and (S, P).
        lengths: test rows of each split, (S,).
    """

    name: str
    data: Splits
    x: np.ndarray
    y: np.ndarray
    lengths: np.ndarray


def prepare(name: str, found: Regression, splits: int | None = None) -> Case:
    """Pads the splits (the first few if `splits` says so)."""
    train_rows, test_rows = found.train[:splits], found.test[:splits]
    rows, weights = _padded(train_rows)
    fold = np.stack([np.random.default_rng(s).permutation(np.arange(rows.shape[1]) % FOLDS) for s in range(len(rows))])
    new, present = _padded(test_rows)
    data = Splits(found.x[rows], found.y[rows], weights, fold)
    return Case(name, data, found.x[new], found.y[new], present.sum(axis=1).astype(int))


def _padded(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    longest = max(map(len, parts))
    rows, weights = np.zeros((len(parts), longest), int), np.zeros((len(parts), longest))
    for s, part in enumerate(parts):
        rows[s, : len(part)], weights[s, : len(part)] = part, 1
    return rows, weights


def train_variant(
    case: Case, plan: Plan, name: str, variant: Variant, folder: Path, progress: Progress
) -> TrainedNetworks:
    """Trains (or finds trained by this code) one head on all splits and trials.

    Raises:
        ValueError: the folder holds a training on other data.
    """
    features = case.data.x.shape[2]

    def make(rngs: nnx.Rngs, y: jax.Array, weights: jax.Array) -> nnx.Module:
        return Network(features, plan.hidden, variant.head(plan.hidden, y=y, weights=weights, rngs=rngs), rngs=rngs)

    code = identity(train, Network, variant, plan)
    where = folder / f"{case.name}_{slug(name)}-{code}"
    options: dict[str, Any] = {"loss": variant.loss, "identity": {"code": code}, "what": f"{case.name}, {name}"}
    return train(jax.random.key(0), make, case.data, plan.trials, where, plan.settings, **options, progress=progress)
