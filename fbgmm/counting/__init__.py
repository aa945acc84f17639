"""Histograms on an accelerator: several ways to add up what fell into each cell; `ways` chooses among them."""
