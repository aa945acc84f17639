"""Predictive densities on nine UCI regression sets."""
