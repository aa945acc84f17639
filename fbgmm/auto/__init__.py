"""`fit(x)`, where the data choose coordinate, widths, smoothing and tails; `host` shows the steps in their order."""
