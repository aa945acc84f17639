"""Handwritten digits (section 3.2.1): autoencoder, adversarial training and densities of the latent codes."""

from .adversarial import discriminator_loss as discriminator_loss
from .adversarial import generator_loss as generator_loss
from .autoencoder import Decoder as Decoder
from .autoencoder import Discriminator as Discriminator
from .autoencoder import Encoder as Encoder
from .latent import LatentMixture as LatentMixture
from .training import AutoencoderSettings as AutoencoderSettings
from .training import History as History
from .training import TrainedAutoencoder as TrainedAutoencoder
from .training import decode as decode
from .training import encode as encode
from .training import train as train
