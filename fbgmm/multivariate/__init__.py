"""Densities in several dimensions."""
