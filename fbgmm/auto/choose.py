"""Model averaging of `fit(x)`: candidates of several kinds, cross-validated and averaged. The part that is compiled.

Each candidate is a mixture in the coordinate: of one width after few steps of EM (`one_width`), of all widths at once
(`all_widths`), or of a few normal densities with free means and widths (`free_mixtures`). Each is fitted to four fifths
of the counts and scored on the last fifth, for all five; the free ones begin there from a fit to all, which flatters
them a little.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import Array
from ..compiling import exact_products, quick_jit
from .all_widths import fit_all_widths
from .folded_counts import FoldedCounts
from .folds import FLOOR, scores
from .free_mixtures import FreeMixtures, fit_free_mixtures
from .free_mixtures import densities as free_densities
from .octaves import OCTAVES, SIZES
from .one_width import OneWidth, fit_one_width
from .read_sample import shares_of
from .report import LEAST_POINTS, NUMBERS

# The constants were set as those of `fbgmm.auto.read_sample`.

TEMPERATURE = 2.0
"""A candidate's weight is exp((score − COMPLEXITY · parameters)/TEMPERATURE): its score is itself an estimate. Halved
L1 .992, doubled 1.011; mean regret +.003 and −.003 nats."""

COMPLEXITY = 0.4
"""Nats for each effective parameter, beyond those that cross-validation takes: the best of many scores is flattered.
Halved L1 1.012, doubled 1.003, but one everyday sample of 58 missed."""

FAVOUR = 3.0 - 0.4 * np.array(NUMBERS * 2)
"""Added to the logarithm of the weight of each free mixture: where a few normal clumps explain the data, they do.
Halved L1 1.002, doubled 1.004."""


class Chosen(NamedTuple):
    """The average, and how it came about.

    Attributes:
        p: masses of the components of all octaves and both widths, shape (2, row).
        free_mixtures: those with free means and widths, fitted to all data.
        weight, scale_weight, free_weight: of the candidates, as `fbgmm.auto.report.Choice` has them.
        score, error: cross-validated mean log-likelihood of a point, and its standard error.
        parameters: by how much the likelihood of what was fitted exceeds the cross-validated one.
    """

    p: Array
    free_mixtures: FreeMixtures
    weight: Array
    scale_weight: Array
    free_weight: Array
    score: Array
    error: Array
    parameters: Array


class FirstCandidates(NamedTuple):
    """The candidates of one width, and what the others begin with.

    Attributes:
        shares: of the data in each bin, one row for each training part, the last for all data.
        one_width: the candidates.
        merit: their log weights, shape (octave, steps, width).
        pilot: the density of the best kernel estimate, shape (splits, BINS).
    """

    shares: Array
    one_width: OneWidth
    merit: Array
    pilot: Array


def first_candidates(data: FoldedCounts) -> FirstCandidates:
    """The candidates of one width. Pure."""
    shares = shares_of(jnp.concatenate([data.counts[None] - data.folds, data.counts[None]]))
    one_width = fit_one_width(shares, data.mirror)
    merit = _merit(one_width.density, data)
    octave, ratio = jnp.unravel_index(jnp.argmax(merit[:, 0]), (OCTAVES, 2))
    return FirstCandidates(shares, one_width, merit, one_width.density[octave, 0, ratio])


def average(data: FoldedCounts, first: FirstCandidates, all_widths: tuple[Array, Array]) -> Chosen:
    """All candidates, weighted by their merit. Pure.

    Args:
        all_widths: the mixtures of all widths, from `fit_all_widths`.
    """
    wide_p, wide_density = all_widths
    free = fit_free_mixtures(first.shares)
    others = jnp.concatenate([wide_density, free_densities(free)])
    others_merit = _merit(others, data).at[len(wide_p) :].add(jnp.asarray(FAVOUR, others.dtype))

    points = jnp.sum(data.counts)
    few = points < LEAST_POINTS
    merit = jnp.where(few, data.rule, first.merit)
    flat = jax.nn.softmax(jnp.concatenate([merit.reshape(-1), jnp.where(few, -jnp.inf, others_merit)]))
    weight, other = flat[: merit.size].reshape(merit.shape), flat[merit.size :]
    scale_weight, free_weight = other[: len(wide_p)], other[len(wide_p) :]

    density = jnp.tensordot(weight, first.one_width.density, 3) + jnp.tensordot(other, others, 1)
    shared = jnp.repeat(jnp.moveaxis(weight, 0, -1), SIZES, axis=-1, total_repeat_length=SIZES.sum())
    p = jnp.sum(shared * first.one_width.p[:, :, -1], axis=0).at[0].add(scale_weight @ wide_p[:, -1])
    weights = jnp.swapaxes(weight, -1, -2), scale_weight, free_weight.reshape(2, -1)
    last = jax.tree.map(lambda a: a[-1:], free)
    return Chosen(p, last, *weights, *_quality(density, data, points))


def choose(data: FoldedCounts) -> Chosen:
    """From counts to the weights of all candidates. Pure."""
    first = first_candidates(data)
    all_widths = fit_all_widths(first.shares, first.pilot, jnp.sum(data.counts), data.mirror)
    return average(data, first, all_widths)


_first_candidates, _average = quick_jit(exact_products(first_candidates)), quick_jit(exact_products(average))
_fit_all_widths = jax.jit(exact_products(fit_all_widths))  # most of the time of a fit: worth all of XLA's passes


def choose_on_host(data: FoldedCounts) -> Chosen:
    """As `choose`, for concrete arrays."""
    first = _first_candidates(data)
    return _average(data, first, _fit_all_widths(first.shares, first.pilot, data.counts.sum(), data.mirror))


def _merit(density: Array, data: FoldedCounts) -> Array:
    """Log-likelihood of each candidate in cross-validation, less a share of its effective parameters, tempered."""
    score = scores(density[..., :-1, :], data.folds)
    parameters = scores(density[..., -1:, :], data.counts[None]) - score
    return (score - COMPLEXITY * jnp.maximum(parameters, 0)) / TEMPERATURE


def _quality(density: Array, data: FoldedCounts, points: Array) -> tuple[Array, Array, Array]:
    """Score of the average, its standard error, and the effective number of parameters."""
    logs = jnp.log((1 - FLOOR) * density + FLOOR)
    points = jnp.maximum(points, 1e-30)
    each = logs[:-1] - data.log_h[None]
    score = jnp.sum(data.folds * each) / points
    variance = jnp.sum(data.folds * jnp.square(each - score)) / points
    optimism = jnp.sum(data.counts * logs[-1]) - jnp.sum(data.folds * logs[:-1])
    return score, jnp.sqrt(variance / points), optimism
