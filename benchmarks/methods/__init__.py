"""Density estimators by name: those of this library and of others."""
