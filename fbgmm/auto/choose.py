"""The choice of `fit(x)`: candidates of several kinds, cross-validated and averaged. The part that is compiled.

Each candidate is a mixture in the coordinate: of one width after few steps of EM (`candidates`), of all widths at once
(`all_widths`), or of a few free normal densities (`free_mixtures`). Each is fitted to four fifths of the counts and
scored on the last fifth, for all five; the free ones begin there from a fit to all, which flatters them a little.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import AnyArray, Array, Float
from ..compiling import quick_jit
from .all_widths import fit_scales
from .bins import spread, thin
from .coordinate import h_of
from .free_mixtures import Free, fit_free
from .free_mixtures import densities as free_densities
from .namespace import namespace
from .octaves import OCTAVES, SIGMAS, SIZES
from .one_width import FLOOR, Fitted, candidates, scores
from .read_sample import SampleFacts, centres, shares_of
from .report import LEAST_POINTS, NUMBERS, STEPS

# Set as those of `fbgmm.auto.read_sample`.

TEMPERATURE = 2.0
"""A candidate's weight is exp((score − COMPLEXITY · parameters)/TEMPERATURE): its score is itself an estimate. Halved
L1 .992, doubled 1.011; mean regret +.003 and −.003 nats."""

COMPLEXITY = 0.4
"""Nats for each effective parameter, beyond those that cross-validation takes: the best of many scores is flattered.
Halved L1 1.012, doubled 1.003, but one everyday sample of 58 missed."""

FAVOUR = 3.0 - 0.4 * np.array(NUMBERS * 2)
"""Added to the logarithm of the weight of each free mixture: where a few normal clumps explain the data, they do.
Halved L1 1.002, doubled 1.004."""


class Split(NamedTuple):
    """The counts of one data set, for cross-validation.

    Attributes:
        folds: counts of each fold, shape (folds, BINS).
        counts: their sum.
        log_h: log dx/du at the centres of the bins: scores are in the units of the data.
        mirror: at which ends the data are mirrored: 1 low, 2 high, 3 both.
        rule: logarithms of the weights of the candidates of one width where the points are too few to choose, of which
            one is not −∞; shape (octave, steps, width).
    """

    folds: Float[AnyArray, "*batch folds bins"]
    counts: Float[AnyArray, "*batch bins"]
    log_h: Float[AnyArray, "*batch bins"]
    mirror: AnyArray
    rule: AnyArray


class Chosen(NamedTuple):
    """The average, and how it came about.

    Attributes:
        p: masses of the components of all octaves and both widths, shape (2, row).
        free: the mixtures with free means and widths, fitted to all data.
        weight, scale_weight, free_weight: of the candidates, as `fbgmm.auto.report.Choice` has them.
        score, error: cross-validated mean log-likelihood of a point, and its standard error.
        parameters: by how much the likelihood of what was fitted exceeds the cross-validated one.
    """

    p: Array
    free: Free
    weight: Array
    scale_weight: Array
    free_weight: Array
    score: Array
    error: Array
    parameters: Array


def split(counts: Float[AnyArray, " bins"], found: SampleFacts, support: AnyArray) -> Split:
    """Draws the folds, in numpy or in JAX.

    Args:
        counts: of all the data, on the bins of the coordinate.
        support: at which ends of the range the support of the density ends: 1 low, 2 high, 3 both; −1: where the
            data say so.
    """
    xp = namespace(counts)
    both = spread(xp.concatenate([thin(counts), counts[None]]), found.resolved)
    mirror = xp.where(support < 0, found.mirror, support)
    log_h = xp.log(h_of(found.at, centres(counts)))
    return Split(both[:-1], both[-1], log_h, mirror, _silverman(shares_of(both[-1]), xp.sum(counts)))


class Begun(NamedTuple):
    """The candidates of one width, and what the others begin with.

    Attributes:
        shares: of the data in each bin, one row for each training part, the last for all data.
        fixed: the candidates.
        merit: their log weights, shape (octave, steps, width).
        pilot: the density of the best kernel estimate, shape (splits, BINS).
    """

    shares: Array
    fixed: Fitted
    merit: Array
    pilot: Array


def begin(data: Split) -> Begun:
    """The candidates of one width. Pure."""
    shares = shares_of(jnp.concatenate([data.counts[None] - data.folds, data.counts[None]]))
    fixed = candidates(shares, data.mirror)
    merit = _merit(fixed.density, data)
    octave, ratio = jnp.unravel_index(jnp.argmax(merit[:, 0]), (OCTAVES, 2))
    return Begun(shares, fixed, merit, fixed.density[octave, 0, ratio])


def average(data: Split, begun: Begun, scales: tuple[Array, Array]) -> Chosen:
    """All candidates, weighted by their merit. Pure.

    Args:
        scales: the mixtures of all widths, from `fit_scales`.
    """
    scale_p, scale_density = scales
    free = fit_free(begun.shares)
    more = jnp.concatenate([scale_density, free_densities(free)])
    more_merit = _merit(more, data).at[len(scale_p) :].add(jnp.asarray(FAVOUR, more.dtype))

    points = jnp.sum(data.counts)
    few = points < LEAST_POINTS
    merit = jnp.where(few, data.rule, begun.merit)
    flat = jax.nn.softmax(jnp.concatenate([merit.reshape(-1), jnp.where(few, -jnp.inf, more_merit)]))
    weight, other = flat[: merit.size].reshape(merit.shape), flat[merit.size :]
    scale_weight, free_weight = other[: len(scale_p)], other[len(scale_p) :]

    density = jnp.tensordot(weight, begun.fixed.density, 3) + jnp.tensordot(other, more, 1)
    shared = jnp.repeat(jnp.moveaxis(weight, 0, -1), SIZES, axis=-1, total_repeat_length=SIZES.sum())
    p = jnp.sum(shared * begun.fixed.p[:, :, -1], axis=0).at[0].add(scale_weight @ scale_p[:, -1])
    weights = jnp.swapaxes(weight, -1, -2), scale_weight, free_weight.reshape(2, -1)
    last = jax.tree.map(lambda a: a[-1:], free)
    return Chosen(p, last, *weights, *_quality(density, data, points))


def choose(data: Split) -> Chosen:
    """From counts to the weights of all candidates. Pure."""
    begun = begin(data)
    scales = fit_scales(begun.shares, begun.pilot, jnp.sum(data.counts), data.mirror)
    return average(data, begun, scales)


_begin, _average = quick_jit(begin), quick_jit(average)
_fit_scales = jax.jit(fit_scales)  # most of the time of a fit: worth all of XLA's passes


def choose_on_host(data: Split) -> Chosen:
    """As `choose`, for concrete arrays."""
    begun = _begin(data)
    return _average(data, begun, _fit_scales(begun.shares, begun.pilot, data.counts.sum(), data.mirror))


def _merit(density: Array, data: Split) -> Array:
    """Log-likelihood of each candidate in cross-validation, less a share of its effective parameters, tempered."""
    score = scores(density[..., :-1, :], data.folds)
    parameters = scores(density[..., -1:, :], data.counts[None]) - score
    return (score - COMPLEXITY * jnp.maximum(parameters, 0)) / TEMPERATURE


def _quality(density: Array, data: Split, points: Array) -> tuple[Array, Array, Array]:
    """Score of the average, its standard error, and the effective number of parameters."""
    logs = jnp.log((1 - FLOOR) * density + FLOOR)
    points = jnp.maximum(points, 1e-30)
    each = logs[:-1] - data.log_h[None]
    score = jnp.sum(data.folds * each) / points
    variance = jnp.sum(data.folds * jnp.square(each - score)) / points
    optimism = jnp.sum(data.counts * logs[-1]) - jnp.sum(data.folds * logs[:-1])
    return score, jnp.sqrt(variance / points), optimism


def _silverman(share: AnyArray, points: AnyArray) -> AnyArray:
    """A table with one candidate: the kernel density estimate whose width is next to Silverman's."""
    xp = namespace(share)
    below = xp.cumsum(share)
    q1, q3 = (xp.interp(xp.asarray(q, share.dtype), below, centres(share)) for q in (0.25, 0.75))
    width = xp.maximum((q3 - q1) / 1.34, 1e-3)
    target = 0.9 * width * xp.maximum(points, 1) ** -0.2
    distance = xp.abs(xp.log(xp.asarray(SIGMAS, share.dtype)) - xp.log(target))
    table = xp.where(distance == xp.min(distance), 0.0, -xp.inf).astype(share.dtype)
    return xp.stack([table, *[xp.full_like(table, -xp.inf)] * (len(STEPS) - 1)], axis=1)
