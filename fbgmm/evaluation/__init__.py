"""Evaluation of a mixture: sums over components, quantiles, normal scores and sampling."""
