"""What `fit(x)` does: the data choose the coordinate, the widths and the smoothing.

    x ──sample──▶ coordinate ──bins──▶ counts ──thin──▶ folds ──▶ candidates ──cross-validation──▶ average ──▶ one basis

Each candidate is a mixture in the coordinate: of one width after few steps of EM (`candidates`), of all widths at once
(`all_widths`), or of a few free normal densities (`free_mixtures`). Each is fitted to four fifths of the counts and
scored on the last fifth, for all five; the free ones begin there from a fit to all, which flatters them a little. Their
average, weighted by the scores, stands on one fine basis, because a normal density of width σ is a smear of narrower
ones: N(mu, σ²) = N(mu, σ² − s²) ∗ N(0, s²). Beyond the data it goes on as their tails do (`tails`).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import Array, Bool, Float
from ..basis import Basis
from .all_widths import fit_scales
from .bins import bin_edges, count_sample, resolved, spread, thin
from .candidates import FLOOR, candidates, densities, every_width, scores
from .coordinate import GRADES, Coordinate, coordinate, h_of, x_of
from .free_mixtures import LEAST_OCTAVE, fit_free, on_bins
from .free_mixtures import densities as free_densities
from .octaves import BINS, OCTAVES, PER_BIN, SIGMAS, SIZES, blur, sum_finest
from .report import LEAST_POINTS, NUMBERS, STEPS, Choice
from .sample import Sample
from .tails import Tail, beyond, tails

COMPONENTS = 2 * BINS
"""Of the answer: the bins, and half as many cells again on either side, growing outwards."""

TEMPERATURE = 2.0
"""A candidate's weight is exp((score − COMPLEXITY · parameters)/TEMPERATURE): its score is itself an estimate."""

COMPLEXITY = 0.4
"""Nats for each effective parameter, beyond those that cross-validation takes: the best of many scores is flattered."""

FAVOUR = 3.0 - 0.4 * np.array(NUMBERS * 2)
"""Added to the logarithm of the weight of each free mixture: where a few normal clumps explain the data, they do."""

EDGE_EVIDENCE = 2.0
"""Nats of cross-validated likelihood that an edge must gain to be believed."""

BEND_EVIDENCE = 5.0, 0.02
"""Nats of cross-validated likelihood that a bent coordinate must gain over the linear one: so many, and so many for
each point."""

UNSEEN = 0.1
"""Mass in points, spread evenly in the coordinate: where no point was seen there may be one."""

MARGIN = BINS // 2
_EDGE_BINS = 8  # over which the height at an edge is taken


class Prepared(NamedTuple):
    """What is read from the sample of one data set.

    Attributes:
        at: the coordinate.
        edges: of the bins, in the units of the data, shape (BINS + 1,).
        resolved: which of them are not within the cell of a rounded value.
        lower, upper: the tails.
        ends: bins that hold the least and the greatest point.
        distinct: share of the points whose value is not that of another.
        bend: which of `fbgmm.auto.coordinate.GRADES`.
    """

    at: Coordinate
    edges: Float[Array, "*batch edges"]
    resolved: Bool[Array, "*batch edges"]
    lower: Tail
    upper: Tail
    distinct: Array
    bend: Array


def prepare(sample: Sample, low: Array, high: Array, given: Array, total: Array) -> Prepared:
    """The coordinate, by cross-validated kernel estimates of the sample in each, and the tails.

    Args:
        low, high: of the data, or given.
        given: which of them are given: 1 low, 2 high, 3 both.
        total: number of points of the data.
    """
    # A rounded value at the end of the range has a cell of its own, which reaches beyond.
    low = jnp.where(given % 2 == 1, low, low - sample.left[0])
    high = jnp.where(given // 2 == 1, high, high + sample.right[-1])
    grades = jnp.asarray(GRADES, low.dtype)
    ats = jax.vmap(lambda grade: coordinate(sample, low, high, grade))(grades)
    wanted = BEND_EVIDENCE[0] + BEND_EVIDENCE[1] * jnp.sum(sample.w)
    evidence = jax.vmap(lambda at: _evidence(sample, at))(ats) - jnp.arange(len(GRADES)) * wanted
    bend = jnp.argmax(evidence)
    at = jax.tree.map(lambda a: a[bend], ats)
    edges = bin_edges(at)
    least = edges[1] - edges[0], edges[-1] - edges[-2]
    lower, upper = tails(sample, total, least)
    distinct = 1 - jnp.sum(sample.tied * (sample.w > 0)) / jnp.maximum(jnp.sum(sample.w > 0), 1)
    return Prepared(at, edges, resolved(edges, sample), lower, upper, distinct, bend)


def _evidence(sample: Sample, at: Coordinate) -> Array:
    """Cross-validated log-likelihood of kernel estimates in a coordinate, in the units of the data."""
    edges = bin_edges(at)
    counts = count_sample(edges, sample)
    seen = resolved(edges, sample)
    folds = spread(thin(counts), seen)
    total = spread(counts, seen)
    shares = _shares(total[None] - folds)
    score = scores(densities(every_width(shares), jnp.asarray(3)), folds)
    return jax.nn.logsumexp(score) - jnp.sum(total * jnp.log(h_of(at, _centres(total))))


def _shares(counts: Array) -> Array:
    return counts / jnp.maximum(jnp.sum(counts, axis=-1, keepdims=True), 1e-30)


def _centres(like: Array) -> Array:
    return (jnp.arange(BINS, dtype=like.dtype) + 0.5) / BINS


def choose(counts: Float[Array, " bins"], found: Prepared, support: Array) -> tuple[Basis, Float[Array, " n"], Choice]:
    """From counts on the bins of a coordinate to the answer's basis and weights, and how they were chosen. Pure.

    Args:
        counts: of all the data.
        support: at which ends of the range the support of the density ends: 1 low, 2 high, 3 both; −1: where the
            data say so.
    """
    points = jnp.sum(counts)
    folds = spread(thin(counts), found.resolved)
    counts = spread(counts, found.resolved)
    training = jnp.concatenate([counts[None] - folds, counts[None]])
    shares = _shares(training)
    mirror = jnp.where(support < 0, _mirror(shares[:-1], folds), support)

    def merit(density: Array) -> Array:
        score = scores(density[..., :-1, :], folds)
        parameters = scores(density[..., -1:, :], counts[None]) - score
        return (score - COMPLEXITY * jnp.maximum(parameters, 0)) / TEMPERATURE

    fixed = candidates(shares, mirror)
    fixed_merit = merit(fixed.density)
    octave, ratio = jnp.unravel_index(jnp.argmax(fixed_merit[:, 0]), (OCTAVES, 2))
    pilot = fixed.density[octave, 0, ratio]
    scales, scale_density = fit_scales(shares, pilot, points, mirror, jnp.ones(OCTAVES, bool))
    free = fit_free(shares)
    free_density = free_densities(free)
    free_merit = merit(free_density) + jnp.asarray(FAVOUR, shares.dtype)

    few = points < LEAST_POINTS
    fixed_merit = jnp.where(few, _silverman(shares[-1], points), fixed_merit)
    other_merit = jnp.where(few, -jnp.inf, jnp.concatenate([merit(scale_density), free_merit]))
    flat = jax.nn.softmax(jnp.concatenate([fixed_merit.reshape(-1), other_merit]))
    weight, scale_weight, free_weight = jnp.split(flat, [fixed_merit.size, fixed_merit.size + len(scale_density)])
    weight = weight.reshape(fixed_merit.shape)

    g = jnp.einsum("otk,otksb->sb", weight, fixed.density)
    g = g + jnp.einsum("n,nsb->sb", scale_weight, scale_density) + jnp.einsum("n,nsb->sb", free_weight, free_density)
    logs = jnp.log((1 - FLOOR) * g + FLOOR)
    slopes = -jnp.log(h_of(found.at, _centres(counts)))[None]  # scores in the units of the data
    points_ = jnp.maximum(points, 1e-30)
    score = jnp.sum(folds * (logs[:-1] + slopes)) / points_
    variance = jnp.sum(folds * jnp.square(logs[:-1] + slopes - score)) / points_
    optimism = jnp.sum(counts * logs[-1]) - jnp.sum(folds * logs[:-1])

    shared = jnp.repeat(jnp.moveaxis(weight, 0, -1), SIZES, axis=-1, total_repeat_length=SIZES.sum())
    p = jnp.sum(shared * fixed.p[:, :, -1], axis=0).at[0].add(scale_weight @ scales[:, -1])
    masses = _on_bins(p, mirror) + on_bins(free, free_weight, 1 / BINS)
    basis, pi = _answer(masses, _with_edges(found, masses, mirror), support, points)
    weights = jnp.swapaxes(weight, -1, -2), scale_weight, free_weight.reshape(2, -1)
    shapes = jnp.stack([found.lower.shape, found.upper.shape])
    error = jnp.sqrt(variance / points_)
    bend = jnp.asarray(GRADES, shares.dtype)[found.bend]
    return basis, pi, Choice(*weights, mirror, bend, shapes, points, score, error, optimism, found.distinct)


def _mirror(shares: Array, folds: Array) -> Array:
    """The ends at which mirrored kernel density estimates score better than plain ones."""
    p = every_width(shares)

    def best(mirror: Array) -> Array:
        return jax.nn.logsumexp(scores(densities(p, mirror)[:, 1], folds))

    evidence = jax.lax.map(best, jnp.arange(4)) - EDGE_EVIDENCE * jnp.array([0, 1, 1, 2])
    return jnp.argmax(evidence).astype(jnp.int32)


def _silverman(share: Array, points: Array) -> Array:
    """A table with one candidate: the kernel density estimate whose width is next to Silverman's."""
    below = jnp.cumsum(share)
    q1, q3 = (jnp.interp(jnp.asarray(q, share.dtype), below, _centres(share)) for q in (0.25, 0.75))
    width = jnp.maximum((q3 - q1) / 1.34, 1e-3)
    target = 0.9 * width * jnp.maximum(points, 1) ** -0.2
    distance = jnp.abs(jnp.log(jnp.asarray(SIGMAS, target.dtype)) - jnp.log(target))
    table = jnp.where(distance == jnp.min(distance), 0.0, -jnp.inf)
    return jnp.stack([table, *[jnp.full_like(table, -jnp.inf)] * (len(STEPS) - 1)], axis=1)


def _on_bins(p: Array, mirror: Array) -> Array:
    """The masses p of all octaves and both widths, each blurred but for a bin's width, on the finest bins."""
    blurred = jnp.sum(blur(p[:, None], mirror, less=1.0), axis=(0, 1))
    return sum_finest(blurred * jnp.asarray(PER_BIN / BINS, p.dtype))


def answer_basis(at: Coordinate) -> Basis:
    """Cells of equal width in the coordinate, and components as wide as they are."""
    dtype = at.x.dtype
    edges = x_of(at, (jnp.arange(COMPONENTS + 1, dtype=dtype) - MARGIN) / BINS)
    u = (jnp.arange(COMPONENTS, dtype=dtype) + 0.5 - MARGIN) / BINS
    mu, r = x_of(at, u), jnp.diff(edges)
    return Basis(edges[0], edges[-1], r, h_of(at, u) / BINS, COMPONENTS, 1, mu, edges)


def _with_edges(found: Prepared, masses: Array, mirror: Array) -> Prepared:
    """The tails, short ones at mirrored ends: with the density at height f there, the mass 1/N reaches about 1/(N f)."""
    total = jnp.sum(masses)
    low_width, high_width = found.edges[_EDGE_BINS] - found.edges[0], found.edges[-1] - found.edges[-1 - _EDGE_BINS]

    def edge(tail: Tail, share: Array, width: Array, wanted: Array) -> Tail:
        return tail._replace(edge=jnp.where(wanted, tail.mass * width * total / jnp.maximum(share, 1e-30), jnp.inf))

    lower = edge(found.lower, jnp.sum(masses[:_EDGE_BINS]), low_width, mirror % 2 == 1)
    upper = edge(found.upper, jnp.sum(masses[-_EDGE_BINS:]), high_width, mirror // 2 == 1)
    return found._replace(lower=lower, upper=upper)


def _answer(masses: Array, found: Prepared, support: Array, points: Array) -> tuple[Basis, Array]:
    """The answer: masses on the bins, thinly spread ones where nothing was seen, and the tails beyond the data."""
    basis = answer_basis(found.at)
    none_low, none_high = support % 2 == 1, support // 2 == 1  # −1: both
    none_low, none_high = (support > 0) & none_low, (support > 0) & none_high
    high_side = jnp.where(none_high, 0, beyond(found.upper, basis.edges))
    low_side = jnp.where(none_low, 0, beyond(found.lower, -basis.edges))
    cells = jnp.arange(COMPONENTS)
    mu = basis.mu
    above, below = mu > found.upper.start, -mu > found.lower.start
    inside = (cells >= MARGIN) & (cells < MARGIN + BINS)
    body = jnp.pad(masses, (MARGIN, MARGIN))
    body = jnp.where((above & ~none_high) | (below & ~none_low) | ~inside, 0, jnp.maximum(body, 0))
    tail = jnp.where(above, high_side[:-1] - high_side[1:], 0) + jnp.where(below, low_side[1:] - low_side[:-1], 0)
    unseen = UNSEEN / (points + 1)
    rest = 1 - jnp.sum(tail) - unseen
    pi = rest * body / jnp.maximum(jnp.sum(body), 1e-30) + tail + unseen * jnp.where(inside, 1 / BINS, 0)
    return basis, pi / jnp.sum(pi)
