"""What `python -m benchmarks regression` trains: heads on one trunk, sets and their splits, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

import fbgmm
from fbgmm.nn.conditional.density import Density
from fbgmm.nn.conditional.heads import DensityHead
from fbgmm.nn.conditional.losses import cross_entropy, negative_log_likelihood, soft_counts
from fbgmm.nn.conditional.training import Loss, Splits, TrainedNetworks, TrainingSettings, Trials, train
from fbgmm.nn.data.uci import Regression
from fbgmm.nn.train.progress import Progress

from ..harness.records import digest
from .report import HETERO, HL, HOMO, KMN, LOCATIONS, MDN, PLAIN, RESIDUAL
from .rivals import Homoscedastic, KernelMixtureNetwork, MixtureDensityNetwork

FOLDS = 10
SMALL = 2000  # rows of a training set; above, smaller grids and larger batches


class Variant(NamedTuple):
    """A head and the loss it is trained with."""

    head: Callable[[int, Any, Any, nnx.Rngs], nnx.Module]
    """head(features, y, weights, rngs)."""
    loss: Loss = negative_log_likelihood


def hl_gauss(density: Density, y: jax.Array) -> jax.Array:
    """Cross-entropy to the target smeared by three quarters of a bin (Farebrother et al. 2024)."""
    bins = (density.mu[..., 1] - density.mu[..., 0]) / density.sigma[..., 0]  # in sigmas; not 2 where rounding is wider
    return cross_entropy(density, soft_counts(density, y, smear=0.75 * bins[..., None]))


def _plain(k: int, y: Any, w: Any, rngs: nnx.Rngs) -> nnx.Module:
    return DensityHead.from_targets(k, y, 64, weights=w, rngs=rngs)


def _residual(k: int, y: Any, w: Any, rngs: nnx.Rngs) -> nnx.Module:
    return DensityHead.residual(k, y, 48, scales=(1, 4), weights=w, rngs=rngs)


def _locations(k: int, y: Any, w: Any, rngs: nnx.Rngs) -> nnx.Module:
    return DensityHead.residual(k, y, 12, locations=2, weights=w, rngs=rngs)


VARIANTS: dict[str, Variant] = {
    HOMO: Variant(lambda k, y, w, rngs: Homoscedastic(k, y, w, rngs=rngs)),
    HETERO: Variant(lambda k, y, w, rngs: MixtureDensityNetwork(k, 1, y, w, rngs=rngs)),
    MDN: Variant(lambda k, y, w, rngs: MixtureDensityNetwork(k, 5, y, w, rngs=rngs)),
    KMN: Variant(lambda k, y, w, rngs: KernelMixtureNetwork(k, y, w, rngs=rngs)),
    HL: Variant(lambda k, y, w, rngs: DensityHead.from_targets(k, y, 64, 0.5, weights=w, rngs=rngs), hl_gauss),
    PLAIN: Variant(_plain),
    RESIDUAL: Variant(_residual),
    LOCATIONS: Variant(_locations),
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
    case: Case, plan: Plan, variant: Variant, folder: Path, what: str, progress: Progress
) -> TrainedNetworks:
    """Trains (or finds trained) one head on all splits and trials."""
    features = case.data.x.shape[2]

    def make(rngs: nnx.Rngs, y: Any, weights: Any) -> nnx.Module:
        return Network(features, plan.hidden, variant.head(plan.hidden, y, weights, rngs), rngs=rngs)

    key = jax.random.key(0)
    code = training_identity(plan, len(case.y))
    options: dict[str, Any] = {"loss": variant.loss, "identity": {"code": code}, "progress": progress, "what": what}
    return train(key, make, case.data, plan.trials, folder, plan.settings, **options)


def training_identity(plan: Plan, splits: int) -> str:
    """A digest of the code and settings that a training depends on."""
    return digest((plan, splits), sources())


def sources() -> list[Path]:
    """The files whose code makes a trained network."""
    here, package = Path(__file__).parent, Path(fbgmm.__file__).parent / "nn/conditional"
    ours = [package / f"{name}.py" for name in ("density", "heads", "losses", "training")]
    return [here / "training.py", here / "rivals.py", *ours]
