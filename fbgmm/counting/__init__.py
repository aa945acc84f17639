"""Sums by cell, and the ways in which an accelerator can make histograms; `ways` chooses among them."""
