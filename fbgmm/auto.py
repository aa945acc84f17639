"""The choice of n, t and the amount of smoothing by the data: what `fit(x)` does.

    x ──coordinate──▶ bins ──thinning──▶ folds ──EM at 16 widths──▶ candidates ──cross-validation──▶ one mixture

A candidate is a mixture of normal densities of one width on the bins' centres, whose weights are the data's shares
after a few steps of EM: none is a kernel density estimate (Algorithm 2), many the maximum likelihood, and stopping
between is a regulariser. Mixtures of all widths at once (`fbgmm.scales`) and of a few free normal densities
(`fbgmm.free`) compete with them. Each is fitted on four fifths of the counts and scored on the last fifth, for all five
fifths; the free ones begin there from a fit to all, which flatters them a little. The candidates, weighted by their
scores, are averaged and collapsed onto one fine basis: a normal density of width σ is a smear of narrower ones,
N(mu, σ²) = N(mu, σ² − s²) ∗ N(0, s²).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ._typing import Array, Float, Int
from .basis import Basis
from .choice import LEAST_POINTS, NUMBERS, STEPS, Choice
from .coordinate import Coordinate, Summary
from .free import LEAST_OCTAVE, densities, fit_free, on_cells
from .pyramid import BINS, OCTAVES, PER_BIN, RATIOS, SIGMAS, all_coarser, all_finest, blur, join, split, sum_finest
from .scales import fit_scales

FOLDS = 5
COMPONENTS = 2 * BINS
"""Of the answer: cells as wide as the bins, over the range and half of it on either side."""

TEMPERATURE = 2.0
"""A candidate's weight is exp((score − COMPLEXITY · parameters)/TEMPERATURE): its score is itself an estimate."""

COMPLEXITY = 0.4
"""Nats for each effective parameter, beyond those that cross-validation takes: the best of many scores is flattered."""

FAVOUR = 3.0 - 0.4 * np.array(NUMBERS * 2)
"""Added to the logarithm of the weight of each free mixture: where a few normal clumps explain the data, they do."""

EDGE_EVIDENCE = 2.0
"""Nats of cross-validated likelihood that an edge must gain to be believed."""

_EDGE_CELLS = 8  # over which the height at an edge is taken
_SEED = 20230215
_FLOOR = 1e-4  # share of a uniform density in every candidate when it is scored


def thin(counts: Float[Array, " bins"]) -> Float[Array, "folds bins"]:
    """Splits counts at random into folds, as if each point had drawn its fold; one fixed key, so always the same."""
    keys = jax.random.split(jax.random.key(_SEED), FOLDS - 1)
    rest, folds = counts, []
    for left, key in zip(range(FOLDS, 1, -1), keys, strict=True):
        whole = jnp.floor(rest)
        part = jnp.clip(jax.random.binomial(key, whole, 1 / left, dtype=counts.dtype), 0, whole) + (rest - whole) / left
        folds.append(part)
        rest = rest - part
    return jnp.stack([*folds, rest])


class Fitted(NamedTuple):
    """Candidates on the bins.

    Attributes:
        p: their weights, rows of `fbgmm.pyramid`, shape (steps, 2, splits, row).
        density: of all, on the finest bins, shape (octaves, steps, 2, splits, BINS).
    """

    p: Array
    density: Array


def candidates(shares: Float[Array, "splits bins"], mirror: Int[Array, ""]) -> Fitted:
    """EM from the shares themselves at every width, stopped after each number of `STEPS`."""
    w = jnp.broadcast_to(all_coarser(shares)[None], (len(RATIOS), shares.shape[0], PER_BIN.size))
    start = 0.999 * w + 0.001 / jnp.asarray(PER_BIN, w.dtype)[None, None]

    def step(_: Array, p: Array) -> Array:
        ratio = w / jnp.maximum(blur(p, mirror), 1e-12)
        return p * blur(ratio, mirror)  # a blur is its own transpose; the mass stays one

    def stop(p: Array, more: Array) -> tuple[Array, tuple[Array, Array]]:
        p = jax.lax.fori_loop(0, more, step, p)
        return p, (p, _densities(p, mirror))

    _, (p, density) = jax.lax.scan(stop, start, jnp.diff(jnp.array([0, *STEPS])))
    return Fitted(p, jnp.swapaxes(density, 0, 1))


def _densities(p: Array, mirror: Array, ratios: tuple[float, ...] = RATIOS) -> Array:
    """On the finest bins, shape (octaves, widths, splits, BINS)."""
    return all_finest(blur(p, mirror, ratios=ratios) * jnp.asarray(PER_BIN, p.dtype)[None, None])


def scores(
    density: Float[Array, "*candidates folds bins"], folds: Float[Array, "folds bins"]
) -> Float[Array, "*candidates"]:
    """Log-likelihood of each fold under the candidates fitted without it, above that of a uniform density."""
    return jnp.einsum("fb,...fb->...", folds, jnp.log((1 - _FLOOR) * density + _FLOOR))


def choose(
    counts: Float[Array, " bins"], at: Coordinate, found: Summary, edges: Int[Array, ""], given: Int[Array, ""]
) -> tuple[Basis, Float[Array, " n"], Choice]:
    """From counts on the bins of a coordinate to the answer's basis and weights, and how they were chosen. Pure.

    Args:
        edges: at which ends to mirror (`fbgmm.pyramid.blur`); −1: where the data ask for it.
        given: which ends of the range are not those of the data: 1 left, 2 right, 3 both.
    """
    points = jnp.sum(counts)
    folds = thin(counts)
    training = jnp.concatenate([counts[None] - folds, counts[None]])
    shares = training / jnp.maximum(jnp.sum(training, axis=-1, keepdims=True), 1e-30)
    allowed = _wide_enough(at, found)

    mirror = jnp.where(edges < 0, _mirror(shares[:-1], folds, allowed), edges)

    def merit(density: Array) -> Array:
        score = scores(density[..., :-1, :], folds)
        parameters = scores(density[..., -1:, :], counts[None]) - score
        return (score - COMPLEXITY * jnp.maximum(parameters, 0)) / TEMPERATURE

    fixed = candidates(shares, mirror)
    fixed_merit = jnp.where(allowed[:, None], merit(fixed.density), -jnp.inf)
    octave, ratio = jnp.unravel_index(jnp.argmax(fixed_merit[:, 0]), allowed.shape)
    scales, scale_density = fit_scales(shares, fixed.density[octave, 0, ratio], points, mirror, allowed.any(axis=1))
    free = fit_free(shares)
    free_density = densities(free)
    free_merit = jnp.where(allowed[LEAST_OCTAVE, 0], merit(free_density) + jnp.asarray(FAVOUR, shares.dtype), -jnp.inf)

    few = points < LEAST_POINTS
    fixed_merit = jnp.where(few, _silverman(at, found, points), fixed_merit)
    other_merit = jnp.where(few, -jnp.inf, jnp.concatenate([merit(scale_density), free_merit]))
    flat = jax.nn.softmax(jnp.concatenate([fixed_merit.reshape(-1), other_merit]))
    weight, scale_weight, free_weight = jnp.split(flat, [fixed_merit.size, fixed_merit.size + len(scale_density)])
    weight = weight.reshape(fixed_merit.shape)

    g = jnp.einsum("otk,otksb->sb", weight, fixed.density)
    g = g + jnp.einsum("n,nsb->sb", scale_weight, scale_density) + jnp.einsum("n,nsb->sb", free_weight, free_density)
    logs = jnp.log((1 - _FLOOR) * g + _FLOOR)
    slopes = jnp.log(at.slope(_centres(at)))[None]  # scores in the units of the data
    points_ = jnp.maximum(points, 1e-30)
    score = jnp.sum(folds * (logs[:-1] + slopes)) / points_
    spread = jnp.sum(folds * jnp.square(logs[:-1] + slopes - score)) / points_
    optimism = jnp.sum(counts * logs[-1]) - jnp.sum(folds * logs[:-1])

    shared = jnp.repeat(jnp.moveaxis(weight, 0, -1), BINS >> np.arange(OCTAVES), axis=-1)
    p = jnp.sum(shared * fixed.p[:, :, -1], axis=0).at[0].add(scale_weight @ scales[:, -1])
    masses = _folded(on_cells(free, free_weight, COMPONENTS, 1 / BINS), jnp.maximum(edges, 0))
    spill = jnp.where(edges < 0, mirror & ~given, 0), 1 / (points + 1)
    basis, pi = _collapse(p, masses, at, mirror, found, spill)
    error = jnp.sqrt(spread / points_)
    weights = jnp.swapaxes(weight, -1, -2), scale_weight, free_weight.reshape(2, -1)
    return basis, pi, Choice(*weights, mirror, at.kappa, points, score, error, optimism, found.distinct)


def _mirror(shares: Array, folds: Array, allowed: Array) -> Array:
    """The ends at which mirrored kernel density estimates score better than plain ones."""
    w = all_coarser(shares)[None]

    def best(mirror: Array) -> Array:
        score = scores(_densities(w, mirror, RATIOS[1:])[:, 0], folds)
        return jax.nn.logsumexp(jnp.where(allowed[:, 1], score, -jnp.inf))

    evidence = jax.lax.map(best, jnp.arange(4)) - EDGE_EVIDENCE * jnp.array([0, 1, 1, 2])
    return jnp.argmax(evidence).astype(jnp.int32)


def _wide_enough(at: Coordinate, found: Summary) -> Array:
    """Which widths are above the distance of neighbouring values where many points are tied; shape (octaves, 2)."""
    gap = jnp.where(found.distinct < 0.9, found.gap * at.slope(found.median), 0)
    sigmas = jnp.asarray(SIGMAS, gap.dtype)
    return (sigmas >= gap) | (sigmas == SIGMAS.max())


def _silverman(at: Coordinate, found: Summary, points: Array) -> Array:
    """A table with one candidate: the kernel density estimate whose width is next to Silverman's."""
    spread = jnp.maximum((at.u(found.q3) - at.u(found.q1)) / 1.34, 1e-3)
    target = 0.9 * spread * jnp.maximum(points, 1) ** -0.2
    distance = jnp.abs(jnp.log(jnp.asarray(SIGMAS, target.dtype)) - jnp.log(target))
    table = jnp.where(distance == jnp.min(distance), 0.0, -jnp.inf)
    return jnp.stack([table, *[jnp.full_like(table, -jnp.inf)] * (len(STEPS) - 1)], axis=1)


def _centres(at: Coordinate) -> Array:
    """The bins' centres in the units of the data."""
    u = (jnp.arange(BINS, dtype=at.low.dtype) + 0.5) / BINS
    return inverse(at, u)


def inverse(at: Coordinate, u: Array) -> Array:
    """The point whose coordinate is u."""
    width = at.high - at.low
    kappa = jnp.where(at.kappa > 0, at.kappa, 1)
    first, last = jnp.arcsinh(kappa * (at.low - at.median) / width), jnp.arcsinh(kappa * (at.high - at.median) / width)
    bent = at.median + width / kappa * jnp.sinh(first + u * (last - first))
    return jnp.where(at.kappa > 0, bent, at.low + u * width)


def _collapse(
    p: Array, free: Array, at: Coordinate, mirror: Array, found: Summary, spill: tuple[Array, Array]
) -> tuple[Basis, Array]:
    """All candidates' weights as those of one basis.

    Args:
        p: rows, shape (2, row).
        free: masses of the free mixtures on the answer's cells.
        spill: as `_beyond` takes it.
    """
    none = jnp.zeros_like(mirror)
    padded = join([jnp.pad(part, ((0, 0), (part.shape[-1] // 2,) * 2)) for part in split(p)])
    inner, wide = _on_cells(p, mirror), _on_cells(padded, none)
    left, right = wide[: COMPONENTS // 4], wide[-COMPONENTS // 4 :]
    ends = jnp.where(mirror % 2 == 1, 0, left), jnp.where(mirror // 2 == 1, 0, right)
    total = _beyond(jnp.concatenate([ends[0], inner, ends[1]]) + free, *spill)
    width = at.high - at.low
    linear = at.kappa == 0
    middle = jnp.maximum(found.q3 - found.q1, width * 1e-5)
    margin = jnp.where(linear, 0.5, 0.05) * width
    low = jnp.where(linear, at.low - margin, jnp.maximum(at.low - margin, found.median - 64 * middle))
    high = jnp.where(linear, at.high + margin, jnp.minimum(at.high + margin, found.median + 64 * middle))
    r = (high - low) / COMPONENTS
    basis = Basis(low, high, r, r, COMPONENTS, 4)
    bent = _resampled(total, at, basis)
    pi = jnp.where(linear, total, bent)
    return basis, pi / jnp.sum(pi)


def _folded(mass: Array, ends: Array) -> Array:
    """Masses on the answer's cells, mirrored into the range at the ends that are known to be those of the support."""
    quarter = COMPONENTS // 4
    left = jnp.where(ends % 2 == 1, mass[:quarter], 0)
    right = jnp.where(ends // 2 == 1, mass[-quarter:], 0)
    moved = jnp.concatenate([-left, left[::-1], right[::-1], -right])
    return mass + moved


def _beyond(total: Array, ends: Array, mass: Array) -> Array:
    """Masses on the answer's cells with at least so much beyond each of these mirrored ends: 1 left, 2 right, 3 both.

    The range is that of the data, not of the support: whatever the density, the next point is below the least of N or
    above the greatest with probability 1/(N + 1) each. Where the density ends at height f it falls short of the
    support by an exponential variable with mean 1/(N f): so falls what is added here.
    """
    quarter = COMPONENTS // 4
    distance = jnp.arange(quarter, dtype=total.dtype) + 0.5

    def outside(before: Array, inside: Array, wanted: Array) -> Array:
        height = jnp.mean(inside[:_EDGE_CELLS])
        shape = jax.nn.softmax(-distance * height / mass)
        return before + jnp.where(wanted, jnp.maximum(mass - jnp.sum(before), 0), 0) * shape

    left, inner, right = total[:quarter], total[quarter:-quarter], total[-quarter:]
    left = outside(left[::-1], inner, ends % 2 == 1)[::-1]
    right = outside(right, inner[::-1], ends // 2 == 1)
    return jnp.concatenate([left, inner * (1 - jnp.sum(left) - jnp.sum(right)) / jnp.sum(inner), right])


def _on_cells(p: Array, mirror: Array) -> Array:
    """The masses p of all octaves and both widths, each blurred, on the answer's cells."""
    blurred = jnp.sum(blur(p[:, None], mirror, less=1.0), axis=(0, 1))
    return sum_finest(join([mass / (1 << octave) for octave, mass in enumerate(split(blurred))]))


def _resampled(total: Array, at: Coordinate, basis: Basis) -> Array:
    """Masses of the basis' cells from those of the coordinate's: differences of the interpolated distribution."""
    below = jnp.concatenate([jnp.zeros(1, total.dtype), jnp.cumsum(total)])
    edges = (at.u(basis.edges) + 0.5) * (COMPONENTS / 2)
    heights = jnp.interp(edges, jnp.arange(COMPONENTS + 1, dtype=total.dtype), below)
    heights = heights.at[0].set(0).at[-1].set(below[-1])
    return jnp.maximum(jnp.diff(heights), 0)
