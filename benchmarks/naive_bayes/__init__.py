"""Naive Bayes classifiers compared."""
