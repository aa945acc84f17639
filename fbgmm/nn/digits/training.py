"""Training of the autoencoder against the discriminator (section 3.2.1), and its use on many images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from ..._typing import Array, Float, Key
from ..train.loop import Plan, run
from ..train.progress import Progress, silent
from . import adversarial
from .autoencoder import CLASSES, LATENT, SIZE, Decoder, Discriminator, Encoder

MEASURES = "squared error", "adversarial", "discriminator"

_AT_ONCE = 1000  # images in one call of a network outside training


class Settings(NamedTuple):
    """What the paper leaves open, with values that work.

    Attributes:
        latent: numbers in a code.
        epochs: passes over the images.
        batch: images in a step.
        alpha: of Eq. 10, against a squared error summed over pixels with values in [0, 1].
        noise: standard deviation of what is added to the codes before they are decoded, in training only: neighbouring
            codes then mean neighbouring images, and a sampled code needs not be exact.
        pull: weight of ‖z‖² in the loss, without which the codes would outgrow the noise (Ghosh et al. 2020).
        rate: of Adam for encoder and decoder, falling to zero along a cosine.
        discriminator_rate: of Adam for the discriminator.
    """

    latent: int = LATENT
    epochs: int = 10
    batch: int = 128
    alpha: float = 20.0
    noise: float = 0.3
    pull: float = 0.05
    rate: float = 1.5e-3
    discriminator_rate: float = 3e-4


class History(NamedTuple):
    """Means over each epoch, each of shape (epochs,).

    Attributes:
        error: squared error of a reconstruction, summed over the pixels.
        adversarial: −½ E log(1 − D(G(z))), the discriminator's part in Eq. 10, before α.
        discriminator: the discriminator's own loss.
    """

    error: np.ndarray
    adversarial: np.ndarray
    discriminator: np.ndarray


class Trained(NamedTuple):
    """What a training gives."""

    encoder: Encoder
    decoder: Decoder
    discriminator: Discriminator
    history: History


class _State(NamedTuple):
    generator: Any
    """Weights of encoder and decoder."""
    discriminator: Any
    generator_adam: Any
    discriminator_adam: Any


def train(
    key: Key,
    images: np.ndarray,
    labels: np.ndarray,
    folder: str | Path,
    settings: Settings = Settings(),  # noqa: B008 - immutable
    progress: Progress = silent,
) -> Trained:
    """Trains encoder, decoder and discriminator, or goes on where a killed training left off; the result is the same.

    Args:
        key: of the first weights, of the order of the images and of the noise.
        images: shape (N, 28, 28), uint8.
        labels: their digits, shape (N,), 0 to 9.
        folder: of the checkpoints, one after each epoch.
        settings: see `Settings`.
        progress: told how far it is, as in `fbgmm.nn.train.progress.progress_bars`.

    Raises:
        ValueError: images or labels of another shape, type or range; fewer images than a batch has; a folder that holds
            another training; losses that are not finite.
    """
    _check(images, labels)
    key_encoder, key_decoder, key_discriminator, key_run = jax.random.split(key, 4)
    steps = settings.epochs * max(len(images) // settings.batch, 1)
    adam = optax.adam(optax.cosine_decay_schedule(settings.rate, steps))
    discriminator_adam = optax.adam(settings.discriminator_rate, b1=0.5)
    coder = Encoder(settings.latent, rngs=nnx.Rngs(key_encoder)), Decoder(settings.latent, rngs=nnx.Rngs(key_decoder))
    coder_form, generator = nnx.split(coder)
    judge_form, discriminator = nnx.split(Discriminator(rngs=nnx.Rngs(key_discriminator)))

    def step(state: _State, batch: tuple[Array, ...], key: Key) -> tuple[_State, Array]:
        x, y = as_floats(batch[0]), batch[1].astype(jnp.int32)
        key_noise, key_shuffle = jax.random.split(key)

        def loss(generator: Any) -> Any:
            encoder, decoder = nnx.merge(coder_form, generator)
            z = encoder(x)
            noisy = z + settings.noise * jax.random.normal(key_noise, z.shape, z.dtype)
            reconstructed = decoder(noisy)
            generated = decoder(adversarial.shuffled_within_class(key_shuffle, noisy, y))
            logits = nnx.merge(judge_form, state.discriminator)(generated)
            pull = settings.pull * jnp.mean(jnp.sum(jnp.square(z), axis=1))
            measured = adversarial.squared_error(x, reconstructed), adversarial.adversarial_term(logits, y)
            total = adversarial.generator_loss(logits, y, x, reconstructed, settings.alpha) + pull
            return total, (measured, generated)

        slope, (measured, generated) = jax.grad(loss, has_aux=True)(state.generator)

        def judge_loss(discriminator: Any) -> Array:
            judge = nnx.merge(judge_form, discriminator)
            return adversarial.discriminator_loss(judge(x), y, judge(generated))

        judged, judge_slope = jax.value_and_grad(judge_loss)(state.discriminator)
        generator, coder_adam = _descend(adam, slope, state.generator_adam, state.generator)
        discriminator, judge_adam = _descend(
            discriminator_adam, judge_slope, state.discriminator_adam, state.discriminator
        )
        return _State(generator, discriminator, coder_adam, judge_adam), jnp.stack([*measured, judged])

    start = _State(generator, discriminator, adam.init(generator), discriminator_adam.init(discriminator))
    plan = Plan("autoencoder", settings.epochs, settings.batch, Path(folder), settings._asdict())
    last, history = run(key_run, step, start, (images, labels), MEASURES, plan, progress)
    encoder, decoder = nnx.merge(coder_form, last.generator)
    return Trained(encoder, decoder, nnx.merge(judge_form, last.discriminator), History(*history.T))


def encode(encoder: Encoder, images: np.ndarray) -> np.ndarray:
    """Codes of images of shape (N, 28, 28), uint8; shape (N, D), float32."""
    return in_batches(partial(_encoded, *nnx.split(encoder)), images)


def decode(decoder: Decoder, z: np.ndarray | Array) -> np.ndarray:
    """Images, shape (N, 28, 28), float32 in [0, 1], of codes of shape (N, D)."""
    return in_batches(partial(_decoded, *nnx.split(decoder)), np.asarray(z, np.float32))


def in_batches(f: Any, x: np.ndarray) -> np.ndarray:
    """f of all rows of x, a thousand at a time: constant memory, and one program to compile."""
    parts = []
    for first in range(0, len(x), _AT_ONCE):
        part = x[first : first + _AT_ONCE]
        filled = np.zeros((_AT_ONCE, *x.shape[1:]), x.dtype)
        filled[: len(part)] = part
        parts.append(np.asarray(f(filled))[: len(part)])
    return np.concatenate(parts)


def as_floats(images: Array) -> Float[Array, "B 28 28 1"]:
    """From bytes, shape (B, 28, 28), to what the networks take: values in [0, 1], one channel."""
    return images[..., None].astype(jnp.float32) / 255


@partial(jax.jit, static_argnums=0)
def _encoded(form: Any, weights: Any, images: Array) -> Array:
    return nnx.merge(form, weights)(as_floats(images))


@partial(jax.jit, static_argnums=0)
def _decoded(form: Any, weights: Any, z: Array) -> Array:
    return nnx.merge(form, weights)(z)[..., 0]


def _descend(optimiser: optax.GradientTransformation, slope: Any, state: Any, weights: Any) -> tuple[Any, Any]:
    updates, state = optimiser.update(slope, state)
    return optax.apply_updates(weights, updates), state


def _check(images: np.ndarray, labels: np.ndarray) -> None:
    if images.ndim != 3 or images.shape[1:] != (SIZE, SIZE) or images.dtype != np.uint8:
        raise ValueError(
            f"images has shape {images.shape} and type {images.dtype}; allowed: (N, {SIZE}, {SIZE}), uint8"
        )
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels has shape {labels.shape}; allowed: one for each image, {images.shape[:1]}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < CLASSES:
        raise ValueError(f"labels has values from {labels.min()} to {labels.max()}; allowed: 0 to {CLASSES - 1}")
