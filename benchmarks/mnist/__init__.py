"""Quality of generated digits (section 3.2.1), compared with other mixtures of latent codes."""
