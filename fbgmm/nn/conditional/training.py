"""Training of networks that output densities: all splits of a data set and all trials of a search at once, by `vmap`.

Data and trials are described in `fbgmm.nn.conditional.trials`. All trials of a split see the same batches; a row
that a trial has left out has weight zero there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from ..._typing import Array, Key
from ..train.checkpoints import Checkpoints, fingerprint
from ..train.progress import Progress, silent
from .density import Density
from .losses import mean_loss, negative_log_likelihood, noisy
from .trials import Data, Settings, Trials, check_training, moments, require_finite

Make = Callable[[nnx.Rngs, Array, Array], nnx.Module]
"""make(rngs, y, weights) → a network from features (B, D) to a `Density` of batch shape (B,). It is given a split's
standardised targets, for its basis, as traced arrays; what it draws may only end in parameters."""

Loss = Callable[[Density, Array], Array]
"""loss(density, y) → one number for each example."""

_ADAM = optax.chain(optax.clip_by_global_norm(5.0), optax.scale_by_adam())


class _State(NamedTuple):
    weights: Any
    adam: Any
    best: Any
    """The weights at the best check so far."""
    value: Array
    """The validation loss there, (S, T)."""
    finite: Array
    """Whether all losses have been finite, (S, T)."""


@dataclass(frozen=True)
class Trained:
    """Networks of all splits and trials at their best check.

    Attributes:
        form, constants, weights: the networks, as `flax.nnx.split` gives them; constants (S, …), weights (S, T, …).
        centre, width: of the features, shape (S, D).
        shift, factor: mean and standard deviation of the targets, shape (S,).
        validation: the validation likelihood's negative logarithm, of targets in their own units, shape (S, T); inf
            where no check was finite.
        finite: whether every loss of the training and its slope were finite, shape (S, T).
    """

    form: Any
    constants: Any
    weights: Any
    centre: np.ndarray
    width: np.ndarray
    shift: np.ndarray
    factor: np.ndarray
    validation: np.ndarray
    finite: np.ndarray

    def predict(self, x: Any, trials: np.ndarray | None = None) -> Density:
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
        require_finite("x", x, np.ones(x.shape[:2], bool))
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


def train(
    key: Key,
    make: Make,
    data: Data,
    trials: Trials,
    folder: str | Path,
    settings: Settings = Settings(),  # noqa: B008 - immutable
    *,
    loss: Loss = negative_log_likelihood,
    identity: Mapping[str, int | float | str] = {},
    progress: Progress = silent,
    what: str = "training",
) -> Trained:
    """Trains every trial on every split, or goes on where a killed training left off; the result is the same.

    Features and targets are standardised by each split's own rows.

    Args:
        key: of first weights, batches and noise.
        make: see `Make`.
        data, trials, settings: see there.
        folder: of the checkpoints, one after each check.
        loss: what is trained on; which check and which trial is best says the negative log-likelihood.
        identity: what else makes this training this one, such as a digest of the code behind `make`, of which nothing
            else is known; a folder that holds another is refused.
        progress, what: told how far it is, under that name.

    Raises:
        ValueError: shapes that do not match; rows that are present and not finite; a trial without a row to train on
            or without one to validate on; settings below 1; a folder that holds another training.

    Example:
        >>> import tempfile, jax, numpy as np
        >>> from flax import nnx
        >>> from fbgmm.nn.conditional.heads import DensityHead
        >>> from fbgmm.nn.conditional.training import train
        >>> from fbgmm.nn.conditional.trials import Data, Settings, Trials
        >>> def make(rngs, y, weights):
        ...     return nnx.Sequential(DensityHead.from_targets(1, y, 16, weights=weights, rngs=rngs))
        >>> x = np.linspace(0, 1, 50)
        >>> data = Data(x[None, :, None], x[None], np.ones((1, 50)), np.arange(50)[None] % 5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     trained = train(jax.random.key(0), make, data, Trials.grid(2), folder, Settings(epochs=2, batch=25))
        >>> trained.predict(data.x, trained.best(2)).pooled(1).mean().shape
        (1, 50)
    """
    check_training(data, trials, settings)
    S, N = data.y.shape
    T = len(trials.fold)
    present = data.weights > 0
    centre, width = moments(data.x, present[..., None])
    shift, factor = moments(data.y, present)
    x = np.where(present[..., None], (data.x - centre[:, None]) / width[:, None], 0).astype(np.float32)
    y = np.where(present, (data.y - shift[:, None]) / factor[:, None], 0).astype(np.float32)
    w = data.weights.astype(np.float32)
    key_first, key_steps = jax.random.split(key)
    form = nnx.split(make(nnx.Rngs(0), jnp.asarray(y[0]), jnp.asarray(w[0])), nnx.Param, ...)[0]
    weights, constants = _networks(make, jax.random.split(key_first, (S, T)), y, w)
    rows = min(settings.batch, N)
    steps = max(N // rows, 1)
    per_check = max(1, settings.epochs // settings.checks)
    total = max(1, settings.epochs // per_check)
    run = partial(_advance, form, loss, rows, steps * per_check, steps * per_check * total)
    start = _State(
        weights,
        jax.vmap(jax.vmap(_ADAM.init))(weights),
        jax.tree.map(jnp.copy, weights),
        jnp.full((S, T), jnp.inf, jnp.float32),
        jnp.ones((S, T), bool),
    )
    own = {"loss": getattr(loss, "__qualname__", ""), **fingerprint(key, *data, *trials), **settings._asdict()}
    checkpoints = Checkpoints(Path(folder), {**identity, **own})
    done, (state, stale) = checkpoints.load((start, np.zeros((), np.int32)))
    on_device = tuple(map(jnp.asarray, (x, y, w, data.fold.astype(np.int32))))
    here = tuple(map(jnp.asarray, trials))
    for check in range(done, total):
        if stale >= settings.patience:
            break
        before = np.asarray(state.value)
        state = run(constants, on_device, here, state, jax.random.fold_in(key_steps, check), np.int32(check))
        better = bool((np.asarray(state.value) < before - 1e-4).any())
        stale = np.asarray(0 if better else stale + 1, np.int32)
        checkpoints.save(check + 1, (state, stale))
        progress(f"{what}: validation {float(jnp.mean(state.value)):.3g}", check + 1, total)
    checkpoints.close()
    value = np.asarray(state.value, np.float64) + np.log(factor)[:, None]
    return Trained(form, constants, state.best, centre, width, shift, factor, value, np.asarray(state.finite))


def _networks(make: Make, keys: Array, y: np.ndarray, w: np.ndarray) -> tuple[Any, Any]:
    """Parameters (S, T, …) and what is not learned (S, …)."""

    def one(key: Array, y: Array, w: Array) -> tuple[Any, Any]:
        parts: tuple[Any, ...] = nnx.split(make(nnx.Rngs(key), y, w), nnx.Param, ...)
        return parts[1], parts[2]

    of_trials = jax.vmap(one, in_axes=(0, None, None), out_axes=(0, None))
    return jax.jit(jax.vmap(of_trials))(keys, y, w)


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4), donate_argnums=8)
def _advance(
    form: Any,
    loss: Loss,
    rows: int,
    steps: int,
    total: int,
    constants: Any,
    data: tuple[Array, ...],
    trials: tuple[Array, ...],
    state: _State,
    key: Array,
    check: Array,
) -> _State:
    """The steps up to the next check, and that check."""
    N = data[1].shape[1]
    key_order, key_noise = jax.random.split(key)
    per_epoch = max(N // rows, 1)
    orders = jax.vmap(lambda k: jax.random.permutation(k, N))(jax.random.split(key_order, -(-steps // per_epoch)))

    def step_of_trial(
        constants: Any, batch: Any, trial: Any, weights: Any, adam_state: Any, key: Array, t: Array
    ) -> Any:
        x, y, w, f = batch
        fold, rate, decay, noise = trial
        y = noisy(key, y, noise)

        def objective(weights: Any) -> Array:
            return mean_loss(loss(nnx.merge(form, weights, constants)(x), y), w * (f != fold))

        value, slope = jax.value_and_grad(objective)(weights)
        fine = jax.tree.reduce(lambda fine, g: fine & jnp.isfinite(g).all(), slope, jnp.isfinite(value))
        slope = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), slope)
        direction, adam_state = _ADAM.update(slope, adam_state)
        now = rate * 0.5 * (1 + jnp.cos(jnp.pi * t.astype(jnp.float32) / total))
        weights = jax.tree.map(lambda p, u: p - now * (u + (decay * p if p.ndim > 1 else 0)), weights, direction)
        return weights, adam_state, fine

    over_trials = jax.vmap(step_of_trial, in_axes=(None, None, 0, 0, 0, None, None))
    over_splits = jax.vmap(over_trials, in_axes=(0, 0, None, 0, 0, 0, None))

    def step(carry: Any, i: Array) -> Any:
        weights, adam_state, finite = carry
        chosen = jax.lax.dynamic_slice_in_dim(orders[i // per_epoch], (i % per_epoch) * rows, rows)
        batch = tuple(a[:, chosen] for a in data)
        keys = jax.random.split(jax.random.fold_in(key_noise, i), data[1].shape[0])
        t = check * steps + i
        weights, adam_state, fine = over_splits(constants, batch, trials, weights, adam_state, keys, t)
        return (weights, adam_state, finite & fine), None

    carry = state.weights, state.adam, state.finite
    (weights, adam_state, finite), _ = jax.lax.scan(step, carry, jnp.arange(steps))

    def validation(split: Any) -> Array:
        constants, (x, y, w, f), weights = split

        def of_trial(weights: Any, fold: Array) -> Array:
            return mean_loss(negative_log_likelihood(nnx.merge(form, weights, constants)(x), y), w * (f == fold))

        return jax.vmap(of_trial)(weights, trials[0])

    value = jax.lax.map(validation, (constants, data, weights))  # one split at a time: less memory
    better = value < state.value  # False for NaN
    best = jax.tree.map(
        lambda new, old: jnp.where(better.reshape(better.shape + (1,) * (new.ndim - 2)), new, old), weights, state.best
    )
    return _State(weights, adam_state, best, jnp.where(better, value, state.value), finite)


@partial(jax.jit, static_argnums=0)
def _predicted(form: Any, constants: Any, weights: Any, x: Array) -> Density:
    def one(constants: Any, weights: Any, x: Array) -> Density:
        return nnx.merge(form, weights, constants)(x)

    return jax.vmap(jax.vmap(one, in_axes=(None, 0, None)))(constants, weights, x)
