"""What `fit(x)` does: the data choose coordinate, widths, smoothing and tails. `choose` is the way through it."""
