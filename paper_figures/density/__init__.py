"""Figures 1 to 7, and the tables as pictures (section 3.1)."""
