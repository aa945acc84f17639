"""Autoencoder, whose decoder is the generator, and a discriminator that classifies (section 3.2.1).

The paper names the networks, but no sizes. These are small enough to train on two CPU cores in minutes. There a
transposed convolution takes several times as long as a strided one of the same size, so the decoder enlarges its images
by sub-pixel convolution instead: four values at each place, laid out as 2 × 2 (Shi et al. 2016).
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import nnx

from ..._typing import Array, Float

SIZE = 28
"""Height and width of an image, in pixels."""

LATENT = 16
"""Dimensions of a latent code."""

CLASSES = 10

_PLACES = SIZE // 4  # after two halvings
_SLOPE = 0.2  # of the leaky rectifiers, below zero


class Encoder(nnx.Module):
    """From images to codes.

        layer                           output          parameters (latent = 16)
        convolution 3 × 3, stride 2     14 × 14 × 32           320
        convolution 3 × 3, stride 2     7 × 7 × 64          18,496
        dense                           128                401,536
        dense, linear                   latent               2,064

    422,416 in all; a leaky rectifier (slope 0.2) follows each layer but the last.

    Args:
        latent: dimensions of a code, D.
        rngs: for the first weights.
    """

    def __init__(self, latent: int = LATENT, *, rngs: nnx.Rngs):
        self.body = _Body(32, 64, 128, rngs=rngs)
        self.code = nnx.Linear(128, latent, rngs=rngs)

    def __call__(self, images: Float[Array, "B 28 28 1"]) -> Float[Array, "B D"]:
        """Codes of images with values in [0, 1]."""
        return _last(self.layers(images))

    def layers(self, images: Float[Array, "B 28 28 1"]) -> Iterator[Array]:
        """The output of each layer, in turn."""
        for h in self.body.layers(images):
            yield h
        yield self.code(h)


class Decoder(nnx.Module):
    """From codes to images: the generator G of Eq. 10.

        layer                                       output          parameters (latent = 16)
        dense                                       128                  2,176
        dense                                       7 × 7 × 64         404,544
        convolution 3 × 3 to 64, laid out 2 × 2     14 × 14 × 16        36,928
        convolution 3 × 3 to 4, laid out 2 × 2      28 × 28 × 1            580

    444,228 in all; a leaky rectifier (slope 0.2) follows each layer but the last, a sigmoid the last.

    Args:
        latent: dimensions of a code, D.
        rngs: for the first weights.
    """

    def __init__(self, latent: int = LATENT, *, rngs: nnx.Rngs):
        self.wide = nnx.Linear(latent, 128, rngs=rngs)
        self.places = nnx.Linear(128, _PLACES * _PLACES * 64, rngs=rngs)
        self.finer = nnx.Conv(64, 64, (3, 3), rngs=rngs)
        self.finest = nnx.Conv(16, 4, (3, 3), rngs=rngs)

    def __call__(self, z: Float[Array, "B D"]) -> Float[Array, "B 28 28 1"]:
        """Images, values in [0, 1], of codes."""
        return _last(self.layers(z))

    def layers(self, z: Float[Array, "B D"]) -> Iterator[Array]:
        """The output of each layer, in turn."""
        yield (h := _rectified(self.wide(z)))
        yield (h := _rectified(self.places(h)).reshape(-1, _PLACES, _PLACES, 64))
        yield (h := _rectified(_laid_out(self.finer(h))))
        yield jax.nn.sigmoid(_laid_out(self.finest(h)))


class Discriminator(nnx.Module):
    """From images to the logits of eleven classes: the ten digits, and "generated" as the last.

        layer                           output          parameters
        convolution 3 × 3, stride 2     14 × 14 × 16           160
        convolution 3 × 3, stride 2     7 × 7 × 32           4,640
        dense                           64                 100,416
        dense, linear                   11                     715

    105,931 in all; a leaky rectifier (slope 0.2) follows each layer but the last. It is the paper's "straightforward
    convolution neural network with classification output", with the class for generated images of Salimans et al.
    (2016), without which it could not tell them from others.

    Args:
        rngs: for the first weights.
    """

    def __init__(self, *, rngs: nnx.Rngs):
        self.body = _Body(16, 32, 64, rngs=rngs)
        self.logits = nnx.Linear(64, CLASSES + 1, rngs=rngs)

    def __call__(self, images: Float[Array, "B 28 28 1"]) -> Float[Array, "B 11"]:
        """Logits for images with values in [0, 1]."""
        return _last(self.layers(images))

    def layers(self, images: Float[Array, "B 28 28 1"]) -> Iterator[Array]:
        """The output of each layer, in turn."""
        for h in self.body.layers(images):
            yield h
        yield self.logits(h)


class _Body(nnx.Module):
    """Two strided convolutions and a dense layer."""

    def __init__(self, first: int, second: int, out: int, *, rngs: nnx.Rngs):
        self.first = nnx.Conv(1, first, (3, 3), strides=2, rngs=rngs)
        self.second = nnx.Conv(first, second, (3, 3), strides=2, rngs=rngs)
        self.dense = nnx.Linear(_PLACES * _PLACES * second, out, rngs=rngs)

    def layers(self, images: Array) -> Iterator[Array]:
        yield (h := _rectified(self.first(images)))
        yield (h := _rectified(self.second(h)))
        yield _rectified(self.dense(h.reshape(h.shape[0], -1)))


def _last(layers: Iterator[Array]) -> Array:
    *_, output = layers
    return output


def _rectified(h: Array) -> Array:
    return jax.nn.leaky_relu(h, _SLOPE)


def _laid_out(h: Array) -> Array:
    """From four channels at one place to one channel at 2 × 2 places."""
    B, rows, columns, channels = h.shape
    blocks = h.reshape(B, rows, columns, 2, 2, channels // 4)
    return jnp.swapaxes(blocks, 2, 3).reshape(B, 2 * rows, 2 * columns, channels // 4)
