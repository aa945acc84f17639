"""Figures 3 to 7: target densities, the mixture before learning, and what both algorithms learn (section 3.1).

The paper's targets are not known. Those drawn are of its two families, of seeds chosen for legibility: several peaks,
visible edges of the uniform components, and no Student-t component so heavy-tailed that one far point stretches the
range. The tables average over all seeds. The paper does not name the σ of these figures either; here it is 2r.
"""

from __future__ import annotations

from functools import partial

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

import fbgmm
from benchmarks.paper.targets import Family, Target

from .. import style
from ..request import Drawing, Request
from .shown import density, draws, loss, shown_target

N, T, DATA_SIZE = 200, 2.0, 5000
ALGORITHMS = (1, 2)
POINTS = 1201  # of a drawn curve

Seed = tuple[Family, int]
"""A family and the seed of one of its targets."""

PAIR: tuple[Seed, Seed] = (("normal", 23), ("mixed", 33))
"""Target distributions 1 and 2 of Figures 3 to 6."""

EXAMPLES: tuple[Seed, ...] = (
    ("normal", 10),
    ("normal", 13),
    ("normal", 20),
    ("mixed", 8),
    ("mixed", 25),
    ("mixed", 41),
)
"""The targets of Figure 7."""

FAMILY_NAMES: dict[Family, str] = {"normal": "8 Normal components", "mixed": "Normal, Student-t, Uniform"}


def target_of(seed: Seed) -> Target:
    return shown_target(*seed)


def sample_of(seed: Seed, request: Request) -> jax.Array:
    """The data set that a figure's mixtures are learned from, shape (DATA_SIZE,)."""
    return draws(target_of(seed), request.seed, seed[1], (DATA_SIZE,))


def learned(seed: Seed, request: Request) -> dict[int, fbgmm.Mixture]:
    """The mixtures that Algorithms 1 and 2 learn from the same data."""
    x = sample_of(seed, request)
    return {algorithm: fbgmm.fit(x, n=N, t=T, algorithm=algorithm) for algorithm in ALGORITHMS}


def shown_range(target: Target) -> np.ndarray:
    """Where a target has all but a thousandth of its probability at either end, shape (POINTS,)."""
    x = np.linspace(-40, 40, POINTS)
    heap = np.cumsum(density(target, x))
    low, high = np.interp([1e-3, 1 - 1e-3], heap / heap[-1], x)
    return np.linspace(low - 0.5, high + 0.5, POINTS)


def draw_targets(request: Request) -> Figure:
    """Figure 3. The two targets of Figures 5 and 6."""
    figure = style.new_figure(style.COLUMN, 3.2)
    panels = figure.subplots(2)
    for ax, seed in zip(panels, PAIR, strict=True):
        target = target_of(seed)
        x = shown_range(target)
        ax.plot(x, density(target, x), **style.TARGET | {"linewidth": 1.4, "alpha": 1})
        _density_axes(ax)
    style.name_panels(panels, [f"Target {i}: {FAMILY_NAMES[family]}" for i, (family, _) in enumerate(PAIR, start=1)])
    panels[-1].set_xlabel("$x$")
    return figure


def draw_initial(request: Request) -> Figure:
    """Figure 4. The mixture with equal weights on the basis of target 1's data, and its components."""
    basis = fbgmm.init_basis_from(sample_of(PAIR[0], request), n=N, t=T)
    gmm = fbgmm.Mixture(basis, fbgmm.init_pi(basis))
    low, high, sigma = (float(value) for value in (basis.low, basis.high, basis.sigma))
    x = np.linspace(low - 4 * sigma, high + 4 * sigma, POINTS)
    z = np.linspace(-4, 4, 81)
    bell = np.exp(-(z**2) / 2) / (np.sqrt(2 * np.pi) * sigma * N)
    curves = [np.column_stack([mu + sigma * z, bell]) for mu in np.asarray(basis.mu)]
    figure = style.new_figure(style.COLUMN, 2.1)
    ax = figure.subplots()
    ax.plot(x, density(gmm, x), color=style.BLUE, linewidth=1.4, label=r"mixture $g$, every $\pi_i = 1/n$")
    ax.add_collection(LineCollection(curves, colors=style.GREY, linewidths=0.25))
    ax.plot(*curves[N // 2].T, color=style.ORANGE, linewidth=1.2, label=r"one component $\pi_i\phi_i$")
    ax.plot([], [], color=style.GREY, linewidth=0.5, label=f"all {N}")
    _density_axes(ax)
    ax.set_xlabel("$x$")
    ax.legend(loc="center")  # between the components and the mixture, where nothing is
    return figure


def draw_comparison(request: Request, number: int) -> Figure:
    """Figures 5 and 6. Target 1 or 2, both estimates, and below what each estimate is off by."""
    seed = PAIR[number - 1]
    target, gmms = target_of(seed), learned(seed, request)
    x = shown_range(target)
    f = density(target, x)
    figure = style.new_figure(style.COLUMN, 3.4)
    upper, lower = figure.subplots(2, height_ratios=(2.6, 1), sharex=True)
    _draw_fits(upper, x, target, gmms)
    for algorithm, gmm in gmms.items():
        lower.plot(x, density(gmm, x) - f, **style.ESTIMATE[algorithm])
    lower.axhline(0, color=style.GREEN, linewidth=0.8)
    lower.set_ylabel("$g - f$")
    lower.set_xlabel("$x$")
    style.legend_above(figure, upper, columns=2)
    return figure


def draw_examples(request: Request) -> Figure:
    """Figure 7. Six more targets with both estimates."""
    figure = style.new_figure(style.PAGE, 3.8)
    panels = figure.subplots(2, 3)
    for number, (ax, seed) in enumerate(zip(panels.flat, EXAMPLES, strict=True), start=1):
        target, gmms = target_of(seed), learned(seed, request)
        losses = _draw_fits(ax, shown_range(target), target, gmms)
        ax.set_title(f"({number})  $L_1 = {losses[1]:.3f}$,  $L_2 = {losses[2]:.3f}$", loc="left")
        ax.set_ylabel("density" if number in (1, 4) else "")
    for ax in panels[-1]:
        ax.set_xlabel("$x$")
    names = "Algorithm 1, loss $L_1$", "Algorithm 2, loss $L_2$", "target"
    figure.legend(panels[0, 0].get_lines(), names, loc="outside upper center", ncols=3)
    return figure


def _draw_fits(ax: Axes, x: np.ndarray, target: Target, gmms: dict[int, fbgmm.Mixture]) -> dict[int, float]:
    """Target and estimates in one panel; returns the loss of each algorithm."""
    losses = {algorithm: loss(target, gmm) for algorithm, gmm in gmms.items()}
    for algorithm, gmm in gmms.items():
        label = f"Algorithm {algorithm}, $L = {losses[algorithm]:.3f}$"
        ax.plot(x, density(gmm, x), label=label, **style.ESTIMATE[algorithm])
    ax.plot(x, density(target, x), label="target", zorder=1, **style.TARGET)
    _density_axes(ax)
    return losses


def _density_axes(ax: Axes) -> None:
    ax.set_ylim(bottom=0)
    ax.set_ylabel("density")


FIGURES: dict[str, Drawing] = {
    "figure3": draw_targets,
    "figure4": draw_initial,
    "figure5": partial(draw_comparison, number=1),
    "figure6": partial(draw_comparison, number=2),
    "figure7": draw_examples,
}
