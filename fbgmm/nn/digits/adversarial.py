"""Adversarial losses of section 3.2.1: the generator's, Eq. 10, and the discriminator's.

Eq. 10 is J = −α · ½ E_z log(1 − D(G(z))) + ‖x − G(z)‖². If D were the probability that an image is genuine, as in the
tutorial that the paper cites (Goodfellow 2016), the first term would be least where the discriminator recognises every
generated image: the opposite of what a generator is for. It makes sense if D is the probability that the image is *not*
genuine: then it is the cross-entropy of "genuine", Goodfellow's non-saturating loss. The discriminator predicts the
probabilities of ten digits and of "generated", and an image that was asked for as a digit counts as genuine where it is
taken for that digit. So here

    1 − D(G(z)) = the probability of the digit asked for,

and D is the probability of the other digits and of "generated".

The z of E_z have the distribution that the latent mixture will be sampled from: see `shuffled_within_class`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ..._typing import Array, Float, Int, Key
from .autoencoder import CLASSES


def generator_loss(
    logits: Float[Array, "B 11"],
    labels: Int[Array, " B"],
    images: Float[Array, "B 28 28 1"],
    reconstructions: Float[Array, "B 28 28 1"],
    alpha: float,
) -> Float[Array, ""]:
    """Eq. 10, averaged over the batch; the squared error is the sum over the pixels of an image.

    Args:
        logits: the discriminator's, for generated images.
        labels: the digits they were asked for as.
        images: x, the targets.
        reconstructions: G(z) for the codes z of the targets.
        alpha: weight of the adversarial term.
    """
    return alpha * adversarial_term(logits, labels) + squared_error(images, reconstructions)


def adversarial_term(logits: Float[Array, "B 11"], labels: Int[Array, " B"]) -> Float[Array, ""]:
    """−½ E_z log(1 − D(G(z))): half the mean cross-entropy of the digits asked for."""
    return -0.5 * jnp.mean(_log_probability(logits, labels))


def squared_error(images: Float[Array, "B 28 28 1"], reconstructions: Float[Array, "B 28 28 1"]) -> Float[Array, ""]:
    """‖x − G(z)‖², averaged over the batch."""
    return jnp.mean(jnp.sum(jnp.square(images - reconstructions), axis=(1, 2, 3)))


def discriminator_loss(
    genuine: Float[Array, "B 11"], labels: Int[Array, " B"], generated: Float[Array, "C 11"]
) -> Float[Array, ""]:
    """−½ E_x log(1 − D(x)) − ½ E_z log P(generated | G(z)): cross-entropies of the right digit, and of "generated".

    Args:
        genuine: logits for images of the data set.
        labels: their digits.
        generated: logits for generated images.
    """
    last = jnp.full(generated.shape[0], CLASSES, labels.dtype)
    return -0.5 * (jnp.mean(_log_probability(genuine, labels)) + jnp.mean(_log_probability(generated, last)))


def shuffled_within_class(key: Key, z: Float[Array, "B D"], labels: Int[Array, " B"]) -> Float[Array, "B D"]:
    """Codes of the same classes, each dimension from another code of that class in the batch.

    These are draws from a density for each class in which the dimensions are independent, as in the paper's latent
    mixture: the z of E_z in Eq. 10. Each column of the result holds the numbers of that column of z.

    Args:
        key: for the shuffle.
        z: codes.
        labels: their classes.
    """
    from_order, to_order = (_grouped(k, z.shape, labels) for k in jax.random.split(key))
    places = jnp.argsort(to_order, axis=0)
    return jnp.take_along_axis(jnp.take_along_axis(z, from_order, axis=0), places, axis=0)


def _grouped(key: Key, shape: tuple[int, ...], labels: Array) -> Array:
    """For each column an order of the rows, by class, at random within a class."""
    ranks = jax.random.uniform(key, shape, jnp.float32, maxval=0.99)
    return jnp.argsort(ranks + jnp.broadcast_to(labels[:, None], shape).astype(jnp.float32), axis=0)


def _log_probability(logits: Array, classes: Array) -> Array:
    return jnp.take_along_axis(jax.nn.log_softmax(logits, axis=1), classes[:, None], axis=1)[:, 0]
