"""Densities in several dimensions: log density of new points, beside other estimators."""
