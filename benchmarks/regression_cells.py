"""The cells of `python -m benchmarks regression`: what one method gives on all splits of one data set, in a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import fbgmm
from fbgmm.nn.calibration import conformal_interval, conformal_reach
from fbgmm.nn.density import Density
from fbgmm.nn.heads import DensityHead, rounding
from fbgmm.nn.losses import cross_entropy, negative_log_likelihood, soft_counts
from fbgmm.nn.progress import Progress
from fbgmm.nn.regression import Loss, Trained, train
from fbgmm.nn.trials import Data, Settings, Trials
from fbgmm.nn.uci import Regression

from .records import digest, slug
from .regression_report import BOOSTED, HETERO, HL, HOMO, KMN, LOCATIONS, MDN, OURS, PLAIN, RESIDUAL
from .regression_rivals import Homoscedastic, KernelMixtureNetwork, MixtureDensityNetwork, boosted_quantiles

FOLDS = 10
COVERAGE = 0.9
SMALL = 2000  # rows of a training set; above, smaller grids and larger batches


class Variant(NamedTuple):
    """A head and the loss it is trained with."""

    head: Callable[[int, Any, Any, nnx.Rngs], nnx.Module]
    """head(features, y, weights, rngs)."""
    loss: Loss = negative_log_likelihood


def hl_gauss(density: Density, y: jax.Array) -> jax.Array:
    """Cross-entropy to the target smeared by three quarters of a bin (Farebrother et al. 2024)."""
    return cross_entropy(density, soft_counts(density, y, smear=1.5))


def _plain(k: int, y: Any, w: Any, rngs: nnx.Rngs) -> nnx.Module:
    return DensityHead.from_targets(k, y, 64, weights=w, rngs=rngs)


def _residual(k: int, y: Any, w: Any, rngs: nnx.Rngs) -> nnx.Module:
    return DensityHead.residual(k, y, 24, weights=w, rngs=rngs)


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

METHODS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in VARIANTS},
    OURS: (PLAIN, RESIDUAL, LOCATIONS),
    BOOSTED: (),
}
"""Variants that each method chooses from, for each split, by the validation loss."""


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

    settings: Settings
    trials: Trials
    members: int
    hidden: int


def plan_of(name: str, rows: int, quick: bool) -> Plan:
    """Trainings of about 300,000 row visits each; 3 members and 2 decays, 2 and 2 for large sets."""
    epochs = int(np.clip(300_000 // rows, 15, 200))
    members = 2 if quick or rows > SMALL else 3
    decay = (0.01, 0.1) if rows <= SMALL else (0.001, 0.03)
    settings = Settings(max(epochs // 5, 5) if quick else epochs, 32 if rows <= SMALL else 64, checks=15, patience=5)
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
    data: Data
    x: np.ndarray
    y: np.ndarray
    lengths: np.ndarray


def prepare(name: str, found: Regression, splits: int | None = None) -> Case:
    """Pads the splits (the first few if `splits` says so)."""
    train_rows, test_rows = found.train[:splits], found.test[:splits]
    rows, weights = _padded(train_rows)
    fold = np.stack([np.random.default_rng(s).permutation(np.arange(rows.shape[1]) % FOLDS) for s in range(len(rows))])
    new, present = _padded(test_rows)
    data = Data(found.x[rows], found.y[rows], weights, fold)
    return Case(name, data, found.x[new], found.y[new], present.sum(axis=1).astype(int))


def _padded(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    longest = max(map(len, parts))
    rows, weights = np.zeros((len(parts), longest), int), np.zeros((len(parts), longest))
    for s, part in enumerate(parts):
        rows[s, : len(part)], weights[s, : len(part)] = part, 1
    return rows, weights


def run_method(case: Case, name: str, folder: Path, quick: bool, progress: Progress) -> dict[str, Any]:
    """Trains (or finds trained) what the method chooses from, chooses and measures.

    Raises:
        ValueError: the folder holds another training.
    """
    if name == BOOSTED:
        return measure_boosted(case, progress)
    plan = plan_of(case.name, case.data.y.shape[1], quick)
    started = time.perf_counter()
    options = []
    for variant in METHODS[name]:
        where = folder / f"{case.name}_{slug(variant)}"
        options.append(train_variant(case, plan, VARIANTS[variant], where, f"{case.name}, {variant}", progress))
    seconds = time.perf_counter() - started
    return {**measure(case, plan, options, METHODS[name]), "seconds": seconds}


def train_variant(case: Case, plan: Plan, variant: Variant, folder: Path, what: str, progress: Progress) -> Trained:
    """Trains (or finds trained) one head on all splits and trials."""
    features = case.data.x.shape[2]

    def make(rngs: nnx.Rngs, y: Any, weights: Any) -> nnx.Module:
        return Network(features, plan.hidden, variant.head(plan.hidden, y, weights, rngs), rngs=rngs)

    key = jax.random.key(0)
    options: dict[str, Any] = {"loss": variant.loss, "progress": progress, "what": what}
    return train(key, make, case.data, plan.trials, folder, plan.settings, **options)


def measure(case: Case, plan: Plan, options: list[Trained], names: Sequence[str]) -> dict[str, Any]:
    """Everything that is said of a method, one number for each split.

    The members of the chosen combination are averaged. Each member's probability integral transforms of the rows it
    left out give the conformal correction of the ensemble's intervals.
    """
    splits = range(len(case.y))
    best = [trained.best(plan.members) for trained in options]
    values = np.stack([np.take_along_axis(t.validation, b, 1).mean(axis=1) for t, b in zip(options, best, strict=True)])
    choice = np.argmin(values, axis=0)
    members = [trained.predict(case.x, b) for trained, b in zip(options, best, strict=True)]
    outside = [_out_of_fold(case, plan, trained, b) for trained, b in zip(options, best, strict=True)]
    rows: dict[str, list[float]] = {}
    for s in splits:
        o, count = int(choice[s]), case.lengths[s]
        own = case.data.y[s][case.data.weights[s] > 0]
        each = jax.tree.map(lambda leaf, s=s: leaf[s], members[o])
        reach = conformal_reach(outside[o][s], COVERAGE)
        found = _scores(each, jnp.asarray(case.y[s], jnp.float32), float(rounding(own)), reach)
        for name, value in found.items():
            values_here = np.asarray(value, np.float64)[..., :count]
            rows.setdefault(name, []).append(float(values_here.mean()))
        marginal = 0.5 * np.mean(np.square((case.y[s][:count] - own.mean()) / own.std()))
        marginal += np.log(own.std()) + 0.5 * np.log(2 * np.pi)
        failed = np.asarray(found["single"])[:, :count].mean(axis=1) > marginal
        rows.setdefault("worse_than_no_features", []).append(float(failed.sum()))
    rows["rmse"] = np.sqrt(rows.pop("square")).tolist()
    rows["validation"] = values.min(axis=0).tolist()
    return {
        **rows,
        "chosen": [names[c] for c in choice],
        "trainings": int(sum(t.finite.size for t in options)),
        "not_finite": int(sum((~t.finite).sum() for t in options)),
        "members": plan.members,
    }


@jax.jit
def _scores(members: Density, y: jax.Array, cell: jax.Array, reach: jax.Array) -> dict[str, jax.Array]:
    """Scores of one split: for each test row, or for each member and row."""
    density = members.pooled(0)
    low, high = density.interval(COVERAGE)
    lower, upper = conformal_interval(density, reach)
    half = 0.5 * jnp.maximum(cell, 1e-6 * jnp.std(y))
    in_cell = density.log_interval(y - half, y + half) - jnp.log(2 * half)
    return {
        "nll": -density.log_prob(y),
        "nll_cells": -in_cell,
        "single": -members.log_prob(y),
        "square": jnp.square(density.mean() - y),
        "crps": density.crps(y),
        "coverage": (low <= y) & (y <= high),
        "width": high - low,
        "conformal_coverage": (lower <= y) & (y <= upper),
        "conformal_width": upper - lower,
    }


def _out_of_fold(case: Case, plan: Plan, trained: Trained, best: np.ndarray) -> list[np.ndarray]:
    """For each split the transforms of the rows that a member left out, by that member."""
    data = case.data
    # Folds are permuted within rows of one length, so that every split leaves out the same number.
    rows = np.stack([np.flatnonzero(fold < plan.members) for fold in data.fold])
    x = np.take_along_axis(data.x, rows[..., None], axis=1)
    y, fold, w = (np.take_along_axis(a, rows, axis=1) for a in (data.y, data.fold, data.weights))
    pit = np.asarray(_cdf(trained.predict(x, best), jnp.asarray(y[:, None], jnp.float32)))
    own = np.take_along_axis(pit, fold[:, None], axis=1)[:, 0]
    return [np.clip(own[s][w[s] > 0], 0, 1) for s in range(len(rows))]


_cdf = jax.jit(Density.cdf)


def measure_boosted(case: Case, progress: Progress) -> dict[str, Any]:
    """Boosted trees have no density: error, coverage and width."""
    rows: dict[str, list[float]] = {"rmse": [], "coverage": [], "width": []}
    started = time.perf_counter()
    for s, count in enumerate(case.lengths):
        present = case.data.weights[s] > 0
        y = case.y[s][:count]
        found = boosted_quantiles(case.data.x[s][present], case.data.y[s][present], case.x[s][:count], s)
        rows["rmse"].append(float(np.sqrt(np.mean(np.square(found["mean"] - y)))))
        rows["coverage"].append(float(np.mean((found["low"] <= y) & (y <= found["high"]))))
        rows["width"].append(float(np.mean(found["high"] - found["low"])))
        progress(f"{case.name}, {BOOSTED}", s + 1, len(case.lengths))
    return {**rows, "seconds": time.perf_counter() - started}


def path_of(folder: Path, data_set: str, method: str) -> Path:
    return folder / f"{data_set}_{slug(method)}.json"


def identity(method: str, plan: Plan, splits: int) -> str:
    """A digest of the code and settings that a result depends on."""
    here, package = Path(__file__).parent, Path(fbgmm.__file__).parent / "nn"
    files = [here / "regression_cells.py", here / "regression_rivals.py"]
    if method != BOOSTED:
        files += [package / f"{name}.py" for name in ("density", "heads", "losses", "regression", "calibration")]
    return digest((plan, splits), files)
