"""Training of networks that output densities: all splits of a data set and all trials of a search at once, by `vmap`.

A *split* is a data set of its own (20 of them in the usual benchmarks); shorter splits are padded by rows of weight
zero. A *trial* is a choice of hyper-parameters and of the fold of the training rows that it leaves out to validate on.
All trials of a split see the same mini-batches; rows that a trial leaves out have weight zero there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from ... import checks
from ..._typing import Array, ArrayLike, Key
from ..train.checkpoints import checksum
from ..train.loop import TrainingPlan, Validation, run
from ..train.progress import Progress, silent
from .density import Density
from .losses import mean_loss, negative_log_likelihood, noisy

Make = Callable[[nnx.Rngs, Array, Array], nnx.Module]
"""make(rngs, y, weights) → a network from features (B, D) to a `Density` of batch shape (B,). It is given a split's
standardised targets, for its basis, as traced arrays; what it draws may only end in parameters."""

Loss = Callable[[Density, Array], Array]
"""loss(density, y) → one number for each example."""

_ADAM = optax.chain(optax.clip_by_global_norm(5.0), optax.scale_by_adam())
_BETTER = 1e-4  # nats by which a validation loss must fall to count as better


Weights = Any
"""A pytree of arrays, as `flax.nnx.split` gives it."""


class Splits(NamedTuple):
    """Splits of a data set.

    Attributes:
        x: features, shape (S, N, D).
        y: targets, shape (S, N).
        weights: of the examples, shape (S, N): zero means absent.
        fold: which fold each example is in, shape (S, N), integers.
    """

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    fold: np.ndarray


class Trials(NamedTuple):
    """Hyper-parameters that differ between trainings of one network on one split; each of shape (T,).

    Attributes:
        fold: the fold that is left out, to validate on.
        rate: of Adam at the start; falls to zero along a cosine.
        decay: of the weights, not of the biases, in each step relative to the rate (AdamW).
        noise: standard deviation of the noise on the targets in training, in standard deviations of the targets.
    """

    fold: np.ndarray
    rate: np.ndarray
    decay: np.ndarray
    noise: np.ndarray

    @classmethod
    def grid(
        cls,
        members: int,
        rate: Sequence[float] = (0.01,),
        decay: Sequence[float] = (1e-3,),
        noise: Sequence[float] = (0.0,),
    ) -> Trials:
        """All combinations, each on the folds 0 … members − 1; members of one combination stand together."""
        table = [(f, r, d, s) for r in rate for d in decay for s in noise for f in range(members)]
        fold, *rest = zip(*table, strict=True)
        return cls(np.asarray(fold, np.int32), *(np.asarray(column, np.float32) for column in rest))


class TrainingSettings(NamedTuple):
    """How long a training lasts.

    Attributes:
        epochs: passes over the rows of a split.
        batch: rows in a step; the rows of an epoch that fill no batch are left out, at random.
        checks: how often all trials are validated and saved, evenly over the training.
        patience: early stopping: checks without any trial of any split getting better, after which the training ends.
    """

    epochs: int = 100
    batch: int = 64
    checks: int = 20
    patience: int = 6


@dataclass(frozen=True)
class TrainedNetworks:
    """Networks of all splits and trials at their best check.

    Attributes:
        form, constants, weights: the networks, as `flax.nnx.split` gives them; constants (S, …), weights (S, T, …).
        centre, width: mean and standard deviation of the features, shape (S, D).
        shift, factor: mean and standard deviation of the targets, shape (S,).
        validation: mean negative log-likelihood of the rows left out, for targets in their own units, shape (S, T);
            inf where no check was finite.
        finite: whether every loss of the training and its gradient were finite, shape (S, T).
    """

    form: Any
    constants: Weights
    weights: Weights
    centre: np.ndarray
    width: np.ndarray
    shift: np.ndarray
    factor: np.ndarray
    validation: np.ndarray
    finite: np.ndarray

    def predict(self, x: ArrayLike, trials: np.ndarray | None = None) -> Density:
        """The densities of targets.

        Args:
            x: features, shape (S, P, D).
            trials: which of them for each split, shape (S, M); None: all.

        Returns:
            Batch shape (S, M, P); `Density.pooled(1)` is the ensemble.

        Raises:
            ValueError: features that are not finite or of another shape.
        """
        x = np.asarray(x, np.float64)
        S, D = self.centre.shape
        if x.ndim != 3 or x.shape[0] != S or x.shape[2] != D:
            raise ValueError(f"x has shape {x.shape}; allowed: ({S}, P, {D})")
        _require_finite("x", x, np.ones(x.shape[:2], bool))
        x = ((x - self.centre[:, None]) / self.width[:, None]).astype(np.float32)
        weights = self.weights
        if trials is not None:
            weights = jax.tree.map(lambda leaf: leaf[np.arange(S)[:, None], trials], weights)
        density = _predicted(self.form, self.constants, weights, x)
        return density.moved(*(a.astype(np.float32)[:, None, None] for a in (self.shift, self.factor)))

    def best(self, members: int) -> np.ndarray:
        """The trials of the combination with the least mean validation loss over its members, shape (S, members)."""
        means = self.validation.reshape(len(self.validation), -1, members).mean(axis=2)
        return np.argmin(means, axis=1)[:, None] * members + np.arange(members)


class _State(NamedTuple):
    weights: Weights
    adam: Any
    finite: Array
    """Whether all losses have been finite, (S, T)."""
    best: Weights
    """The weights at the best check so far."""
    value: Array
    """The validation loss there, (S, T)."""
    stale: Array
    """Checks since a trial got better."""


def train(
    key: Key,
    make: Make,
    data: Splits,
    trials: Trials,
    folder: str | Path,
    settings: TrainingSettings = TrainingSettings(),  # noqa: B008 - immutable
    *,
    loss: Loss = negative_log_likelihood,
    identity: Mapping[str, int | float | str] = {},
    progress: Progress = silent,
    what: str = "training",
) -> TrainedNetworks:
    """Trains every trial on every split, or resumes a training that was killed; the result is the same.

    Features and targets are standardised by each split's own rows.

    Args:
        key: for first weights, batches and noise.
        make: see `Make`.
        data, trials, settings: see there.
        folder: of the checkpoints, one after each check.
        loss: what is minimised; the negative log-likelihood says which check and which trial is best.
        identity: what else makes this training this one, such as a digest of the code behind `make`, of which nothing
            else is known; a folder that holds another is refused.
        progress, what: called after every 25 steps, under that name.

    Raises:
        ValueError: shapes that do not match; rows that are present and not finite; a trial without a row to train on
            or without one to validate on; settings below 1; a folder that holds another training.

    Example:
        >>> import tempfile, jax, numpy as np
        >>> from flax import nnx
        >>> from fbgmm.nn.conditional import DensityHead, Splits, TrainingSettings, Trials, train
        >>> def make(rngs, y, weights):
        ...     return nnx.Sequential(DensityHead.from_targets(1, y, 16, weights=weights, rngs=rngs))
        >>> x = np.linspace(0, 1, 50)[None]
        >>> data = Splits(x[..., None], x, np.ones((1, 50)), np.arange(50)[None] % 5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     trained = train(jax.random.key(0), make, data, Trials.grid(2), folder, TrainingSettings(epochs=2))
        >>> trained.predict(data.x, trained.best(2)).pooled(1).mean().shape
        (1, 50)
    """
    _check_training(data, trials, settings)
    present = data.weights > 0
    x, centre, width = _standardised(data.x, present[..., None])
    y, shift, factor = _standardised(data.y, present)
    standard = Splits(x, y, data.weights.astype(np.float32), data.fold.astype(np.int32))
    key_first, key_run = jax.random.split(key)
    own = {"loss": getattr(loss, "__qualname__", ""), "trials": checksum(*trials), **settings._asdict()}
    every = max(1, settings.epochs // settings.checks)
    epochs, batch = settings.epochs // every * every, min(settings.batch, data.y.shape[1])
    plan = TrainingPlan(what, epochs, batch, Path(folder), {**identity, **own})
    networks = _networks(make, key_first, standard, len(trials.fold))
    state = _trained(key_run, networks, loss, standard, trials, plan, every, settings.patience, progress)
    value = np.asarray(state.value, np.float64) + np.log(factor)[:, None]
    return TrainedNetworks(*networks[:2], state.best, centre, width, shift, factor, value, np.asarray(state.finite))


def _networks(make: Make, key: Key, data: Splits, trials: int) -> tuple[Any, Weights, Weights]:
    """The networks before training: their form, what is not trained, (S, …), and their parameters, (S, T, …)."""
    y, w = jnp.asarray(data.y), jnp.asarray(data.weights)
    form = nnx.split(make(nnx.Rngs(0), y[0], w[0]), nnx.Param, ...)[0]

    def one(key: Key, y: Array, w: Array) -> tuple[Weights, Weights]:
        _, *found = nnx.split(make(nnx.Rngs(key), y, w), nnx.Param, ...)
        return found[1], found[0]

    of_trials = jax.vmap(one, in_axes=(0, None, None), out_axes=(None, 0))
    return form, *jax.jit(jax.vmap(of_trials))(jax.random.split(key, (len(y), trials)), y, w)


def _trained(
    key: Key,
    networks: tuple[Any, Weights, Weights],
    loss: Loss,
    data: Splits,
    trials: Trials,
    plan: TrainingPlan,
    every: int,
    patience: int,
    progress: Progress,
) -> _State:
    form, constants, weights = networks
    infinite = jnp.full((len(data.y), len(trials.fold)), jnp.inf, jnp.float32)
    best, adam = jax.tree.map(jnp.copy, weights), jax.vmap(jax.vmap(_ADAM.init))(weights)
    start = _State(weights, adam, infinite > 0, best, infinite, jnp.int32(0))
    here = jax.tree.map(jnp.asarray, trials)
    by_row = tuple(jnp.moveaxis(jnp.asarray(a), 1, 0) for a in data)  # the loop takes rows of the first axis
    step = partial(_step, form, loss, constants, here, plan.epochs * (len(by_row[0]) // plan.batch))
    update = partial(_validated, form, constants, by_row, here.fold)
    validation = Validation(every, update, lambda state: int(state.stale) >= patience)
    return run(key, step, start, by_row, ("training loss",), plan, progress, validation)[0]


def _step(
    form: Any,
    loss: Loss,
    constants: Weights,
    trials: Trials,
    steps: int,
    state: _State,
    batch: tuple[Array, ...],
    key: Key,
) -> tuple[_State, Array]:
    """A step of every trial of every split, and the mean of their losses that are finite."""

    def one(
        constants: Weights, batch: tuple[Array, ...], key: Key, trial: Trials, weights: Weights, adam: Any
    ) -> tuple[Weights, Any, Array, Array]:
        x, y, w, fold = batch
        y = noisy(key, y, trial.noise)

        def objective(weights: Weights) -> Array:
            return mean_loss(loss(nnx.merge(form, weights, constants)(x), y), w * (fold != trial.fold))

        value, slope = jax.value_and_grad(objective)(weights)
        finite = jax.tree.reduce(lambda finite, g: finite & jnp.isfinite(g).all(), slope, jnp.isfinite(value))
        slope = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), slope)
        progress = adam[1].count.astype(jnp.float32) / steps
        rate = trial.rate * 0.5 * (1 + jnp.cos(jnp.pi * progress))
        direction, adam = _ADAM.update(slope, adam)
        decay = jax.tree.map(lambda p: trial.decay * p if p.ndim > 1 else 0.0, weights)
        weights = jax.tree.map(lambda p, u, d: p - rate * (u + d), weights, direction, decay)
        return weights, adam, finite, value

    over_trials = jax.vmap(one, in_axes=(None, None, None, 0, 0, 0))
    over_splits = jax.vmap(over_trials, in_axes=(0, 1, 0, None, 0, 0))
    keys = jax.random.split(key, batch[1].shape[1])
    weights, adam, finite, value = over_splits(constants, batch, keys, trials, state.weights, state.adam)
    state = state._replace(weights=weights, adam=adam, finite=state.finite & finite)
    return state, mean_loss(value.ravel(), jnp.isfinite(value).ravel().astype(value.dtype))[None]


@partial(jax.jit, static_argnums=0)
def _validated(form: Any, constants: Weights, by_row: tuple[Array, ...], folds: Array, state: _State) -> _State:
    """The state with the best weights so far, by the negative log-likelihood of the rows left out."""

    def of_split(split: Any) -> Array:
        constants, (x, y, w, f), weights = split

        def of_trial(weights: Weights, fold: Array) -> Array:
            return mean_loss(negative_log_likelihood(nnx.merge(form, weights, constants)(x), y), w * (f == fold))

        return jax.vmap(of_trial)(weights, folds)

    data = tuple(jnp.moveaxis(a, 1, 0) for a in by_row)
    value = jax.lax.map(of_split, (constants, data, state.weights))  # one split at a time: less memory
    better = value < state.value  # False for NaN
    best = jax.tree.map(
        lambda new, old: jnp.where(better.reshape(better.shape + (1,) * (new.ndim - 2)), new, old),
        state.weights,
        state.best,
    )
    stale = jnp.where((value < state.value - _BETTER).any(), 0, state.stale + 1)
    return state._replace(best=best, value=jnp.where(better, value, state.value), stale=stale)


@partial(jax.jit, static_argnums=0)
def _predicted(form: Any, constants: Weights, weights: Weights, x: Array) -> Density:
    def one(constants: Weights, weights: Weights, x: Array) -> Density:
        return nnx.merge(form, weights, constants)(x)

    return jax.vmap(jax.vmap(one, in_axes=(None, 0, None)))(constants, weights, x)


def _standardised(values: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each split's rows with mean 0 and deviation 1, in single precision; means; deviations, 1 where all are equal."""
    count = np.maximum(present.sum(axis=1), 1)
    values = np.where(present, values, 0).astype(np.float64)
    mean = values.sum(axis=1) / count
    away = np.where(present, values - mean[:, None], 0)
    deviation = np.sqrt(np.square(away).sum(axis=1) / count)
    deviation = np.where(deviation > 1e-12 * (1 + np.abs(mean)), deviation, 1.0)
    return (away / deviation[:, None]).astype(np.float32), mean, deviation


def _require_finite(name: str, values: np.ndarray, present: np.ndarray) -> None:
    """Raises ValueError where a row that is present (*rows) has a value that is not finite."""
    bad = ~np.isfinite(values) & present.reshape(present.shape + (1,) * (values.ndim - present.ndim))
    if bad.any():
        first = tuple(map(int, np.argwhere(bad)[0]))
        raise ValueError(f"{name} must be finite; found {int(bad.sum())} values that are not, the first at {first}")


def _check_training(data: Splits, trials: Trials, settings: TrainingSettings) -> None:
    """Raises the errors of `train`."""
    for name, value in settings._asdict().items():
        checks.positive_integer(name, value)
    S, N = data.y.shape
    if data.x.shape[:2] != (S, N) or data.weights.shape != (S, N) or data.fold.shape != (S, N):
        found = ", ".join(f"{name} {array.shape}" for name, array in data._asdict().items())
        raise ValueError(f"data must have shapes (S, N, D) for x and (S, N) for the others; found {found}")
    present = data.weights > 0
    _require_finite("x", data.x, present)
    _require_finite("y", data.y, present)
    if (data.weights < 0).any() or not np.isfinite(data.weights).all():
        raise ValueError("weights must be finite and at least 0")
    for fold in np.unique(trials.fold):
        out = (present & (data.fold == fold)).sum(axis=1)
        left = present.sum(axis=1) - out
        if (out < 1).any() or (left < 1).any():
            s = int(np.argmin(np.minimum(out, left)))
            raise ValueError(
                f"split {s} has {left[s]} rows to train on and {out[s]} in fold {fold} to validate on; "
                "allowed: at least one of each"
            )
