"""Handwritten digits (section 3.2.1): autoencoder, adversarial training and densities of the latent codes."""

from .adversarial import discriminator_loss, generator_loss
from .autoencoder import Decoder, Discriminator, Encoder
from .latent import LatentMixture
from .training import AutoencoderSettings, History, TrainedAutoencoder, decode, encode, train

__all__ = [
    "AutoencoderSettings",
    "Decoder",
    "Discriminator",
    "Encoder",
    "History",
    "LatentMixture",
    "TrainedAutoencoder",
    "decode",
    "discriminator_loss",
    "encode",
    "generator_loss",
    "train",
]
