"""Maximum likelihood of the weights by an interior point, with a certificate of how close it is to the maximum.

The mixture with weights p has log likelihood Σ_b w_b log (A p)_b a point, with A the Gaussians at the bins and w the
bins' shares of the data. It is concave in p, so the maximiser is known by its gradient: g_i = Σ_b w_b A_bi/(A p)_b is
at most 1 everywhere. Whatever p ≥ 0 of sum 1, the log likelihood a point is within log max g ≤ max g − 1 of the largest
possible one: the duality gap (Lindsay 1983; Koenker and Mizera 2014). At the maximum few weights are above 0.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve

from .._typing import Array, Float
from ..basis import Basis
from ..counts import Counts, total
from .base import Algorithm
from .fine_counts import REFINE, coarse, curvature, from_fine_counts, kernel, ratio, shares, whole

ITERATIONS = 20


@lru_cache  # one object for each set of options, so that compiled programs are found again
def interior_point(*, refine: int = REFINE, iterations: int = ITERATIONS) -> Algorithm:
    """The weights of maximum likelihood on the basis: nonparametric maximum likelihood with means on a grid.

    Mehrotra's predictor and corrector on the optimality conditions, n × n normal equations by Cholesky: O(n³) for each
    iteration, whatever the number of points. In float64 the duality gap (`duality_gap`) is below 1e-6.

    The unpenalised maximum is rarely the best estimate of a density: it is a sum of few separate Gaussians of width
    sigma. It is the reference for the other algorithms, and a good estimate where sigma is about the true width.

    Args:
        refine: bins in each cell of the basis; a bin should be at most sigma/4.
        iterations: number of iterations.

    Raises:
        ValueError: refine or iterations not a whole number above 0.

    References:
        Koenker and Mizera 2014, Convex optimization, shape constraints, compound decisions, and empirical Bayes rules,
        JASA 109, 674–685. Mehrotra 1992, On the implementation of a primal-dual interior point method, SIAM J. Optim.
        2, 575–601.

    Example:
        >>> import fbgmm
        >>> gmm = fbgmm.fit([1.0, 1.1, 1.2, 3.0, 3.1], n=20, t=3.0, algorithm=fbgmm.interior_point())
        >>> int((gmm.pi > 0.01).sum())  # two clusters
        2
    """
    whole("refine", refine)
    whole("iterations", iterations)

    def weights(c: Array, basis: Basis) -> Array:
        return maximise(basis, shares(c), iterations=iterations)

    return from_fine_counts(weights, refine)


def maximise(
    basis: Basis,
    w: Float[Array, " bins"],
    linear: Float[Array, " n"] | None = None,
    quadratic: Float[Array, "n n"] | None = None,
    start: Float[Array, " n"] | None = None,
    iterations: int = ITERATIONS,
) -> Float[Array, " n"]:
    """The p ≥ 0 that maximises Σ_b w_b log (A p)_b − linear·p − ½ p·quadratic·p. Pure; a fixed number of iterations.

    With f = A p, y = w/f and z = linear + quadratic·p − Aᵀ y the conditions are p z = 0, p ≥ 0, z ≥ 0. Newton's method
    on f y = w and p z = (a target that goes to 0), where f is exactly A p throughout.

    Args:
        w: shares of the bins; they need not have the sum 1.
        linear: shape (n,); 1 if None: then p has the sum of w if there is no quadratic term.
        quadratic: a positive semi-definite matrix; 0 if None.
        start: shares of the cells, of about the right size; those of w if None. It begins halfway to equal weights.
    """
    live, dtype, eps = basis.live, basis.dtype, float(jnp.finfo(basis.dtype).eps)
    refine = w.shape[0] // basis.capacity
    points, hessian = kernel(basis, refine), curvature(basis, refine)
    i = jnp.arange(basis.capacity)
    diagonal, both, used = i[:, None] == i[None, :], live[:, None] & live[None, :], w > 0
    linear = jnp.ones_like(basis.mu) if linear is None else linear
    least = 4 * eps / basis.n  # of p z: the gap is then at most 4 eps, and nothing is divided by 0

    def slope(p: Array) -> Array:
        return linear if quadratic is None else linear + quadratic @ p

    def step(at: _Point, _: None) -> tuple[_Point, None]:
        p, f, y, z = at
        d = jnp.where(used, y / f, 0)
        h = jnp.where(both, hessian(d) if quadratic is None else hessian(d) + quadratic, 0)
        # Far below what the data determine, but enough for Cholesky; it changes steps and not where they lead.
        ridge = jnp.where(live, z / p + 16 * eps * jnp.diagonal(h), 1)
        factor = cho_factor(h + jnp.where(diagonal, ridge[:, None], 0))
        residual = slope(p) - points.adjoint(y) - z

        def newton(target: Array | float, before: _Point) -> _Point:
            """The step to p z = target and f y = w, corrected by the second order of a step computed before."""
            bins = jnp.where(used, (w - before.f * before.y) / f - y, 0)  # dy = bins − d·df
            means = (target - before.p * before.z) / p - z  # dz = means − (z/p)·dp
            dp = cho_solve(factor, jnp.where(live, means - residual + points.adjoint(bins), 0))
            df = points.apply(dp)
            return _Point(dp, df, bins - d * df, jnp.where(live, means - z / p * dp, 0))

        ahead = newton(0.0, jax.tree.map(jnp.zeros_like, at))
        share = jnp.minimum(1, _room(at, ahead))
        now = jnp.sum(jnp.where(live, p * z, 0)) / basis.n
        then = jnp.sum(jnp.where(live, (p + share * ahead.p) * (z + share * ahead.z), 0)) / basis.n
        move = newton(jnp.maximum(now * (then / now) ** 3, least), ahead)
        share = jnp.minimum(1, 0.995 * _room(at, move))
        new = jax.tree.map(lambda x, dx: x + share * dx, at, move)
        new = new._replace(f=points.apply(jnp.where(live, new.p, 0)))
        good = jnp.all(jnp.isfinite(new.p)) & jnp.all(jnp.where(live, new.p > 0, True))
        return jax.tree.map(lambda x, old: jnp.where(good, x, old), new, at), None

    # Halfway to equal weights; y at the f y = w of this p, and z away from 0.
    start = jnp.where(live, coarse(w, basis) if start is None else start, 0)
    p = jnp.where(live, jnp.maximum((start + jnp.sum(start) / basis.n) / 2, jnp.finfo(dtype).tiny ** 0.5), 0)
    f = points.apply(p)
    y = jnp.where(used, w / f, 0)
    z = jnp.maximum(slope(p) - points.adjoint(y), 0.1)
    at = _Point(jnp.where(live, p, 1), f, y, z)
    return jnp.where(live, jax.lax.scan(step, at, None, length=iterations)[0].p, 0)


class _Point(NamedTuple):
    """Where the iteration stands, or a step: weights p, densities f = A p, and the multipliers y of f and z of p."""

    p: Array
    f: Array
    y: Array
    z: Array


def _room(at: _Point, step: _Point) -> Array:
    """How far the step may go until one of the four is 0."""

    def room(x: Array, dx: Array) -> Array:
        return jnp.min(jnp.where(dx < 0, -x / jnp.where(dx < 0, dx, -1), jnp.inf))

    return jnp.min(jnp.stack(jax.tree.leaves(jax.tree.map(room, at, step))))


def duality_gap(pi: Float[Array, " n"], basis: Basis, counts: Counts) -> Float[Array, ""]:
    """How far weights are from those of maximum likelihood, as a certificate: max_i g_i − 1.

    The log likelihood of the counts, a point, is within this gap of the largest that any weights on the basis reach.
    It is at least 0, but for rounding; 0 without data.

    Args:
        pi: weights of sum 1, shape (n,).
        basis: the basis, without batch axes; use `jax.vmap` for many.
        counts: the state of `interior_point` or `maximum_likelihood`: counts of bins, some whole number to each cell.

    Raises:
        ValueError: shapes that do not match.

    Example:
        >>> import fbgmm
        >>> import jax
        >>> algorithm = fbgmm.interior_point()
        >>> basis = fbgmm.init_basis(0.0, 4.0, n=20, t=3.0)
        >>> counts = algorithm.update(algorithm.init(basis), basis, jax.numpy.array([1.0, 1.2, 3.0]), None)
        >>> bool(fbgmm.duality_gap(algorithm.weights(counts, basis), basis, counts) < 1e-5)
        True
    """
    c = total(counts)
    if pi.shape != (basis.capacity,) or c.shape[0] % basis.capacity or c.ndim != 1:
        raise ValueError(
            f"pi must have shape ({basis.capacity},) and counts a whole number of bins to each of these; "
            f"found {pi.shape} and {c.shape}"
        )
    w = shares(c)
    points = kernel(basis, w.shape[0] // basis.capacity)
    gap = jnp.max(jnp.where(basis.live, points.adjoint(ratio(w, points.apply(pi))), 0)) - 1
    return jnp.where(jnp.sum(w) > 0, gap, 0)
