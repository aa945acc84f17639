"""Figures 9 and 10: samples of each digit by several methods, and random mixing of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .. import style

RED = "#D55E00"


class Classifies(Protocol):
    def probabilities(self, images: np.ndarray) -> np.ndarray: ...


def draw_rows(samples: Mapping[str, np.ndarray], judge: Classifies) -> Figure:
    """Figure 9. Rows of random samples of each digit, methods side by side; a frame: the judge sees another digit.

    Args:
        samples: name of a method → images, shape (digits, columns, 28, 28).
        judge: the classifier.
    """
    digits, columns = next(iter(samples.values())).shape[:2]
    height = 0.35 + digits * style.PAGE / (len(samples) * (columns + 0.6))
    figure = style.new_figure(style.PAGE, height)
    for ax, (name, images) in zip(figure.subplots(1, len(samples)), samples.items(), strict=True):
        tile(ax, images)
        taken_for = judge.probabilities(images.reshape(-1, 28, 28)).argmax(1).reshape(digits, columns)
        for digit, column in zip(*np.nonzero(taken_for != np.arange(digits)[:, None]), strict=True):
            ax.add_patch(Rectangle((column, digit), 1, 1, fill=False, edgecolor=RED, linewidth=0.9))
        ax.set_title(name)
    return figure


def draw_mixed(samples: Mapping[tuple[int, int], np.ndarray]) -> Figure:
    """Figure 10. Random mixing: each latent dimension from one of two classes, with equal chance.

    Args:
        samples: two digits → images, shape (count, 28, 28).
    """
    rows, columns = 4, 8
    figure = style.new_figure(style.PAGE, 2 * (0.25 + style.PAGE / 3 * rows / columns))
    for ax, (pair, images) in zip(figure.subplots(2, 3).flat, samples.items(), strict=True):
        tile(ax, images[: rows * columns].reshape(rows, columns, 28, 28))
        ax.set_title(" + ".join(map(str, pair)))
    return figure


def tile(ax: Axes, images: np.ndarray) -> None:
    """Images of shape (rows, columns, 28, 28), ink in black, one unit each."""
    rows, columns = images.shape[:2]
    sheet = np.swapaxes(images, 1, 2).reshape(rows * 28, columns * 28)
    ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, extent=(0, columns, rows, 0), interpolation="nearest")
    ax.set_axis_off()
