"""Conformance checks for algorithms, which the library's own pass."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from .algorithms import Algorithm
from .basis import Basis, init_basis


def check_algorithm(algorithm: Algorithm, *, nonnegative: bool = True) -> None:
    """Checks that an `Algorithm` keeps its contract; returns None if it does.

    Checked on seeded data, in the current default precision: pi has the basis' capacity, is finite, at least 0 and of
    sum 1, and is 0 at padding; the state keeps its structure, shapes and dtypes; jit and vmap change nothing; a weight
    of 0 means absent and 2 means twice; merged parts equal one pass, and so do consecutive updates; data that are
    absent or not finite leave pi finite.

    Args:
        algorithm: what to check.
        nonnegative: False leaves out pi ≥ 0, for readings of the paper that break it.

    Raises:
        AssertionError: naming the first property that does not hold, with both sides.
    """
    key = jax.random.key(0)
    x = jnp.concatenate([jax.random.normal(key, (60,)), 4 + jax.random.normal(jax.random.split(key)[0], (41,)) / 2])
    low, high, n = float(x.min()), float(x.max()), 30
    tolerance = 1e-10 if x.dtype == jnp.float64 else 2e-5

    def pi_of(data: jax.Array, weights: jax.Array | None = None, capacity: int = n) -> jax.Array:
        basis = init_basis(low, high, n, 2.0, capacity=capacity)
        return algorithm.weights(algorithm.update(algorithm.init(basis), basis, data, weights), basis)

    def same(name: str, found: jax.Array, expected: jax.Array | float) -> None:
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=f"check_algorithm: {name}")

    basis = init_basis(low, high, n, 2.0)
    start, pi = algorithm.init(basis), _checked_pi(algorithm, basis, x, tolerance, nonnegative)
    same("jit must change nothing", jax.jit(pi_of)(x), pi)
    same("vmap must change nothing", jax.vmap(pi_of)(jnp.stack([x, x[::-1]]))[0], pi)
    padded = pi_of(x, capacity=n + 7)
    same("capacity beyond n must change nothing", padded[:n], pi)
    same("weights beyond n must be 0", padded[n:], 0.0)

    same("weights of 1 must be as none", pi_of(x, jnp.ones_like(x)), pi)
    part = jnp.arange(x.shape[0]) % 3 != 0
    same("a weight of 0 must mean absent", pi_of(x, part.astype(x.dtype)), pi_of(x[part]))
    same("a boolean weight must do as a number", pi_of(x, part), pi_of(x[part]))
    twice = jnp.where(part, 1, 2)
    if algorithm.merge is not None:  # else the order of the data matters, and twice may differ from a copy at the end
        same("a weight of 2 must mean twice", pi_of(x, twice), pi_of(jnp.concatenate([x, x[~part]])))
        halves = [algorithm.update(start, basis, half, None) for half in (x[:40], x[40:])]
        same("merged parts must equal one pass", algorithm.weights(algorithm.merge(*halves), basis), pi)
    consecutive = algorithm.update(algorithm.update(start, basis, x[:40], None), basis, x[40:], None)
    same("consecutive updates must equal one pass", algorithm.weights(consecutive, basis), pi)

    bad = x.at[5].set(jnp.nan).at[7].set(jnp.inf)
    for name, data, weights in (("absent", x, jnp.zeros_like(x)), ("not finite", bad, None)):
        assert bool(jnp.isfinite(pi_of(data, weights)).all()), (
            f"check_algorithm: weights must stay finite for data {name}"
        )


def _checked_pi(algorithm: Algorithm, basis: Basis, x: jax.Array, tolerance: float, nonnegative: bool) -> jax.Array:
    """The weights of the data, after checks of their shape, sum and sign."""
    start, n = algorithm.init(basis), basis.capacity
    state = algorithm.update(start, basis, x, None)
    before, after = (jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), s) for s in (start, state))
    assert before == after, f"check_algorithm: update must keep the state's shapes and dtypes; {before} became {after}"
    pi = algorithm.weights(state, basis)
    assert pi.shape == (n,), f"check_algorithm: weights must have shape ({n},), the capacity; found {pi.shape}"
    assert bool(jnp.isfinite(pi).all()), "check_algorithm: weights must be finite"
    assert abs(float(pi.sum()) - 1) <= tolerance, f"check_algorithm: weights must sum to 1; found {float(pi.sum())}"
    if nonnegative:
        assert float(pi.min()) >= 0, f"check_algorithm: weights must be at least 0; found {float(pi.min())}"
    assert not np.allclose(pi, algorithm.weights(start, basis), atol=tolerance), "check_algorithm: data change nothing"
    return pi
