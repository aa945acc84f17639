"""The choice of n, t and the amount of smoothing by the data: what `fit(x)` does.

    x ──coordinate──▶ bins ──thinning──▶ folds ──EM at 16 widths──▶ candidates ──cross-validation──▶ one mixture

A candidate is a mixture of normal densities of one width on the bins' centres, whose weights are the data's shares
after a few steps of EM: none is a kernel density estimate (Algorithm 2), many the maximum likelihood, and stopping
between is a regulariser. Mixtures of a few free normal densities (`fbgmm.free`) compete with them. Each is fitted on
four fifths of the counts and scored on the last fifth, for all five fifths. The candidates, weighted by the exponential
of their score, are averaged and collapsed onto one fine basis: a normal density of width σ is a smear of narrower ones,
N(mu, σ²) = N(mu, σ² − s²) ∗ N(0, s²).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ._typing import Array, Float, Int
from .basis import Basis
from .choice import LEAST_POINTS, NUMBERS, STEPS, Choice
from .coordinate import Coordinate, Summary
from .free import densities, fit_free, on_cells
from .pyramid import BINS, OCTAVES, SIGMAS, all_finest, blur, coarser, sum_at_octave

FOLDS = 5
COMPONENTS = 2048
"""Of the answer: cells of 1/1024 of the data's range, over the range and half of it on either side."""

EDGE_EVIDENCE = 2.0
"""Nats of cross-validated likelihood that an edge must gain to be believed."""

_CELL = 2.0  # bins in a cell of the answer
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
        p: their weights, for each octave, shape (steps, 2, splits, m).
        density: of all, on the finest bins, shape (octaves, steps, 2, splits, BINS).
    """

    p: list[Array]
    density: Array


def candidates(shares: Float[Array, "splits bins"], mirror: Int[Array, ""]) -> Fitted:
    """EM from the shares themselves at every width, stopped after each number of `STEPS`."""
    w = [jnp.stack([coarse, coarse]) for coarse in (coarser(shares, octave) for octave in range(OCTAVES))]
    start = [0.999 * each + 0.001 / each.shape[-1] for each in w]

    def stop(p: list[Array], more: Array) -> tuple[list[Array], tuple[list[Array], Array]]:
        p = jax.lax.fori_loop(
            0, more, lambda _, p: [_em(*pw, o, mirror) for o, pw in enumerate(zip(p, w, strict=True))], p
        )
        return p, (p, _densities(p, mirror))

    _, (p, density) = jax.lax.scan(stop, start, jnp.diff(jnp.array([0, *STEPS])))
    return Fitted(p, jnp.swapaxes(density, 0, 1))


def _densities(p: list[Array], mirror: Array) -> Array:
    """On the finest bins, shape (octaves, 2, splits, BINS)."""
    return all_finest([blur(each, o, mirror) * each.shape[-1] for o, each in enumerate(p)])


def _em(p: Array, w: Array, octave: int, mirror: Array) -> Array:
    g = blur(p, octave, mirror)
    q = p * blur(w / jnp.maximum(g, 1e-12), octave, mirror)  # a blur is its own transpose
    mass = jnp.sum(q, axis=-1, keepdims=True)
    return jnp.where(mass > 0, q / jnp.where(mass > 0, mass, 1), p)  # without data p stays as it is


def scores(
    density: Float[Array, "*candidates folds bins"], folds: Float[Array, "folds bins"]
) -> Float[Array, "*candidates"]:
    """Log-likelihood of each fold under the candidates fitted without it, above that of a uniform density."""
    return jnp.einsum("fb,...fb->...", folds, jnp.log((1 - _FLOOR) * density + _FLOOR))


def choose(counts: Float[Array, " bins"], at: Coordinate, found: Summary) -> tuple[Basis, Float[Array, " n"], Choice]:
    """From counts on the bins of a coordinate to the answer's basis and weights, and how they were chosen. Pure."""
    points = jnp.sum(counts)
    folds = thin(counts)
    training = jnp.concatenate([counts[None] - folds, counts[None]])
    shares = training / jnp.maximum(jnp.sum(training, axis=-1, keepdims=True), 1e-30)
    allowed = _wide_enough(at, found)

    mirror = _mirror(shares[:-1], folds, allowed)
    fixed, free = candidates(shares, mirror), fit_free(shares)
    free_density = densities(free)
    fixed_table = jnp.where(allowed[:, None], scores(fixed.density[..., :-1, :], folds), -jnp.inf)
    free_table = jnp.where(mirror == 0, scores(free_density[:, :-1], folds), -jnp.inf)
    few = points < LEAST_POINTS
    fixed_table = jnp.where(few, _silverman(at, found, points), fixed_table)
    free_table = jnp.where(few, -jnp.inf, free_table)
    flat = jax.nn.softmax(jnp.concatenate([fixed_table.reshape(-1), free_table]))
    weight, free_weight = flat[: -len(NUMBERS)].reshape(fixed_table.shape), flat[-len(NUMBERS) :]

    g = jnp.einsum("otk,otksb->sb", weight, fixed.density) + jnp.einsum("n,nsb->sb", free_weight, free_density)
    logs = jnp.log((1 - _FLOOR) * g + _FLOOR)
    slopes = jnp.log(at.slope(_centres(at)))[None]  # scores in the units of the data
    points_ = jnp.maximum(points, 1e-30)
    score = jnp.sum(folds * (logs[:-1] + slopes)) / points_
    spread = jnp.sum(folds * jnp.square(logs[:-1] + slopes - score)) / points_
    optimism = jnp.sum(counts * logs[-1]) - jnp.sum(folds * logs[:-1])

    ps = [jnp.einsum("tk,tkb->kb", weight[o], p[:, :, -1]) for o, p in enumerate(fixed.p)]
    masses = on_cells(free, free_weight, COMPONENTS, _CELL / BINS)
    basis, pi = _collapse(ps, masses, at, mirror, found)
    error = jnp.sqrt(spread / points_)
    weight = jnp.swapaxes(weight, -1, -2)
    return basis, pi, Choice(weight, free_weight, mirror, at.kappa, points, score, error, optimism, found.distinct)


def _mirror(shares: Array, folds: Array, allowed: Array) -> Array:
    """The ends at which mirrored kernel density estimates score better than plain ones."""
    w = [jnp.stack([coarse, coarse]) for coarse in (coarser(shares, octave) for octave in range(OCTAVES))]

    def best(mirror: Array) -> Array:
        return jax.nn.logsumexp(jnp.where(allowed, scores(_densities(w, mirror), folds), -jnp.inf))

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


def _collapse(ps: list[Array], free: Array, at: Coordinate, mirror: Array, found: Summary) -> tuple[Basis, Array]:
    """All candidates' weights as those of one basis; `ps[octave]` has shape (2, m)."""
    none = jnp.zeros_like(mirror)
    padded = [jnp.pad(p, ((0, 0), (p.shape[-1] // 2, p.shape[-1] // 2))) for p in ps]
    inner, wide = _on_cells(ps, mirror), _on_cells(padded, none)
    left, right = wide[: COMPONENTS // 4], wide[-COMPONENTS // 4 :]
    ends = jnp.where(mirror % 2 == 1, 0, left), jnp.where(mirror // 2 == 1, 0, right)
    total = jnp.concatenate([ends[0], inner, ends[1]]) + free
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


def _on_cells(ps: list[Array], mirror: Array) -> Array:
    """The masses p of all octaves and both widths, each blurred, on the answer's cells."""
    blurred = [jnp.sum(blur(p[:, None], o, mirror, less=_CELL), axis=(0, 1)) for o, p in enumerate(ps)]
    per_cell = [mass / (1 << (o - 1)) for o, mass in enumerate(blurred) if o]
    return blurred[0].reshape(-1, round(_CELL)).sum(-1) + sum_at_octave([blurred[0], *per_cell], 1)


def _resampled(total: Array, at: Coordinate, basis: Basis) -> Array:
    """Masses of the basis' cells from those of the coordinate's: differences of the interpolated distribution."""
    below = jnp.concatenate([jnp.zeros(1, total.dtype), jnp.cumsum(total)])
    edges = (at.u(basis.edges) + 0.5) * (COMPONENTS / 2)
    heights = jnp.interp(edges, jnp.arange(COMPONENTS + 1, dtype=total.dtype), below)
    heights = heights.at[0].set(0).at[-1].set(below[-1])
    return jnp.maximum(jnp.diff(heights), 0)
