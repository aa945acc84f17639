"""The report of `fit(x)`: what it found out about the data, and which candidates carried the weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._typing import Array
from ..basis import Basis
from .octaves import SIGMAS

STEPS = (0, 8)
"""Steps of EM after which a candidate of one width stops."""

ALL_WIDTHS_STEPS = (12, 32, 80)
"""Steps after which the mixture of all widths stops (`fbgmm.auto.all_widths`)."""

NUMBERS = (1, 2, 3, 4, 6, 8)
"""Components of the mixtures with free means and widths, each fitted from two starts (`fbgmm.auto.free_mixtures`)."""

MIRRORS = ("none", "the left end", "the right end", "both ends")


class Choice(NamedTuple):
    """Leaves share the mixture's batch shape.

    Attributes:
        weight: of each candidate in the answer, shape (*batch, octave, width, steps): the widths of
            `fbgmm.auto.octaves`, in units of the range of the data, and the steps of EM.
        scale_weight: of the mixture of all widths after each number of steps (`fbgmm.auto.all_widths`), shape
            (*batch, stops).
        free_weight: of the mixtures with free means and widths (`fbgmm.auto.free_mixtures`), shape
            (*batch, starts, numbers).
        mirror: at which ends of the range mirrored data predict better, as where a density ends at its full height:
            1 left, 2 right, 3 both.
        bend: how far the coordinate follows the data's own scales (`fbgmm.auto.coordinate`); 0: linear.
        shape: of the tails below and above (`fbgmm.auto.tails`), shape (*batch, 2): 0 exponential, above 0 the density
            falls like the power −1/shape − 1.
        points: sum of the data weights.
        score: cross-validated mean log-likelihood of a point, in nats, of the candidates together.
        score_error: its standard error.
        parameters: effective number of parameters: by how much the likelihood of the data that were fitted exceeds
            the cross-validated one, in nats.
        distinct: share of different values among the data.
        misfit: greatest difference of the distribution functions of the fit and of the data, between their values.
        allowed: how much of it is no reason for `Status.MISFIT`.
    """

    weight: Array
    scale_weight: Array
    free_weight: Array
    mirror: Array
    bend: Array
    shape: Array
    points: Array
    score: Array
    score_error: Array
    parameters: Array
    distinct: Array
    misfit: Array
    allowed: Array


def report(choice: Choice, basis: Basis) -> str:
    """The choice in words, for one mixture."""
    weight = np.asarray(choice.weight, np.float64)
    edges, quarter = np.asarray(basis.edges, np.float64), basis.capacity // 4
    width = edges[3 * quarter] - edges[quarter]  # of the data: the inner half of the cells
    points = float(choice.points)
    lines = [
        f"fbgmm chose by itself for {float(choice.points):g} points",
        f"  answer: n = {basis.capacity}, sigma = {float(np.min(basis.sigma)):.4g} … {float(np.max(basis.sigma)):.4g}",
        f"  beyond the data: {_tail(choice, 0, points)} below, {_tail(choice, 1, points)} above",
        f"  cross-validated log-likelihood: {float(choice.score):.4f} ± {float(choice.score_error):.4f} nats a point",
        f"  effective number of parameters: {float(choice.parameters):.1f}",
        "  candidates that carried the weight (sigma in units of the data, share):",
    ]
    for octave, ratio, step in sorted(np.ndindex(weight.shape), key=lambda index: -weight[index])[:6]:
        if weight[octave, ratio, step] < 0.01:
            break
        sigma = float(SIGMAS[octave, ratio])
        equal = f"n = {round(2 / sigma)} at t = 2"
        lines.append(
            f"    sigma = {sigma * width:.4g} ({equal}), {STEPS[step]} steps of EM: {weight[octave, ratio, step]:.0%}"
        )
    for step, share in zip(ALL_WIDTHS_STEPS, np.asarray(choice.scale_weight, np.float64), strict=True):
        if share >= 0.01:
            lines.append(f"    all widths at once, {step} steps: {share:.0%}")
    for number, share in zip(NUMBERS, np.asarray(choice.free_weight, np.float64).sum(axis=0), strict=True):
        if share >= 0.01:
            lines.append(f"    {number} normal densities with free means and widths: {share:.0%}")
    lines += [f"  warning: {text}" for text in warnings(choice)]
    return "\n".join(lines)


def _tail(choice: Choice, end: int, points: float) -> str:
    shape = float(np.asarray(choice.shape)[end])
    law = "exponential" if shape < 0.02 else f"like x^-{1 / shape + 1:.1f}"
    return f"1/{points + 1:g} of the mass, {law}"


def warnings(choice: Choice) -> list[str]:
    """What a user should know about the data; empty if nothing."""
    found = []
    if float(choice.misfit) > float(choice.allowed):
        found.append(
            f"MISFIT: between the data's values the distribution function is off by up to {float(choice.misfit):.3f} "
            f"(allowed: {float(choice.allowed):.3f})"
        )
    if float(choice.bend) > 0:
        found.append("several scales or heavy tails: the widths of the components follow the data's own spacing")
    if float(choice.distinct) < 0.9:
        found.append(
            f"ties or rounded data: only {float(choice.distinct):.0%} of the values differ from their neighbours"
        )
    if int(choice.mirror):
        found.append(
            f"an edge, or a tail too short to tell: mirrored data predict better at {MIRRORS[int(choice.mirror)]}"
        )
    if float(choice.points) < LEAST_POINTS:
        found.append(f"fewer than {LEAST_POINTS} points: no cross-validation, sigma by Silverman's rule")
    return found


LEAST_POINTS = 20
"""Points below which folds say nothing."""
