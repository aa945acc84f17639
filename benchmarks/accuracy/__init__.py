"""Accuracy of density estimators on known densities and real samples."""
