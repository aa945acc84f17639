"""Networks whose output is a density: heads, losses, training, calibration and stacking."""
