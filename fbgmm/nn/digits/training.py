"""Adversarial training of the autoencoder (section 3.2.1), and encoding and decoding of many images."""

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
from ..train.batches import in_batches
from ..train.loop import TrainingPlan, run
from ..train.progress import Progress, silent
from . import adversarial
from .autoencoder import CLASSES, LATENT, SIZE, Decoder, Discriminator, Encoder

MEASURES = "squared error", "adversarial", "discriminator"


class AutoencoderSettings(NamedTuple):
    """What the paper leaves open, with values that work.

    Attributes:
        latent: dimensions of a code.
        epochs: passes over the images.
        batch: images in a step.
        alpha: of Eq. 10, against a squared error summed over pixels with values in [0, 1].
        noise: standard deviation of the normal noise on the codes before they are decoded, in training only:
            neighbouring codes then stand for similar images.
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


class TrainedAutoencoder(NamedTuple):
    """The networks after training, and the losses of each epoch."""

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
    settings: AutoencoderSettings = AutoencoderSettings(),  # noqa: B008 - immutable
    progress: Progress = silent,
) -> TrainedAutoencoder:
    """Trains encoder, decoder and discriminator, or resumes a training that was killed; the result is the same.

    Args:
        key: for the first weights, the order of the images and the noise.
        images: shape (N, 28, 28), uint8.
        labels: their digits, shape (N,), 0 to 9.
        folder: of the checkpoints, one after each epoch.
        settings: see `AutoencoderSettings`.
        progress: called after every 25 steps, such as `fbgmm.nn.train.progress_bars`.

    Raises:
        ValueError: images or labels of another shape, type or range; fewer images than a batch has; a folder that holds
            another training; losses that are not finite.
    """
    _check(images, labels)
    key_encoder, key_decoder, key_discriminator, key_run = jax.random.split(key, 4)
    steps = settings.epochs * max(len(images) // settings.batch, 1)
    coder = Encoder(settings.latent, rngs=nnx.Rngs(key_encoder)), Decoder(settings.latent, rngs=nnx.Rngs(key_decoder))
    coder_form, generator = nnx.split(coder)
    critic_form, discriminator = nnx.split(Discriminator(rngs=nnx.Rngs(key_discriminator)))
    adam = optax.adam(optax.cosine_decay_schedule(settings.rate, steps))
    critic_adam = optax.adam(settings.discriminator_rate, b1=0.5)
    start = _State(generator, discriminator, adam.init(generator), critic_adam.init(discriminator))
    step = partial(_step, (coder_form, critic_form), (adam, critic_adam), settings)
    plan = TrainingPlan("autoencoder", settings.epochs, settings.batch, Path(folder), settings._asdict())
    last, history = run(key_run, step, start, (images, labels), MEASURES, plan, progress)
    encoder, decoder = nnx.merge(coder_form, last.generator)
    return TrainedAutoencoder(encoder, decoder, nnx.merge(critic_form, last.discriminator), History(*history.T))


def _step(
    forms: tuple[Any, Any],
    optimisers: tuple[optax.GradientTransformation, optax.GradientTransformation],
    settings: AutoencoderSettings,
    state: _State,
    batch: tuple[Array, ...],
    key: Key,
) -> tuple[_State, Array]:
    """A step of the generator, then one of the discriminator on the same generated images."""
    coder_form, critic_form = forms
    x, y = as_floats(batch[0]), batch[1].astype(jnp.int32)
    key_noise, key_shuffle = jax.random.split(key)

    def loss(generator: Any) -> tuple[Array, tuple[tuple[Array, Array], Array]]:
        encoder, decoder = nnx.merge(coder_form, generator)
        z = encoder(x)
        noisy = z + settings.noise * jax.random.normal(key_noise, z.shape, z.dtype)
        reconstructed = decoder(noisy)
        generated = decoder(adversarial.shuffled_within_class(key_shuffle, noisy, y))
        logits = nnx.merge(critic_form, state.discriminator)(generated)
        pull = settings.pull * jnp.mean(jnp.sum(jnp.square(z), axis=1))
        measured = adversarial.squared_error(x, reconstructed), adversarial.adversarial_term(logits, y)
        total = adversarial.generator_loss(logits, y, x, reconstructed, settings.alpha) + pull
        return total, (measured, generated)

    def discriminator_loss(discriminator: Any) -> Array:
        critic = nnx.merge(critic_form, discriminator)
        return adversarial.discriminator_loss(critic(x), y, critic(generated))

    slope, (measured, generated) = jax.grad(loss, has_aux=True)(state.generator)
    judged, critic_slope = jax.value_and_grad(discriminator_loss)(state.discriminator)
    adam, critic_adam = optimisers
    generator, moments = _descend(adam, slope, state.generator_adam, state.generator)
    discriminator, critic_moments = _descend(critic_adam, critic_slope, state.discriminator_adam, state.discriminator)
    return _State(generator, discriminator, moments, critic_moments), jnp.stack([*measured, judged])


def encode(encoder: Encoder, images: np.ndarray) -> np.ndarray:
    """Codes of images of shape (N, 28, 28), uint8; shape (N, D), float32."""
    return in_batches(partial(_encoded, *nnx.split(encoder)), images)


def decode(decoder: Decoder, z: np.ndarray | Array) -> np.ndarray:
    """Images, shape (N, 28, 28), float32 in [0, 1], of codes of shape (N, D)."""
    return in_batches(partial(_decoded, *nnx.split(decoder)), np.asarray(z, np.float32))


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
