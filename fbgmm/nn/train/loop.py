"""Training by mini-batches, with checkpoints and early stopping: the loop that every network here is trained by.

Each step is one compiled call and the host only feeds it. A `jax.lax.scan` over the steps of an epoch would spare those
calls, but XLA on a CPU runs convolutions within loops on a slow path: eleven times slower per step for the autoencoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ..._typing import AnyArray, Array, Int, Key
from .checkpoints import Checkpoints, checksum
from .progress import Progress

State = TypeVar("State")

Step = Callable[[State, tuple[Array, ...], Key], tuple[State, Array]]
"""step(state, batch, key) → the next state and measures, shape (M,); `batch` holds the same rows of each data array."""

_REPORT_EVERY = 25  # steps: how often the host waits for the device, to report progress


class TrainingPlan(NamedTuple):
    """What to train and where to keep it.

    Attributes:
        what: its name, for the progress.
        epochs: passes over the data.
        batch: rows of data in a step; the rows of an epoch that fill no batch are left out, at random.
        folder: of the checkpoints. A training found there is resumed after its last one.
        identity: the settings of this training; one found in the folder must have the same, key and data.
    """

    what: str
    epochs: int
    batch: int
    folder: Path
    identity: Mapping[str, int | float | str]


@dataclass(frozen=True)
class Validation(Generic[State]):
    """What is done every few epochs, before the checkpoint.

    Attributes:
        every: epochs between two validations; a divisor of the plan's epochs.
        update: state → state, such as one that keeps the best weights so far.
        ended: state → whether the training stops early.
    """

    every: int
    update: Callable[[State], State]
    ended: Callable[[State], bool]


def run(
    key: Key,
    step: Step[State],
    start: State,
    data: Sequence[AnyArray],
    measures: Sequence[str],
    plan: TrainingPlan,
    progress: Progress,
    validation: Validation[State] | None = None,
) -> tuple[State, np.ndarray]:
    """Trains, or resumes a training that was cut off; the result is the same.

    Args:
        key: for the order of the data and for the steps, each of which has its own.
        step: traced once.
        start: the state before the first step; its memory is given up to the training.
        data: arrays with one row for each example; they stay on the device.
        measures: names of what a step measures; the first is shown with the progress.
        plan: see `TrainingPlan`.
        progress: called every 25 steps.
        validation: see `Validation`; a checkpoint follows each, else each epoch.

    Returns:
        The last state, and the mean of the measures over each epoch, shape (epochs, M); NaN for epochs that early
        stopping left out.

    Raises:
        ValueError: fewer rows than a batch has; a folder that holds another training or cannot be read; measures that
            are not finite.
    """
    if len(data[0]) < plan.batch:
        raise ValueError(f"{plan.what}: found {len(data[0])} examples; allowed: at least one batch, {plan.batch}")
    own: dict[str, int | float | str] = {"key": str(jax.random.key_data(key).tolist()), "data": checksum(*data)}
    identity = {**plan.identity, **own, "epochs": plan.epochs, "batch": plan.batch}
    checkpoints = Checkpoints(plan.folder, identity)
    history = np.full((plan.epochs, len(measures)), np.nan, np.float32)
    done, (state, history) = checkpoints.load((start, history))
    history = np.array(history)
    on_device = tuple(jnp.asarray(array) for array in data)
    train_epoch = partial(_train_epoch, _compiled(step, plan.batch), key, on_device, measures, plan, progress)
    every = validation.every if validation else 1
    for epoch in range(done, plan.epochs):
        if validation and validation.ended(state):
            break
        state, history[epoch] = train_epoch(epoch, state)
        if (epoch + 1) % every == 0:
            state = validation.update(state) if validation else state
            checkpoints.save(epoch + 1, (state, history))
    checkpoints.close()
    return state, history


def _train_epoch(
    advance: Callable[..., tuple[State, Array]],
    key: Key,
    data: tuple[Array, ...],
    measures: Sequence[str],
    plan: TrainingPlan,
    progress: Progress,
    epoch: int,
    state: State,
) -> tuple[State, np.ndarray]:
    """The state after an epoch, and the means of its measures."""
    key_order, key_steps = jax.random.split(key)
    steps = len(data[0]) // plan.batch
    order = _order(jax.random.fold_in(key_order, epoch), len(data[0]))
    key_epoch = jax.random.fold_in(key_steps, epoch)
    sums = jnp.zeros(len(measures), jnp.float32)
    for i in range(steps):
        state, sums = advance(state, sums, data, order, key_epoch, np.int32(i))
        if i % _REPORT_EVERY == _REPORT_EVERY - 1 or i == steps - 1:
            value = float(sums[0]) / (i + 1)
            progress(f"{plan.what}: {measures[0]} {value:.3g}", epoch * steps + i + 1, plan.epochs * steps)
    means = np.asarray(sums) / steps
    if not np.isfinite(means).all():
        found = ", ".join(f"{name} {value:g}" for name, value in zip(measures, means, strict=True))
        raise ValueError(f"{plan.what} diverged in epoch {epoch + 1}: found {found}; lower the learning rate")
    return state, means


def _compiled(step: Step[State], batch: int) -> Callable[..., tuple[State, Array]]:
    """One step on the i-th batch of an epoch, which adds its measures to their sums."""

    @partial(jax.jit, donate_argnums=(0, 1))
    def advance(
        state: State, sums: Array, data: tuple[Array, ...], order: Array, key: Key, i: Array
    ) -> tuple[State, Array]:
        rows = jax.lax.dynamic_slice_in_dim(order, i * batch, batch)
        state, measured = step(state, tuple(array[rows] for array in data), jax.random.fold_in(key, i))
        return state, sums + measured

    return advance


@partial(jax.jit, static_argnames="size")
def _order(key: Key, size: int) -> Int[Array, " size"]:
    return jax.random.permutation(key, size).astype(jnp.int32)
