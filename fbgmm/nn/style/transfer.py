"""Style transfer (Gatys, Ecker and Bethge 2015): an image with the content of one picture and given Gram matrices.

Several images are made at once, by L-BFGS. A step is one evaluation of the network for all of them and one compiled
call, because XLA on a CPU runs convolutions within loops on a slow path. The line search, too, makes one trial a step,
for each image its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from ..._typing import Array, Float
from ..train.batches import in_batches
from ..train.progress import Progress, silent
from .gram_matrices import STYLE_LAYERS, mean_gram, pack_all, unpack_all
from .vgg import VGG19

CONTENT_LAYER = "conv4_2"

_ARMIJO = 1e-4  # of the decrease that the gradient promises, for a trial to be taken (Nocedal and Wright 2006)
_LBFGS: Any = optax.scale_by_lbfgs(10)  # steps remembered
_TOGETHER = 4  # images that go through the network together


class TransferSettings(NamedTuple):
    """What the paper leaves open.

    Attributes:
        steps: evaluations of the network for each image.
        style_weight: of the style's loss against the content's; both are 1 for an image of no features.
        rate: of the first trial along the gradient, in grey levels.
    """

    steps: int = 200
    style_weight: float = 10.0
    rate: float = 4.0


class Stylised(NamedTuple):
    """Images, and their losses.

    Attributes:
        images: shape (B, H, W, 3), values from 0 to 255.
        content: the content's loss at the end, shape (B,).
        style: the style's loss at the end, shape (B,).
        history: total loss after each step, shape (steps, B).
    """

    images: np.ndarray
    content: np.ndarray
    style: np.ndarray
    history: np.ndarray


def content_loss(features: Float[Array, "B h w C"], wanted: Float[Array, "B h w C"]) -> Float[Array, " B"]:
    """½ Σ (F − P)² (Gatys et al. 2015, Eq. 1)."""
    return jnp.sum(jnp.square(features - wanted), axis=(1, 2, 3)) / 2


def style_loss(
    grams: Sequence[Float[Array, "B _ _"]], wanted: Sequence[Float[Array, "B _ _"]], weights: Float[Array, " L"]
) -> Float[Array, " B"]:
    """Σ_l w_l E_l with E_l = Σ (G − A)² / (4 N_l²) (Gatys et al. 2015, Eq. 4 and 5).

    Args:
        grams: of each layer, divided by the number of places, which is the M_l of Gatys' E_l.
        wanted: the same for the style.
        weights: w_l of each layer.
    """
    layers = [
        jnp.sum(jnp.square(G - A), axis=(1, 2)) / (4 * G.shape[-1] ** 2) for G, A in zip(grams, wanted, strict=True)
    ]
    return jnp.sum(jnp.stack(layers, axis=-1) * weights[None], axis=-1)


def layer_weights(data: Float[Array, "N E"], channels: Sequence[int]) -> Float[Array, " L"]:
    """Weights w_l with which each layer's loss, averaged over the crops, would be 1/L for an image of no features.

    Gatys et al. scale the network so that all layers matter alike; scaling their losses does the same.

    Args:
        data: distinct entries of Gram matrices, as `pack_all` gives them.
        channels: rows of each layer's matrix.
    """
    sizes = [jnp.mean(jnp.sum(jnp.square(A), axis=(1, 2))) / (4 * A.shape[-1] ** 2) for A in unpack_all(data, channels)]
    return 1 / (len(sizes) * jnp.stack(sizes))


def grams_of(vgg: VGG19, images: np.ndarray, progress: Progress = silent, what: str = "images") -> Float[Array, "B E"]:
    """Distinct entries of the Gram matrices of each image at the five style layers, over the number of places.

    Args:
        vgg: the network.
        images: shape (B, H, W, 3), values from 0 to 255.
        progress, what: called after every four images, under that name.
    """
    form, weights = nnx.split(vgg)
    packed = partial(_packed_grams, form, weights)
    return jnp.asarray(in_batches(packed, np.asarray(images, np.float32), _TOGETHER, progress, what))


@partial(jax.jit, static_argnums=0)
def _packed_grams(form: Any, weights: Any, images: Array) -> Array:
    features = nnx.merge(form, weights)(images)
    return pack_all([mean_gram(features[name]) for name in STYLE_LAYERS])


class _Task(NamedTuple):
    """What is minimised: the losses of these."""

    content: Array
    """Features of the target, shape (1, h, w, C)."""
    scale: Array
    """The content's loss for an image of no features."""
    grams: list[Array]
    layer_weights: Array


class _Search(NamedTuple):
    """The state of L-BFGS; leaves have a leading axis B."""

    x: Array
    losses: Array
    """Content and style, shape (B, 2), at x."""
    value: Array
    slope: Array
    direction: Array
    length: Array
    memory: Any


def stylise(
    vgg: VGG19,
    target: np.ndarray,
    grams: Sequence[Float[Array, "B _ _"]],
    weights: Float[Array, " L"],
    start: np.ndarray,
    settings: TransferSettings = TransferSettings(),  # noqa: B008 - immutable
    progress: Progress = silent,
    what: str = "images",
) -> Stylised:
    """Images with the content of the target at conv4_2 and, as nearly as possible, these Gram matrices.

    Minimises content_loss / (½ Σ P²) + style_weight · style_loss over the pixels.

    Args:
        vgg: the network.
        target: shape (H, W, 3), values from 0 to 255.
        grams: wanted at each style layer, over the number of places; B of them.
        weights: of the layers, see `layer_weights`.
        start: first images, shape (B, H, W, 3).
        settings: see `TransferSettings`.
        progress, what: called after each step, under that name.

    Raises:
        ValueError: settings that are not allowed; losses that are not finite.
    """
    if settings.steps < 1:
        raise ValueError(f"settings must have steps ≥ 1; found {settings.steps}")
    form, network = nnx.split(vgg)
    content = _content(form, network, jnp.asarray(target, jnp.float32)[None])
    task = _Task(content, jnp.sum(jnp.square(content)) / 2, list(grams), jnp.asarray(weights, jnp.float32))
    search = _start(jnp.asarray(start, jnp.float32))
    history = []
    for step in range(1, settings.steps + 1):
        search = _step(form, network, search, task, settings)
        history.append(np.asarray(search.value))
        if not np.isfinite(history[-1]).all():
            raise ValueError(f"{what} diverged at step {step}: found losses {history[-1]}; lower the rate")
        progress(f"{what}: loss {history[-1].mean():.4f}", step, settings.steps)
    images = np.asarray(search.x).clip(0, 255)
    content_end, style_end = np.asarray(search.losses).T
    return Stylised(images, content_end, style_end, np.asarray(history))


@partial(jax.jit, static_argnums=0)
def _content(form: Any, network: Any, target: Array) -> Array:
    return nnx.merge(form, network)(target, CONTENT_LAYER)[CONTENT_LAYER]


def _evaluate(form: Any, network: Any, x: Array, task: _Task, settings: TransferSettings) -> tuple[Array, Array, Array]:
    """Losses (B, 2), total (B,), and slope of each image's own total."""

    def total(x: Array) -> tuple[Array, tuple[Array, Array]]:
        features = nnx.merge(form, network)(x)
        wanted = jnp.broadcast_to(task.content, features[CONTENT_LAYER].shape)
        content = content_loss(features[CONTENT_LAYER], wanted) / task.scale
        style = style_loss([mean_gram(features[name]) for name in STYLE_LAYERS], task.grams, task.layer_weights)
        value = content + settings.style_weight * style
        return jnp.sum(value), (jnp.stack([content, style], axis=1), value)

    (_, (losses, value)), slope = jax.value_and_grad(total, has_aux=True)(x)
    return losses, value, slope


def _start(x: Array) -> _Search:
    """The state before any evaluation: the first trial is the start itself, and it is taken."""
    losses, value = (jnp.full(shape, jnp.inf, x.dtype) for shape in ((len(x), 2), len(x)))
    slope, direction = jnp.zeros_like(x), jnp.zeros_like(x)  # own memory each, as it is donated
    return _Search(x, losses, value, slope, direction, jnp.ones(len(x), x.dtype), jax.vmap(_empty_memory)(x))


@partial(jax.jit, static_argnames="form", donate_argnames="search")
def _step(form: Any, network: Any, search: _Search, task: _Task, settings: TransferSettings) -> _Search:
    trial = search.x + search.length[:, None, None, None] * search.direction
    losses, value, slope = _evaluate(form, network, trial, task, settings)
    return jax.vmap(partial(_after_trial, settings))(search, trial, losses, value, slope)


def _after_trial(
    settings: TransferSettings, search: _Search, trial: Array, losses: Array, value: Array, slope: Array
) -> _Search:
    """A trial that lowers the loss enough is taken and gives the next direction; else half the way is tried.

    Where the curvature along the way was not positive, L-BFGS has no convex model: its memory is emptied.
    """
    promised = search.length * jnp.vdot(search.slope, search.direction, precision="highest")
    enough = value <= search.value + _ARMIJO * promised
    uphill, memory = _LBFGS.update(slope, search.memory, trial)
    convex = jnp.vdot(slope - search.slope, search.direction, precision="highest") > 0
    useful = convex & (jnp.vdot(slope, uphill, precision="highest") > 0)
    emptied = _empty_memory(trial)._replace(count=jnp.ones_like(memory.count), params=trial, updates=slope)
    direction = jnp.where(useful, -uphill, _steepest(slope, settings))
    memory = jax.tree.map(partial(jnp.where, useful), memory, emptied)
    taken = _Search(trial, losses, value, slope, direction, jnp.ones_like(search.length), memory)
    return jax.tree.map(partial(jnp.where, enough), taken, search._replace(length=search.length / 2))


def _steepest(slope: Array, settings: TransferSettings) -> Array:
    """Downhill, by `rate` grey levels in root mean square."""
    size = jnp.sqrt(jnp.mean(jnp.square(slope)))
    return -slope * (settings.rate / jnp.where(size > 0, size, 1))


def _empty_memory(x: Array) -> Any:
    """The memory of L-BFGS before the first step, in the type of x."""
    memory = _LBFGS.init(x)
    return jax.tree.map(lambda a: a.astype(x.dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a, memory)
