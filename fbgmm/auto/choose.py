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
from .bins import bin_edges, count_sample, heavy_bins, resolved, spread, thin
from .candidates import FLOOR, candidates, densities, scores
from .coordinate import GRADES, Coordinate, coordinate, h_of, x_of
from .free_mixtures import densities as free_densities
from .free_mixtures import fit_free, on_bins
from .misfit import misfit
from .octaves import BINS, OCTAVES, PER_BIN, RATIOS, SIGMAS, SIZES, all_coarser, blur, sum_finest
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

BEND_RANGE, BEND_POINTS = 13.0, 200.0
"""Times the length of data that would have a mass of one at the densest place: over a shorter range linear bins are
fine. Of fewer points, which say less about the densest place, so much less."""

BEND_EVIDENCE = 7.0, 0.02
"""Nats of cross-validated likelihood that a bent coordinate must gain over the linear one: so many, and so many for
each point."""

UNSEEN = 0.1
"""Mass in points, spread evenly in the coordinate: where no point was seen there may be one."""

MARGIN = BINS // 2
_EDGE_BINS = 8  # over which the height at an edge is taken


class Prepared(NamedTuple):
    """What is read from the sample of one data set.

    Attributes:
        sample: as it was given.
        at: the coordinate.
        edges: of the bins, in the units of the data, shape (BINS + 1,).
        resolved: which of them are not within the cell of a rounded value.
        heavy: bins in and about the cells of values that hold much of the data each, shape (BINS,).
        mirror: at which ends of the range mirrored data predict better: 1 low, 2 high, 3 both.
        tails: below and above the data; leaves have an axis of two.
        distinct: share of the points whose value is not that of another.
        bend: which of `fbgmm.auto.coordinate.GRADES`.
        given: which ends of the range were given: 1 low, 2 high, 3 both.
    """

    sample: Sample
    at: Coordinate
    edges: Float[Array, "*batch edges"]
    resolved: Bool[Array, "*batch edges"]
    heavy: Bool[Array, "*batch bins"]
    mirror: Array
    tails: Tail
    distinct: Array
    bend: Array
    given: Array


def prepare(sample: Sample, low: Array, high: Array, given: Array, total: Array) -> Prepared:
    """The coordinate and the edges, by cross-validated kernel estimates of the sample, and the tails.

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
    evidence = jax.vmap(lambda at: _evidence(sample, at))(ats)  # by coordinate and ends that are mirrored
    evidence = evidence - EDGE_EVIDENCE * jnp.array([[0, 1, 1, 2]])
    best = jnp.max(evidence, axis=1)
    seen = jnp.sum(sample.w)
    gained = best[1] - best[0] > BEND_EVIDENCE[0] + BEND_EVIDENCE[1] * seen
    coarse = high - low > BEND_RANGE * jnp.minimum(seen / BEND_POINTS, 1) * jnp.min(ats.h[1])
    bend = jnp.where(gained & coarse, 1, 0)
    at = jax.tree.map(lambda a: a[bend], ats)
    edges = bin_edges(at)
    least = jnp.stack([edges[1] - edges[0], edges[-1] - edges[-2]])
    distinct = 1 - jnp.sum(sample.tied * (sample.w > 0)) / jnp.maximum(jnp.sum(sample.w > 0), 1)
    mirror = jnp.argmax(evidence[bend]).astype(jnp.int32)
    tail = tails(sample, total, least)
    seen_at = resolved(edges, sample)
    return Prepared(sample, at, edges, seen_at, heavy_bins(edges, seen_at, sample), mirror, tail, distinct, bend, given)


def _evidence(sample: Sample, at: Coordinate) -> Array:
    """Cross-validated log-likelihood of kernel estimates, in the units of the data, for each choice of ends; (4,)."""
    edges = bin_edges(at)
    counts = count_sample(edges, sample)
    both = spread(jnp.concatenate([thin(counts), counts[None]]), resolved(edges, sample))
    folds, total = both[:-1], both[-1]
    row = all_coarser(_shares(total[None] - folds))[None]
    wide = RATIOS[1:]  # one width of each octave will do

    def score_of(mirror: Array) -> Array:
        return jax.nn.logsumexp(scores(densities(row, mirror, wide), folds))

    score = jax.lax.map(score_of, jnp.arange(4))
    return score - jnp.sum(total * jnp.log(h_of(at, _centres(total))))


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
    both = spread(jnp.concatenate([thin(counts), counts[None]]), found.resolved)
    folds, counts = both[:-1], both[-1]
    shares = _shares(jnp.concatenate([counts[None] - folds, counts[None]]))
    mirror = jnp.where(support < 0, found.mirror, support)

    def merit(density: Array) -> Array:
        score = scores(density[..., :-1, :], folds)
        parameters = scores(density[..., -1:, :], counts[None]) - score
        return (score - COMPLEXITY * jnp.maximum(parameters, 0)) / TEMPERATURE

    fixed = candidates(shares, mirror)
    fixed_merit = merit(fixed.density)
    octave, ratio = jnp.unravel_index(jnp.argmax(fixed_merit[:, 0]), (OCTAVES, 2))
    pilot = fixed.density[octave, 0, ratio]
    scales, scale_density = fit_scales(shares, pilot, points, mirror)
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
    masses = _balanced(masses, shares[-1], found.heavy)
    closed = jnp.where(support < 0, mirror & found.given, support)
    basis, pi = _answer(masses, found.at, _with_edges(found, masses, mirror), closed, points)
    far = misfit(basis, pi, found.sample)
    weights = jnp.swapaxes(weight, -1, -2), scale_weight, free_weight.reshape(2, -1)
    error = jnp.sqrt(variance / points_)
    bend = jnp.asarray(GRADES, shares.dtype)[found.bend]
    return (
        basis,
        pi,
        Choice(*weights, mirror, bend, found.tails.shape, points, score, error, optimism, found.distinct, *far),
    )


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


def _balanced(masses: Array, shares: Array, heavy: Array) -> Array:
    """The masses, with that about heavy values, and that elsewhere, as the data have it.

    What holds narrow components back takes a few per cent from what lies beside a spike; this gives it back.
    """
    masses = jnp.maximum(masses, 0)

    def part(where: Array) -> Array:
        own = jnp.sum(jnp.where(where, masses, 0))
        return jnp.where(where, masses, 0) * (jnp.sum(jnp.where(where, shares, 0)) / jnp.maximum(own, 1e-30))

    some = jnp.any(heavy) & ~jnp.all(heavy)
    return jnp.where(some, part(heavy) + part(~heavy), masses)


def answer_basis(at: Coordinate) -> Basis:
    """Cells of equal width in the coordinate, and components as wide as they are."""
    dtype = at.x.dtype
    edges = x_of(at, (jnp.arange(COMPONENTS + 1, dtype=dtype) - MARGIN) / BINS)
    u = (jnp.arange(COMPONENTS, dtype=dtype) + 0.5 - MARGIN) / BINS
    mu, r = x_of(at, u), jnp.diff(edges)
    return Basis(edges[0], edges[-1], r, h_of(at, u) / BINS, COMPONENTS, 1, mu, edges)


def _with_edges(found: Prepared, masses: Array, mirror: Array) -> Tail:
    """The tails, short ones at mirrored ends: where it has the height f, the mass 1/N reaches about 1/(N f)."""
    share = jnp.stack([jnp.sum(masses[:_EDGE_BINS]), jnp.sum(masses[-_EDGE_BINS:])]) / jnp.sum(masses)
    width = jnp.stack([found.edges[_EDGE_BINS] - found.edges[0], found.edges[-1] - found.edges[-1 - _EDGE_BINS]])
    wanted = jnp.stack([mirror % 2, mirror // 2]) == 1
    reach = found.tails.mass * width / jnp.maximum(share, 1e-30)
    return found.tails._replace(edge=jnp.where(wanted, reach, jnp.inf))


def _answer(masses: Array, at: Coordinate, tail: Tail, closed: Array, points: Array) -> tuple[Basis, Array]:
    """The answer: masses on the bins, thinly spread ones where nothing was seen, and the tails beyond the data."""
    basis = answer_basis(at)
    cells = jnp.arange(COMPONENTS)
    inside = (cells >= MARGIN) & (cells < MARGIN + BINS)
    # Both tails at once: the lower one is that of the data with their signs turned.
    signs = jnp.array([-1, 1], basis.dtype)
    open_ends = jnp.stack([closed % 2, closed // 2]) == 0  # the support ends at the others
    outer = (signs[:, None] * basis.mu[None] > tail.start[:, None]) & open_ends[:, None]
    survival = jax.vmap(beyond)(tail, signs[:, None] * basis.edges[None])
    outside = jnp.sum(jnp.where(outer, jnp.abs(jnp.diff(survival, axis=-1)), 0), axis=0)
    body = jnp.where(inside & ~outer.any(axis=0), jnp.maximum(jnp.pad(masses, MARGIN), 0), 0)
    unseen = UNSEEN / (points + 1)
    rest = 1 - jnp.sum(outside) - unseen
    pi = rest * body / jnp.maximum(jnp.sum(body), 1e-30) + outside + unseen * inside / BINS
    return basis, pi / jnp.sum(pi)
