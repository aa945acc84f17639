"""Conformance checks for algorithms, which the library's own pass."""

from __future__ import annotations

from collections.abc import Callable

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

    def pi_of(data: jax.Array, weights: jax.Array | None = None, capacity: int = n) -> jax.Array:
        basis = init_basis(low, high, n, 2.0, capacity=capacity)
        return algorithm.weights(algorithm.update(algorithm.init(basis), basis, data, weights), basis)

    _check_shapes(algorithm, init_basis(low, high, n, 2.0), x, nonnegative)
    pi = pi_of(x)
    _same("jit must change nothing", jax.jit(pi_of)(x), pi)
    _same("vmap must change nothing", jax.vmap(pi_of)(jnp.stack([x, x[::-1]]))[0], pi)
    padded = pi_of(x, capacity=n + 7)
    _same("capacity beyond n must change nothing", padded[:n], pi)
    _same("weights beyond n must be 0", padded[n:], 0.0)
    _check_data_weights(algorithm, pi_of, x)
    _check_parts(algorithm, init_basis(low, high, n, 2.0), x, pi)
    bad = x.at[5].set(jnp.nan).at[7].set(jnp.inf)
    for name, data, weights in (("absent", x, jnp.zeros_like(x)), ("not finite", bad, None)):
        found = pi_of(data, weights)
        assert bool(jnp.isfinite(found).all()), f"check_algorithm: weights must stay finite for data {name}"


def _same(name: str, found: jax.Array, expected: jax.Array | float) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=_tolerance(), err_msg=f"check_algorithm: {name}")


def _tolerance() -> float:
    return 1e-10 if jax.config.jax_enable_x64 else 2e-5


def _check_shapes(algorithm: Algorithm, basis: Basis, x: jax.Array, nonnegative: bool) -> None:
    start = algorithm.init(basis)
    state = algorithm.update(start, basis, x, None)
    before, after = (jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), s) for s in (start, state))
    assert before == after, f"check_algorithm: update must keep the state's shapes and dtypes; {before} became {after}"
    pi, n = algorithm.weights(state, basis), basis.capacity
    assert pi.shape == (n,), f"check_algorithm: weights must have shape ({n},), the capacity; found {pi.shape}"
    assert bool(jnp.isfinite(pi).all()), "check_algorithm: weights must be finite"
    _same("weights must sum to 1", pi.sum(), 1.0)
    if nonnegative:
        assert float(pi.min()) >= 0, f"check_algorithm: weights must be at least 0; found {float(pi.min())}"
    unchanged = np.allclose(pi, algorithm.weights(start, basis), atol=_tolerance())
    assert not unchanged, "check_algorithm: data change nothing"


def _check_data_weights(algorithm: Algorithm, pi_of: Callable[..., jax.Array], x: jax.Array) -> None:
    _same("weights of 1 must be as none", pi_of(x, jnp.ones_like(x)), pi_of(x))
    some = jnp.arange(x.shape[0]) % 3 != 0
    _same("a weight of 0 must mean absent", pi_of(x, some.astype(x.dtype)), pi_of(x[some]))
    _same("a boolean weight must do as a number", pi_of(x, some), pi_of(x[some]))
    if algorithm.merge is not None:  # else the order of the data matters, and twice may differ from a copy at the end
        twice = pi_of(jnp.concatenate([x, x[~some]]))
        _same("a weight of 2 must mean twice", pi_of(x, jnp.where(some, 1, 2)), twice)


def _check_parts(algorithm: Algorithm, basis: Basis, x: jax.Array, pi: jax.Array) -> None:
    start = algorithm.init(basis)
    if algorithm.merge is not None:
        halves = [algorithm.update(start, basis, half, None) for half in (x[:40], x[40:])]
        _same("merged parts must equal one pass", algorithm.weights(algorithm.merge(*halves), basis), pi)
    consecutive = algorithm.update(algorithm.update(start, basis, x[:40], None), basis, x[40:], None)
    _same("consecutive updates must equal one pass", algorithm.weights(consecutive, basis), pi)
