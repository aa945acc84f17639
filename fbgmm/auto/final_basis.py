"""The answer of `fit(x)`: the average of the candidates on one fine basis, with tails beyond the data.

A normal density of width σ is a smear of narrower ones, N(mu, σ²) = N(mu, σ² − s²) ∗ N(0, s²). So all candidates stand
on one basis of the width s of a bin.
"""

from __future__ import annotations

from typing import NamedTuple

from .._typing import AnyArray
from ..basis import Basis
from .choose import Chosen, FoldedCounts
from .coordinate import GRADES, Coordinate, h_of, x_of
from .free_mixtures import masses_on_bins
from .misfit import misfit
from .namespace import map_rows, namespace
from .octaves import BINS, PER_BIN, blur, sum_finest
from .read_sample import SampleFacts, shares_of
from .report import Choice
from .tails import Tail, beyond

COMPONENTS = 2 * BINS
"""Of the answer: the bins, and half as many cells again on either side, growing outwards."""

UNSEEN = 0.1
"""Mass in points, spread evenly in the coordinate: where no point was seen there may be one. Its size
changes next to nothing (`python -m benchmarks constants`)."""

MARGIN = BINS // 2
_EDGE_BINS = 8  # over which the height at an edge is taken


def answer(chosen: Chosen, data: FoldedCounts, found: SampleFacts, support: AnyArray) -> tuple[Cells, AnyArray, Choice]:
    """The basis and the weights of the answer, and how they were chosen; in numpy or in JAX.

    Args:
        support: as `fbgmm.auto.folded_counts.fold_counts` takes it.
    """
    xp = namespace(data.counts)
    points = xp.sum(data.counts)
    masses = _fixed_masses(chosen.p, data.mirror) + masses_on_bins(
        chosen.free_mixtures, chosen.free_weight.reshape(-1), 1 / BINS
    )
    masses = _balanced(masses, shares_of(data.counts), found.heavy)
    closed = xp.where(support < 0, data.mirror & found.given, support)
    cells, pi = _with_tails(masses, found.at, _with_edges(found, masses, data.mirror), closed, points)
    choice = Choice(
        weight=chosen.weight,
        scale_weight=chosen.scale_weight,
        free_weight=chosen.free_weight,
        mirror=data.mirror,
        bend=xp.asarray(GRADES, pi.dtype)[found.bend],
        shape=found.tails.shape,
        points=points,
        score=chosen.score,
        score_error=chosen.error,
        parameters=chosen.parameters,
        distinct=found.distinct,
        **misfit(cells, pi, found.sample),
    )
    return cells, pi, choice


def _fixed_masses(p: AnyArray, mirror: AnyArray) -> AnyArray:
    """The masses p of all octaves and both widths, each blurred but for a bin's width, on the finest bins."""
    xp = namespace(p)
    blurred = xp.sum(blur(p[:, None], mirror, less=1.0), axis=(0, 1))
    return sum_finest(blurred * xp.asarray(PER_BIN / BINS, p.dtype))


def _balanced(masses: AnyArray, shares: AnyArray, heavy: AnyArray) -> AnyArray:
    """The masses, with that about heavy values, and that elsewhere, as the data have it.

    What holds narrow components back takes a few per cent from what lies beside a spike; this gives it back.
    """
    xp = namespace(masses)
    masses = xp.maximum(masses, 0)

    def rescaled(where: AnyArray) -> AnyArray:
        own = xp.sum(xp.where(where, masses, 0))
        return xp.where(where, masses, 0) * (xp.sum(xp.where(where, shares, 0)) / xp.maximum(own, 1e-30))

    some = xp.any(heavy) & ~xp.all(heavy)
    return xp.where(some, rescaled(heavy) + rescaled(~heavy), masses)


class Cells(NamedTuple):
    """Cells of equal width in the coordinate, with components as wide as they are.

    Attributes:
        edges: shape (*batch, COMPONENTS + 1).
        mu: means, shape (*batch, COMPONENTS).
        r: widths of the cells.
        sigma: of the components.
    """

    edges: AnyArray
    mu: AnyArray
    r: AnyArray
    sigma: AnyArray

    def basis(self) -> Basis:
        """As a basis, of arrays of JAX."""
        return Basis(self.edges[..., 0], self.edges[..., -1], self.r, self.sigma, COMPONENTS, 1, self.mu, self.edges)


def cells_of(at: Coordinate) -> Cells:
    """Those of the answer: the bins, and growing ones beyond the data."""
    xp, dtype = namespace(at.x), at.x.dtype
    edges = x_of(at, (xp.arange(COMPONENTS + 1, dtype=dtype) - MARGIN) / BINS)
    u = (xp.arange(COMPONENTS, dtype=dtype) + 0.5 - MARGIN) / BINS
    return Cells(edges, x_of(at, u), xp.diff(edges), h_of(at, u) / BINS)


def _with_edges(found: SampleFacts, masses: AnyArray, mirror: AnyArray) -> Tail:
    """The tails, short ones at mirrored ends: where it has the height f, the mass 1/N reaches about 1/(N f)."""
    xp = namespace(masses)
    share = xp.stack([xp.sum(masses[:_EDGE_BINS]), xp.sum(masses[-_EDGE_BINS:])]) / xp.sum(masses)
    width = xp.stack([found.edges[_EDGE_BINS] - found.edges[0], found.edges[-1] - found.edges[-1 - _EDGE_BINS]])
    wanted = xp.stack([mirror % 2, mirror // 2]) == 1
    reach = found.tails.mass * width / xp.maximum(share, 1e-30)
    return found.tails._replace(edge=xp.where(wanted, reach, xp.inf))


def _with_tails(
    masses: AnyArray, at: Coordinate, tail: Tail, closed: AnyArray, points: AnyArray
) -> tuple[Cells, AnyArray]:
    """The answer: masses on the bins, thinly spread ones where nothing was seen, and the tails beyond the data."""
    xp = namespace(masses)
    cells, i = cells_of(at), xp.arange(COMPONENTS)
    inside = (i >= MARGIN) & (i < MARGIN + BINS)
    # Both tails at once: the lower one is that of the data with their signs turned.
    signs = xp.asarray([-1, 1], masses.dtype)
    open_ends = xp.stack([closed % 2, closed // 2]) == 0  # the support ends at the others
    outer = (signs[:, None] * cells.mu[None] > tail.start[:, None]) & open_ends[:, None]
    survival = map_rows(beyond, tail, signs[:, None] * cells.edges[None])
    outside = xp.sum(xp.where(outer, xp.abs(xp.diff(survival, axis=-1)), 0), axis=0)
    body = xp.where(inside & ~outer.any(axis=0), xp.maximum(xp.pad(masses, MARGIN), 0), 0)
    unseen = UNSEEN / (points + 1)
    rest = 1 - xp.sum(outside) - unseen
    pi = rest * body / xp.maximum(xp.sum(body), 1e-30) + outside + unseen * inside / BINS
    return cells, pi / xp.sum(pi)
