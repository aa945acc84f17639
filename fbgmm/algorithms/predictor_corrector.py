"""Concave maximisation over non-negative weights by Mehrotra's predictor and corrector, a primal-dual interior point.

It solves what `interior_point`, `roughness` and `least_squares` ask for: the likelihood of bins, with linear and
quadratic terms.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve

from .. import checks
from .._typing import Array, Float
from ..basis import Basis
from .convolution import Kernel, curvature, kernel
from .fine_counts import coarse

_ITERATIONS = 20
"""In float64 16 end with a duality gap below 1e-9; in float32 rounding ends them earlier."""


def maximise(
    basis: Basis,
    w: Float[Array, " bins"],
    linear: Float[Array, " n"] | None = None,
    quadratic: Float[Array, "n n"] | None = None,
    start: Float[Array, " n"] | None = None,
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
    square = basis.capacity**2 * jnp.finfo(basis.dtype).bits // 8
    checks.memory(f"n = {basis.capacity} (matrices of n × n numbers)", 3 * square)
    live, eps = basis.live, float(jnp.finfo(basis.dtype).eps)
    points, hessian = kernel(basis), curvature(basis)
    i = jnp.arange(basis.capacity)
    diagonal, both, used = i[:, None] == i[None, :], live[:, None] & live[None, :], w > 0
    linear = jnp.ones_like(basis.mu) if linear is None else linear
    least = 4 * eps / basis.n  # of p z: the gap is then at most 4 eps, and nothing is divided by 0

    def slope(p: Array) -> Array:
        return linear if quadratic is None else linear + jnp.matmul(quadratic, p, precision="highest")

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

    p = _start(coarse(w, basis) if start is None else start, basis)
    at = _point(p, w, slope(p), points, live)
    return jnp.where(live, jax.lax.scan(step, at, None, length=_ITERATIONS)[0].p, 0)


def _start(shares: Array, basis: Basis) -> Array:
    """Halfway from these shares of the cells to equal weights."""
    shares = jnp.where(basis.live, shares, 0)
    least = jnp.finfo(basis.dtype).tiny ** 0.5
    return jnp.where(basis.live, jnp.maximum((shares + jnp.sum(shares) / basis.n) / 2, least), 0)


def _point(p: Array, w: Array, slope: Array, points: Kernel, live: Array) -> _Point:
    """Weights p with the y that makes f y = w, and a z away from 0."""
    f = points.apply(p)
    y = jnp.where(w > 0, w / f, 0)
    return _Point(jnp.where(live, p, 1), f, y, jnp.maximum(slope - points.adjoint(y), 0.1))


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
