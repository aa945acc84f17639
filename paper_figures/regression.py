"""Figures of the introduction's idea, a network whose output is a density: an inverse problem, fans, calibration.

Networks are trained as `python -m benchmarks regression` does, in the same folders: what it has trained is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.regression.report import HETERO, MDN, RESIDUAL
from benchmarks.regression.training import VARIANTS, Case, Plan, Variant, case_of, folder_of, train_variant
from fbgmm.nn.conditional.component_count import components_for
from fbgmm.nn.conditional.density import Density
from fbgmm.nn.conditional.heads import DensityHead
from fbgmm.nn.conditional.training import Splits, TrainingSettings, Trials
from fbgmm.nn.train.progress import Progress

from . import style
from .request import Request, RequestError

INVERSE = {"normal density": HETERO, "mixture density network": MDN}
FANNED = {"boston": "Boston housing", "concrete": "concrete strength"}
JUDGED = {"normal density": HETERO, "mixture density network": MDN, "fixed basis, residual": RESIDUAL}
POINTS, RIDGES = 1000, 13
LEVELS = (0.95, 0.8, 0.5)
COLOURS = {0.95: "#C6DBEF", 0.8: "#85B8DA", 0.5: "#3A82B5"}
BINS = 10


def draw(request: Request, out: Path, progress: Progress) -> Iterator[tuple[str, Figure]]:
    """Names and figures.

    Raises:
        RequestError: the folder holds another training.
        OSError: the UCI sets cannot be read.
    """
    folder = request.kept(folder_of, out)
    try:
        yield "regression_inverse", draw_inverse(*inverse(request, folder, progress))
        sets = {name: predicted(name, request, folder, progress) for name in FANNED}
    except ValueError as error:
        raise RequestError(str(error)) from error
    yield "regression_fans", draw_fans({FANNED[name]: found[RESIDUAL][0] for name, found in sets.items()})
    judged = {
        (title, FANNED[name]): np.concatenate([np.asarray(density.cdf(y)) for density, y in found[method]])
        for title, method in JUDGED.items()
        for name, found in sets.items()
    }
    yield "regression_pit", draw_pit(judged)


def curve(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Bishop's (1994) inverse problem: x = t + 0.3 sin(2πt) + noise, and t is asked for; shapes (count,)."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 1, count)
    return t + 0.3 * np.sin(2 * np.pi * t) + rng.uniform(-0.1, 0.1, count), t


def inverse(
    request: Request, folder: Path, progress: Progress
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Density]]:
    """The points x and y, where the ridges stand, and the densities there by each method."""
    x, y = curve(request.seed, POINTS)
    rows = np.ones((1, POINTS))
    data = Splits(x[None, :, None], y[None], rows, (np.arange(POINTS) % 10)[None])
    at = np.linspace(0.02, 0.98, RIDGES)
    case = Case(f"curve-seed{request.seed}", data, at[None, :, None], np.zeros((1, RIDGES)), np.array([RIDGES]))
    settings = TrainingSettings(60 if request.quick else 300, 50, checks=10)
    plan = Plan(settings, Trials.grid(2, rate=(0.02,), decay=(1e-3,)), 2, 50)
    fixed_basis = Variant(partial(DensityHead.from_targets, n=components_for(y), learn_sigma=True))
    variants = {**{title: VARIANTS[name] for title, name in INVERSE.items()}, "fixed basis": fixed_basis}
    found = {}
    for title, variant in variants.items():
        trained = train_variant(case, plan, title, variant, folder, progress)
        found[title] = _of_split(trained.predict(case.x, trained.best(2)), 0)
    return x, y, at, found


def predicted(
    name: str, request: Request, folder: Path, progress: Progress
) -> dict[str, list[tuple[Density, np.ndarray]]]:
    """For each method the ensemble's densities of the test targets, and these, for each split."""
    case, plan = case_of(name, request.quick)
    found = {}
    for method in JUDGED.values():
        trained = train_variant(case, plan, method, VARIANTS[method], folder, progress)
        densities = trained.predict(case.x, trained.best(plan.members))
        found[method] = [(_of_split(densities, s), case.y[s].astype(np.float32)) for s in range(len(case.y))]
    return found


def _of_split(densities: Density, split: int) -> Density:
    return jax.tree.map(lambda leaf: leaf[split], densities).pooled(0)


def draw_inverse(x: np.ndarray, y: np.ndarray, at: np.ndarray, densities: Mapping[str, Density]) -> Figure:
    """The data, and at some x the density of y as a ridge, each at its own scale; one panel for each method.

    Args:
        x, y: the data, shape (N,).
        at: where the ridges stand, shape (R,).
        densities: name of a method → densities there, batch shape (R,).
    """
    figure = style.new_figure(style.PAGE, 2.6)
    panels = figure.subplots(1, len(densities), sharey=True)
    grid = np.linspace(-0.2, 1.2, 400)
    step = at[1] - at[0]
    for ax, (name, density) in zip(panels, densities.items(), strict=True):
        ax.plot(x, y, ".", color=style.GREY, markersize=1.5, alpha=0.35, rasterized=True)
        values = np.asarray(density.prob(grid[:, None].astype(np.float32)), np.float64)
        for place, ridge in zip(at, values.T, strict=True):
            # Each at its own scale: densities at the ends are ten times as high as in the middle.
            edge = place + 0.9 * step * ridge / ridge.max()
            shown = ridge > 0.01 * ridge.max()
            ax.fill_betweenx(grid, place, edge, where=shown, color=style.BLUE, alpha=0.4, linewidth=0)
            ax.plot(edge, np.where(shown, grid, np.nan), color=style.BLUE, linewidth=0.8)
        ax.set_title(name, loc="left")
        ax.set_xlabel("x")
        ax.set_ylim(-0.2, 1.2)
    panels[0].set_ylabel("y")
    return figure


def draw_fans(sets: Mapping[str, tuple[Density, np.ndarray]]) -> Figure:
    """Central intervals of the test targets, in the order of the predicted medians, and the targets.

    Args:
        sets: name → densities of batch shape (P,) and targets (P,).
    """
    figure = style.new_figure(style.PAGE, 2.7)
    panels = figure.subplots(1, len(sets))
    for ax, (name, (density, y)) in zip(panels, sets.items(), strict=True):
        median = np.asarray(density.icdf(0.5))
        order = np.argsort(median)
        rank = np.arange(len(y))
        for level in LEVELS:
            low, high = (np.asarray(end)[order] for end in density.interval(level))
            label = f"{100 * level:.0f} %"
            ax.fill_between(rank, low, high, step="mid", color=COLOURS[level], linewidth=0, label=label)
        ax.step(rank, median[order], where="mid", color=style.BLACK, linewidth=0.9, label="median")
        ax.plot(rank, y[order], "o", color=style.ORANGE, markersize=2.6, label="test target")
        ax.set_title(name, loc="left")
        ax.set_xlabel("test examples by predicted median")
        ax.set_ylabel("y")
    style.legend_above(figure, panels[0], columns=5)
    return figure


def draw_pit(judged: Mapping[tuple[str, str], np.ndarray]) -> Figure:
    """Histograms of the probability integral transforms of test targets; even where the densities are right.

    Args:
        judged: method and set → transforms.
    """
    methods, sets = (list(dict.fromkeys(key[i] for key in judged)) for i in (0, 1))
    figure = style.new_figure(style.PAGE, 0.4 + 1.5 * len(sets))
    panels = figure.subplots(len(sets), len(methods), sharex=True, sharey=True, squeeze=False)
    for (method, name), u in judged.items():
        ax: Axes = panels[sets.index(name), methods.index(method)]
        heights = np.full(len(u), BINS / len(u))
        ax.hist(u, BINS, range=(0, 1), weights=heights, color=COLOURS[0.8], edgecolor=style.BLUE, linewidth=0.7)
        spread = 1.96 * np.sqrt((BINS - 1) / len(u))  # of a bin's height, were all right
        ax.axhspan(1 - spread, 1 + spread, color=style.GREY, alpha=0.25, linewidth=0, zorder=0)
        ax.axhline(1, color=style.BLACK, linewidth=0.7)
    style.name_panels(panels[0], methods)
    for ax in panels[-1]:
        ax.set_xlabel("probability integral transform")
    for ax, name in zip(panels[:, 0], sets, strict=True):
        ax.set_ylabel(name)
    return figure
