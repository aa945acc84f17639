"""Checks that the figures stated in README and docs are those of the results."""
