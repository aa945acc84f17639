"""What the latent mixture of the paper learned: densities of each latent dimension over the codes of three digits."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fbgmm.nn.digits.latent import LatentMixture

from .. import style

DIGITS: dict[int, dict[str, Any]] = {
    0: {"color": style.BLUE, "linestyle": "-"},
    3: {"color": style.ORANGE, "linestyle": (0, (4, 1.5))},
    4: {"color": style.GREEN, "linestyle": (0, (1, 1))},
}
BINS, POINTS = 60, 400


def draw(z: np.ndarray, labels: np.ndarray, latent: LatentMixture) -> Figure:
    """A panel for each of at most 16 latent dimensions: histograms of the codes, and the mixtures learned from them.

    Args:
        z: codes, shape (N, D).
        labels: their digits, shape (N,).
        latent: fitted to them, without rotation.
    """
    dimensions = min(z.shape[1], 16)
    rows = -(-dimensions // 4)
    figure = style.new_figure(style.PAGE, 0.4 + 1.15 * rows)
    panels = figure.subplots(rows, 4, squeeze=False)
    shown = z[np.isin(labels, list(DIGITS))]
    low, high = shown.min(axis=0), shown.max(axis=0)
    x = np.linspace(low, high, POINTS)  # (POINTS, D)
    for digit, look in DIGITS.items():
        density = np.asarray(latent.marginal(digit).prob(np.asarray(x, np.float32)))
        for j, ax in enumerate(panels.flat[:dimensions]):
            edges = np.linspace(low[j], high[j], BINS + 1)
            ax.hist(z[labels == digit, j], edges, density=True, color=look["color"], alpha=0.3)
            ax.plot(x[:, j], density[:, j], linewidth=1.2, label=f"digit {digit}", **look)
    for j, ax in enumerate(panels.flat):
        ax.set_visible(j < dimensions)
        ax.set_yticks([])
        ax.set_title(f"$z_{{{j + 1}}}$", loc="left")
    style.legend_above(figure, panels.flat[0], columns=len(DIGITS))
    return figure
