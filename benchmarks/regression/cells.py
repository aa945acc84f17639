"""The cells of `python -m benchmarks regression`: what one method gives on all splits of one data set, in a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fbgmm.nn.conditional.calibration import conformal_interval, conformal_threshold
from fbgmm.nn.conditional.density import Density
from fbgmm.nn.conditional.heads import rounding
from fbgmm.nn.conditional.stacking import stacked, stacking_weights
from fbgmm.nn.conditional.training import TrainedNetworks
from fbgmm.nn.train.progress import Progress

from ..harness import cells
from ..harness.files import as_columns
from .report import BOOSTED, HETERO, HL, HOMO, KMN, LOCATIONS, MDN, OURS, PLAIN, RESIDUAL, RIVALS
from .rivals import boosted_quantiles
from .training import VARIANTS, Case, Plan, prepare, train_variant

COVERAGE = 0.9
_ROWS = 32

METHODS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in VARIANTS},
    OURS: (PLAIN, RESIDUAL, LOCATIONS),
    RIVALS: (HOMO, HETERO, MDN, KMN, HL),
    BOOSTED: (),
}
"""Variants that each method stacks, with weights of its own for each split, from rows not trained on."""


def run_method(case: Case, plan: Plan, name: str, folder: Path, progress: Progress) -> dict[str, Any]:
    """Trains (or finds trained) what the method stacks, and measures.

    Raises:
        ValueError: the folder holds another training.
    """
    if name == BOOSTED:
        return measure_boosted(case, progress)
    started = time.perf_counter()
    options = [train_variant(case, plan, part, VARIANTS[part], folder, progress) for part in METHODS[name]]
    seconds = time.perf_counter() - started
    return {**measure(case, plan, options, METHODS[name]), "seconds": seconds}


def measure(case: Case, plan: Plan, options: list[TrainedNetworks], names: Sequence[str]) -> dict[str, Any]:
    """Everything that is said of a method, one number for each split.

    The members of each option's better combination are averaged, and the options stacked with weights learned from the
    rows that the members left out, each row under the members that did. The probability integral transforms of these
    rows also give the conformal correction of the intervals.
    """
    best = [trained.best(plan.members) for trained in options]
    members = [trained.predict(case.x, b) for trained, b in zip(options, best, strict=True)]
    outside = [left_out(case, plan, trained, b) for trained, b in zip(options, best, strict=True)]
    rows: dict[str, list[Any]] = {}
    for s in range(len(case.y)):
        count = case.lengths[s]
        own = case.data.y[s][case.data.weights[s] > 0]
        log_prob, pit = (np.stack([found[s][part] for found in outside]) for part in (0, 1))
        weights = stacking_weights(jnp.asarray(log_prob))
        reach = conformal_threshold(np.clip(weights @ pit, 0, 1), COVERAGE)
        each = [jax.tree.map(lambda leaf, s=s: leaf[s], densities) for densities in members]
        pooled = [densities.pooled(0) for densities in each]  # here, not traced: members on one basis share it
        y = jnp.asarray(case.y[s], jnp.float32)
        found = _scores(pooled, weights, y, float(rounding(own)), reach)
        found["single"] = _single(each, weights, y)
        for name, value in found.items():
            rows.setdefault(name, []).append(float(np.asarray(value, np.float64)[..., :count].mean()))
        marginal = 0.5 * np.mean(np.square((case.y[s][:count] - own.mean()) / own.std()))
        marginal += np.log(own.std()) + 0.5 * np.log(2 * np.pi)
        failed = np.asarray(found["single"])[:, :count].mean(axis=1) > marginal
        rows.setdefault("worse_than_no_features", []).append(float(failed.sum()))
        rows.setdefault("weights", []).append(dict(zip(names, np.asarray(weights).tolist(), strict=True)))
    rows["rmse"] = np.sqrt(rows.pop("square")).tolist()
    return {
        **rows,
        "weights": as_columns(rows["weights"]),
        "trainings": int(sum(t.finite.size for t in options)),
        "not_finite": int(sum((~t.finite).sum() for t in options)),
        "members": plan.members,
    }


@jax.jit
def _scores(
    pooled: list[Density], weights: jax.Array, y: jax.Array, cell: jax.Array, reach: jax.Array
) -> dict[str, jax.Array]:
    """Scores of the ensemble on one split, for each test row."""
    density = stacked(pooled, weights)
    low, high = density.interval(COVERAGE)
    lower, upper = conformal_interval(density, reach)
    half = 0.5 * jnp.maximum(cell, 1e-6 * jnp.std(y))
    in_cell = density.log_interval(y - half, y + half) - jnp.log(2 * half)
    return {
        "nll": -density.log_prob(y),
        "nll_cells": -in_cell,
        "square": jnp.square(density.mean() - y),
        # Some rows at a time: it takes a number for each pair of components.
        "crps": jax.lax.map(_crps_of_row, (density.log_pi, density.mu, density.sigma, y), batch_size=_ROWS),
        "coverage": (low <= y) & (y <= high),
        "width": high - low,
        "conformal_coverage": (lower <= y) & (y <= upper),
        "conformal_width": upper - lower,
    }


def _crps_of_row(row: tuple[jax.Array, ...]) -> jax.Array:
    return Density.of(*row[:3]).crps(row[3])


@jax.jit
def _single(each: list[Density], weights: jax.Array, y: jax.Array) -> jax.Array:
    """Negative log-likelihood of each member, of one network of every option, and row; shape (members, rows)."""
    log_prob = jnp.stack([densities.log_prob(y) for densities in each])
    return -jax.nn.logsumexp(log_prob, axis=0, b=weights[:, None, None])


def left_out(case: Case, plan: Plan, trained: TrainedNetworks, best: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each split log-densities and transforms of the rows that some member left out, under that member."""
    data = case.data
    # Folds are permuted within rows of one length, so that every split leaves out the same number.
    rows = np.stack([np.flatnonzero(fold < plan.members) for fold in data.fold])
    x = np.take_along_axis(data.x, rows[..., None], axis=1)
    y, fold, w = (np.take_along_axis(a, rows, axis=1) for a in (data.y, data.fold, data.weights))
    both = _judged(trained.predict(x, best), jnp.asarray(y[:, None], jnp.float32))
    own = [np.take_along_axis(np.asarray(a), fold[:, None], axis=1)[:, 0] for a in both]
    return [(own[0][s][w[s] > 0], own[1][s][w[s] > 0]) for s in range(len(rows))]


@jax.jit
def _judged(density: Density, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    return density.log_prob(y), density.cdf(y)


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
    return folder / f"{data_set}_{cells.slug(method)}.json"


def identity(method: str, plan: Plan, splits: int) -> str:
    """Of the code and settings that a result depends on."""
    if method == BOOSTED:
        return cells.identity(measure_boosted, prepare, splits)
    variants = {name: VARIANTS[name] for name in METHODS[method]}
    return cells.identity(measure, train_variant, variants, prepare, plan, splits)
