"""Training by mini-batches: the one loop that every network here is trained with.

Each step is one compiled call and the host only feeds it. A `jax.lax.scan` over the steps of an epoch would spare those
calls, but XLA on a CPU runs convolutions within loops on a slow path: eleven times slower per step for the autoencoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ..._typing import Array, Int, Key
from .checkpoints import Checkpoints, fingerprint
from .progress import Progress

State = TypeVar("State")

Step = Callable[[State, tuple[Array, ...], Key], tuple[State, Array]]
"""step(state, batch, key) → the next state and measures, shape (M,); `batch` holds the same rows of each data array."""

_TOLD_EVERY = 25  # steps: how often the host waits for the device, to say how far it is


class Plan(NamedTuple):
    """What to train and where to keep it.

    Attributes:
        what: its name, for the progress.
        epochs: passes over the data.
        batch: rows of data in a step; what is left of an epoch is left out, at random.
        folder: of the checkpoints, one after each epoch. A training found there goes on after its last one.
        identity: the settings of this training; one found in the folder must have the same, key and data.
    """

    what: str
    epochs: int
    batch: int
    folder: Path
    identity: Mapping[str, int | float | str]


def run(
    key: Key,
    step: Step[State],
    start: State,
    data: Sequence[np.ndarray],
    measures: Sequence[str],
    plan: Plan,
    progress: Progress,
) -> tuple[State, np.ndarray]:
    """Trains, or goes on with a training that was cut off; the result is the same.

    Args:
        key: of the order of the data and of what the steps draw; each step has its own.
        step: traced once.
        start: the state before the first step; given up to the training.
        data: arrays with one row for each example; they stay on the device.
        measures: names of what a step measures; the first is shown with the progress.
        plan: see `Plan`.
        progress: told every 25 steps.

    Returns:
        The last state, and the mean of the measures over each epoch, shape (epochs, M).

    Raises:
        ValueError: fewer rows than a batch has; a folder that holds another training or cannot be read; measures that
            are not finite.
    """
    size = len(data[0])
    steps = size // plan.batch
    if not steps:
        raise ValueError(f"{plan.what}: found {size} examples; allowed: at least one batch, {plan.batch}")
    key_order, key_steps = jax.random.split(key)
    identity = {**plan.identity, **fingerprint(key, *data), "epochs": plan.epochs, "batch": plan.batch}
    checkpoints = Checkpoints(plan.folder, identity)
    history = np.full((plan.epochs, len(measures)), np.nan, np.float32)
    done, (state, history) = checkpoints.load((start, history))
    history = np.array(history)
    on_device = tuple(jnp.asarray(array) for array in data)

    @partial(jax.jit, donate_argnums=(0, 1))
    def advance(state: State, sums: Array, data: tuple[Array, ...], order: Array, key: Key, i: Array) -> Any:
        rows = jax.lax.dynamic_slice_in_dim(order, i * plan.batch, plan.batch)
        batch = tuple(array[rows] for array in data)
        state, measured = step(state, batch, jax.random.fold_in(key, i))
        return state, sums + measured

    for epoch in range(done, plan.epochs):
        order = _order(jax.random.fold_in(key_order, epoch), size)
        key_epoch = jax.random.fold_in(key_steps, epoch)
        sums = jnp.zeros(len(measures), jnp.float32)
        for i in range(steps):
            state, sums = advance(state, sums, on_device, order, key_epoch, np.int32(i))
            if i % _TOLD_EVERY == _TOLD_EVERY - 1 or i == steps - 1:
                value = float(sums[0]) / (i + 1)
                progress(f"{plan.what}: {measures[0]} {value:.3g}", epoch * steps + i + 1, plan.epochs * steps)
        history[epoch] = np.asarray(sums) / steps
        if not np.isfinite(history[epoch]).all():
            found = ", ".join(f"{name} {value:g}" for name, value in zip(measures, history[epoch], strict=True))
            raise ValueError(f"{plan.what} went astray in epoch {epoch + 1}: found {found}; lower the learning rate")
        checkpoints.save(epoch + 1, (state, history))
    checkpoints.close()
    return state, history


@partial(jax.jit, static_argnames="size")
def _order(key: Key, size: int) -> Int[Array, " size"]:
    return jax.random.permutation(key, size).astype(jnp.int32)
