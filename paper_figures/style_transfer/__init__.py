"""Figures 11 to 13 (section 3.2.2)."""
