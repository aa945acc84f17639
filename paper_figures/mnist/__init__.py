"""Figures 8 to 10 (section 3.2.1)."""
