"""Figures 11, 12 and 13, drawn from a real run."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fbgmm.nn.data.images import crops, to_bytes
from fbgmm.nn.style.blending import blended, fit_blend
from fbgmm.nn.style.gram_matrices import STYLE_CHANNELS, STYLE_LAYERS, distinct, gram, unpack_all

from .. import style
from .images import Study

_SHOWN = 1  # layer whose Gram matrices Figure 12 shows: conv2_1, small enough to see its entries
_CROPS = 3  # of each style


def draw_grams(study: Study) -> Figure:
    """Figure 11. A picture, four feature maps of each of the five outputs, and their Gram matrices (Eq. 11)."""
    features = study.pictures.vgg(jnp.asarray(study.pictures.styles[1])[None])
    figure = style.new_figure(style.PAGE, 2.9)
    grid = figure.add_gridspec(2, 6)
    _picture(figure.add_subplot(grid[:, 0]), study.pictures.styles[1], "style image")
    for column, name in enumerate(STYLE_LAYERS, 1):
        maps = np.asarray(features[name])[0]
        H, W, C = maps.shape
        ax = figure.add_subplot(grid[0, column])
        _bare(ax, f"{name}\n{H} × {W} × {C}")
        ax.imshow(_strongest(maps), cmap="gray")
        ax = figure.add_subplot(grid[1, column])
        _bare(ax, f"Gram matrix\n{C} × {C}")
        _matrix(ax, np.asarray(gram(features[name]))[0])
    return figure


def draw_process(key: jax.Array, study: Study) -> Figure:
    """Figure 12. Crops of both styles, their Gram matrices, the mixture of an entry, a sampled matrix, an image."""
    plan = study.plan
    share = min(plan.shares, key=lambda each: abs(each - 0.4))  # one at which both styles are seen
    figure = style.new_figure(style.PAGE, 4.6)
    grid = figure.add_gridspec(3, 2 * _CROPS)
    keys = jax.random.split(jax.random.key(plan.seed), 3)[:2]  # those that the data set was made with
    for s in range(2):
        side = min(plan.size, *study.pictures.styles[s].shape[:2])
        for k, crop in enumerate(crops(keys[s], study.pictures.styles[s], side, plan.crops)[:_CROPS]):
            column = _CROPS * s + k
            _picture(figure.add_subplot(grid[0, column]), crop, f"crop of style {s + 1}")
            ax = figure.add_subplot(grid[1, column])
            _bare(ax, f"Gram, {STYLE_LAYERS[_SHOWN]}")
            matrices = unpack_all(jnp.asarray(study.pictures.grams[s][k : k + 1]), STYLE_CHANNELS)
            _matrix(ax, np.asarray(matrices[_SHOWN])[0])
    blend = fit_blend(*study.pictures.grams, share)
    _entry(figure.add_subplot(grid[2, :2]), study, blend.mixture.mixture, share)
    sampled = blend.mixture.sample(key, 1, plan.sampler)
    ax = figure.add_subplot(grid[2, 2])
    _bare(ax, "sampled Gram")
    _matrix(ax, np.asarray(sampled[_SHOWN])[0])
    _picture(figure.add_subplot(grid[2, 3]), study.pictures.target, "target")
    _picture(figure.add_subplot(grid[2, 4:]), study.images[share][0], f"image, style 2: {100 * share:g} %")
    return figure


def _entry(ax: Axes, study: Study, mixtures: Any, share: float) -> None:
    """The data of the entry in which the styles differ most, and its mixture."""
    first = sum(map(distinct, STYLE_CHANNELS[:_SHOWN]))
    part = slice(first, first + distinct(STYLE_CHANNELS[_SHOWN]))
    one, two = (grams[:, part] for grams in study.pictures.grams)
    spread = one.std(axis=0) + two.std(axis=0)
    e = first + int(np.argmax(np.abs(one.mean(axis=0) - two.mean(axis=0)) / np.where(spread > 0, spread, np.inf)))
    points, gmm = blended(*study.pictures.grams, share)[:, e], mixtures[e]
    ax.hist(points, bins=25, density=True, color=style.GREY, alpha=0.4, label=f"{len(points)} crops")
    margin = 3 * float(gmm.basis.sigma)
    x = np.linspace(points.min() - margin, points.max() + margin, 400).astype(points.dtype)
    ax.plot(x, np.asarray(gmm.prob(x)), label="mixture", **style.ESTIMATE[2])
    ax.set_title(f"one of {study.pictures.grams[0].shape[1]:,} entries", loc="left")
    ax.set_yticks([])
    ax.ticklabel_format(axis="x", scilimits=(-2, 3), useMathText=True)
    ax.legend()


def draw_blends(study: Study) -> Figure:
    """Figure 13. A row for each share, a column for each sample."""
    plan = study.plan
    H, W = study.pictures.target.shape[:2]
    cell = (style.PAGE - 0.4) / max(plan.samples, 4)
    figure = style.new_figure(
        max(style.COLUMN, 0.4 + plan.samples * cell), 0.55 + len(plan.shares) * (cell * H / W + 0.03)
    )
    axes = figure.subplots(len(plan.shares), plan.samples, squeeze=False)
    for row, share in zip(axes, plan.shares, strict=True):
        for ax, image in zip(row, study.images[share], strict=True):
            _picture(ax, image, "")
        row[0].set_ylabel(f"{100 * share:g} %")
    figure.suptitle(
        f"share of style 2; {W} × {H} pixels, {plan.steps} steps of L-BFGS\n"
        f"{plan.crops} crops of each style, Gram matrices by sampler “{plan.sampler}”",
        fontsize=8,
    )
    return figure


def _strongest(maps: np.ndarray) -> np.ndarray:
    """The four channels of largest mean, each scaled to its maximum, as 2 × 2."""
    four = maps[..., np.argsort(-maps.mean(axis=(0, 1)))[:4]]
    four = np.moveaxis(four / np.maximum(four.max(axis=(0, 1)), 1e-9), 2, 0)
    return np.block([[four[0], four[1]], [four[2], four[3]]])


def _matrix(ax: Axes, matrix: np.ndarray) -> None:
    """Signed fourth roots: entries of a Gram matrix differ by orders of magnitude."""
    roots = np.sign(matrix) * np.abs(matrix) ** 0.25
    top = np.abs(roots).max()
    ax.imshow(roots, cmap="RdBu_r", vmin=-top, vmax=top, interpolation="nearest")


def _picture(ax: Axes, image: np.ndarray, title: str) -> None:
    _bare(ax, title)
    ax.imshow(to_bytes(image))


def _bare(ax: Axes, title: str) -> None:
    ax.set_title(title, fontsize=7)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
