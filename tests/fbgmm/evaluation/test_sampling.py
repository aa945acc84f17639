"""The alias table holds the probabilities that it was made of, and draws follow them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fbgmm.evaluation import sampling
from fbgmm.evaluation.sampling import alias_table, bits_and_normal, choose_components

RNG = np.random.default_rng(0)
WEIGHTS = {
    "equal": np.full(7, 1 / 7),
    "one": np.array([1.0]),
    "first": np.array([1.0, 0, 0, 0]),
    "last": np.array([0, 0, 0, 1.0]),
    "with zeros": np.array([0.25, 0, 0.25, 0.5, 0]),
    "even": RNG.dirichlet(np.ones(200)),
    "uneven": RNG.dirichlet(np.full(1000, 0.05)),
}


table_of = jax.jit(alias_table)


def probabilities(pi):
    """What the table gives each component: its own share, and those of the cells that it fills."""
    accept, alias = map(np.asarray, table_of(jnp.asarray(pi)))
    assert (accept >= 0).all()
    assert (accept <= 1).all()
    found = accept.astype(float)
    np.add.at(found, alias, 1 - accept.astype(float))
    return found / len(pi)


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_table_holds_the_weights(name, dtype):
    pi = WEIGHTS[name]
    np.testing.assert_allclose(probabilities(pi), pi, atol=1e-6 if dtype == np.float32 else 1e-14)


def test_the_table_holds_weights_whose_sums_meet():
    """Small whole numbers: what is lacking in some cells is exactly what others have left over."""
    for seed in range(100):
        pi = np.random.default_rng(seed).integers(0, 6, 30) / 30
        accept, alias = map(np.asarray, table_of(jnp.asarray(pi / pi.sum())))
        found = np.bincount(np.arange(30), accept, 30) + np.bincount(alias, 1 - accept, 30)
        np.testing.assert_allclose(found / 30, pi / pi.sum(), atol=1e-5)


@pytest.mark.slow
@given(st.lists(st.floats(0, 1, width=16), min_size=2, max_size=12).filter(lambda w: sum(w) > 0.01))
def test_the_table_holds_any_weights(weights):
    pi = np.array(weights) / sum(weights)
    np.testing.assert_allclose(probabilities(pi), pi, atol=2e-6)


@pytest.mark.parametrize("draws", [20, 100_000])
@pytest.mark.parametrize("name", ["with zeros", "even"])
def test_draws_follow_the_weights(name, draws):
    pi = WEIGHTS[name]
    keys = 100_000 // draws
    bits = jax.random.bits(jax.random.key(1), (keys, draws), jnp.uint32)
    found = np.bincount(
        np.asarray(jax.vmap(lambda b: choose_components(jnp.asarray(pi), b))(bits)).ravel(), minlength=len(pi)
    )
    assert found[pi == 0].sum() == 0
    some = pi > 0
    assert stats.chisquare(found[some], found.sum() * pi[some] / pi[some].sum()).pvalue > 1e-3


def test_the_ends_of_the_bits():
    ends = jnp.array([0, 2**32 - 1] * 50, jnp.uint32)
    for pi in (WEIGHTS["first"], WEIGHTS["last"], WEIGHTS["with zeros"]):
        for bits in (ends, ends[:2]):
            assert (pi[np.asarray(choose_components(jnp.asarray(pi), bits))] > 0).all()


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_words_and_normal_draws_are_independent_and_of_the_right_law(impl, dtype):
    key = jax.random.key(3, impl=impl)
    bits, z = bits_and_normal(key, (300, 400), jnp.dtype(dtype))
    assert bits.dtype == jnp.uint32
    assert z.dtype == dtype
    assert stats.kstest(np.asarray(z, np.float64).ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(np.asarray(bits, np.float64).ravel() / 2**32, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(np.asarray(bits, np.float64).ravel(), np.asarray(z).ravel())[0, 1]) < 0.012
    other = bits_and_normal(jax.random.key(4, impl=impl), (300, 400), jnp.dtype(dtype))
    assert not np.array_equal(bits, other[0])
    assert not np.array_equal(z, other[1])


def test_normal_draws_are_finite_and_symmetric_at_the_ends_of_the_words():
    z = sampling._normal(jnp.array([0, 2**32 - 1, 2**31, 2**31 - 1], jnp.uint32))
    assert np.isfinite(z).all()
    np.testing.assert_allclose(z[0::2], -z[1::2])
    assert 5.2 < float(z[1]) < 5.4
