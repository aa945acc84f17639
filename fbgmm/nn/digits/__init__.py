"""Handwritten digits (section 3.2.1): autoencoder, adversarial training and the density of its codes."""
