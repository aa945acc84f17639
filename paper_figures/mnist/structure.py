"""Figure 8: the structure of the model, with the real shapes of its layers and what really passes through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from fbgmm.nn.digits.autoencoder import Decoder, Discriminator, Encoder
from fbgmm.nn.digits.latent import LatentMixture
from fbgmm.nn.digits.training import TrainedAutoencoder, as_floats, decode

from .. import style

WIDTH, HEIGHT = style.PAGE, 2.75
MIDDLE, LOWER = 1.85, 0.4
"""Heights of the two rows, in inches: what passes through the networks, and where sampled codes come from."""

CODE = 2.5
"""Where the code is, in inches from the left."""

DENSITIES = 5  # dimensions whose densities are drawn
GENERATED = 5  # images of sampled codes


def draw(key: jax.Array, image: np.ndarray, label: int, trained: TrainedAutoencoder, latent: LatentMixture) -> Figure:
    """Figure 8.

    Args:
        key: of the sampled codes.
        image: shape (28, 28), uint8.
        label: the digit it shows.
        trained: the networks.
        latent: the densities of the codes, each dimension for itself.
    """
    x = np.asarray(as_floats(jnp.asarray(image[None])))
    encoded = passed(trained.encoder, x)
    decoded = passed(trained.decoder, encoded[-1])
    judged = passed(trained.discriminator, decoded[-1])
    figure = style.new_figure(WIDTH, HEIGHT)
    figure.set_layout_engine("none")  # one coordinate system, in inches
    ax = figure.add_axes((0, 0, 1, 1))
    _picture(ax, 0.36, MIDDLE, x[0, ..., 0], "$x$")
    _network(ax, "encoder", 0.82, 2.22, encoded[:-1], style.BLUE)
    _code(ax, encoded[-1][0])
    _network(ax, "decoder, generator $G$", 2.76, 4.2, decoded[:-1], style.GREEN)
    _picture(ax, 4.66, MIDDLE, decoded[-1][0, ..., 0], "$G(z)$")
    _network(ax, "discriminator", 5.1, 6.34, judged[:-1], style.ORANGE)
    _probabilities(ax, 6.46, np.asarray(jax.nn.softmax(judged[-1][0])))
    for start, end in ((0.66, 0.8), (2.1, 2.42), (2.58, 2.88), (4.2, 4.36), (4.96, 5.1), (6.22, 6.38)):
        _arrow(ax, (start, MIDDLE), (end, MIDDLE))
    _densities(ax, latent, label)
    _arrow(ax, (CODE, MIDDLE - 0.62), (CODE, LOWER + 0.46))
    ax.text(CODE - 0.06, LOWER + 0.68, "fit", ha="right", va="center")
    _arrow(ax, (2.95, LOWER + 0.25), (3.3, MIDDLE - 0.72))
    ax.text(3.22, LOWER + 0.45, "sample", ha="left", va="center")
    _arrow(ax, (3.85, MIDDLE - 0.72), (4.3, LOWER + 0.25))
    _generated(ax, decode(trained.decoder, latent.sample(key, label, GENERATED)), label)
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    ax.set_axis_off()
    return figure


def passed(network: Encoder | Decoder | Discriminator, x: np.ndarray) -> list[np.ndarray]:
    """What each layer gives for x, compiled as a whole."""
    form, weights = nnx.split(network)
    outputs = jax.jit(lambda weights, x: list(nnx.merge(form, weights).layers(x)))(weights, x)
    return [np.asarray(output) for output in outputs]


def _network(ax: Axes, name: str, left: float, right: float, layers: Sequence[np.ndarray], colour: str) -> None:
    """A row of layers: bodies as high as their images and as deep as they have channels, bars for vectors."""
    for centre, layer in zip(np.linspace(left + 0.22, right - 0.22, len(layers)), layers, strict=True):
        _, *shape = layer.shape
        if len(shape) == 3:
            _body(ax, centre, 0.026 * shape[0], 0.003 * shape[2], colour)
        else:
            ax.add_patch(Rectangle((centre - 0.035, MIDDLE - 0.4), 0.07, 0.8, **_look(colour)))
        ax.text(centre, MIDDLE - 0.47, _written(shape), ha="center", va="top", fontsize=5.5)
    ax.text((left + right) / 2, MIDDLE + 0.62, name, ha="center", color=colour, weight="bold")


def _written(shape: Sequence[int]) -> str:
    if len(shape) == 1:
        return str(shape[0])
    height, width, channels = shape
    return f"{height} × {width}\n× {channels}"


def _body(ax: Axes, centre: float, size: float, depth: float, colour: str) -> None:
    left, low = centre - (size + depth) / 2, MIDDLE - (size + depth) / 2
    right, top = left + size, low + size
    above = [(left, top), (left + depth, top + depth), (right + depth, top + depth), (right, top)]
    beside = [(right, low), (right, top), (right + depth, top + depth), (right + depth, low + depth)]
    ax.add_patch(Rectangle((left, low), size, size, **_look(colour)))
    for corners in (above, beside):
        ax.add_patch(Polygon(corners, closed=True, **_look(colour)))


def _look(colour: str) -> dict[str, Any]:
    return {"facecolor": colour + "40", "edgecolor": colour, "linewidth": 0.6}


def _picture(ax: Axes, x: float, y: float, image: np.ndarray, name: str, half: float = 0.28) -> None:
    extent = x - half, x + half, y - half, y + half
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1, extent=extent, zorder=2)
    ax.add_patch(Rectangle((x - half, y - half), 2 * half, 2 * half, fill=False, linewidth=0.6, zorder=3))
    ax.text(x, y - half - 0.05, name, ha="center", va="top")


def _code(ax: Axes, z: np.ndarray) -> None:
    """The code as a column of numbers, dark where they are high."""
    ax.imshow(z[:, None], cmap="PuOr", extent=(CODE - 0.05, CODE + 0.05, MIDDLE - 0.4, MIDDLE + 0.4), aspect="auto")
    ax.add_patch(Rectangle((CODE - 0.05, MIDDLE - 0.4), 0.1, 0.8, fill=False, linewidth=0.6))
    ax.text(CODE, MIDDLE - 0.47, str(z.size), ha="center", va="top", fontsize=5.5)
    ax.text(CODE, MIDDLE + 0.62, "code $z$", ha="center", weight="bold")


def _probabilities(ax: Axes, left: float, p: np.ndarray) -> None:
    """What the discriminator says: a bar for each digit, and for "generated"."""
    names = [*map(str, range(len(p) - 1)), "generated"]
    for y, name, share in zip(np.linspace(MIDDLE + 0.42, MIDDLE - 0.42, len(p)), names, p, strict=True):
        ax.add_patch(Rectangle((left + 0.08, y - 0.03), 0.5 * share, 0.06, color=style.ORANGE, linewidth=0))
        ax.text(left + 0.04, y, name if len(name) == 1 else "", ha="right", va="center", fontsize=5)
    ax.plot([left + 0.08, left + 0.08], [MIDDLE - 0.46, MIDDLE + 0.46], color=style.BLACK, linewidth=0.5)
    ax.text(left + 0.1, MIDDLE - 0.47, "generated", ha="left", va="top", fontsize=5)


def _densities(ax: Axes, latent: LatentMixture, label: int) -> None:
    """The mixtures of the first dimensions of one digit's codes."""
    marginals = latent.marginal(label)
    q = np.linspace(0.001, 0.999, 81, dtype=np.float32)[:, None]
    x = np.asarray(marginals.icdf(q))  # (81, D)
    density = np.asarray(marginals.prob(x))
    width = 0.42
    for j in range(DENSITIES):
        left = 0.3 + j * (width + 0.1)
        u = left + width * (x[:, j] - x[0, j]) / (x[-1, j] - x[0, j])
        v = LOWER - 0.15 + 0.42 * density[:, j] / density[:, j].max()
        ax.fill_between(u, LOWER - 0.15, v, color=style.BLUE, alpha=0.25, linewidth=0)
        ax.plot(u, v, color=style.BLUE, linewidth=0.9)
        ax.text(left + width / 2, LOWER - 0.19, f"$z_{{{j + 1}}}$", ha="center", va="top", fontsize=6)
    ax.text(0.3, LOWER + 0.36, f"latent mixture of digit {label}", ha="left", weight="bold")
    ax.text(0.35 + DENSITIES * (width + 0.1), LOWER, "…", ha="center", va="center")


def _generated(ax: Axes, images: np.ndarray, label: int) -> None:
    for i, image in enumerate(images):
        _picture(ax, 4.65 + 0.48 * i, LOWER, image, "", half=0.22)
    ax.text(4.65 - 0.22, LOWER + 0.36, f"generated images of digit {label}", ha="left", weight="bold")


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    look = {"arrowstyle": "-|>", "linewidth": 0.7, "color": style.BLACK, "mutation_scale": 7}
    ax.annotate("", end, start, arrowprops=look)
