"""Mixtures as the distributions of other libraries. Extra: `interchange`."""
