"""The one place that touches raw data."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fbgmm
from fbgmm.counts import Counts, add, count, no_counts, total

BASIS = fbgmm.init_basis(0.0, 8.0, 8)


def exact(counts):
    """The integer part as Python integers, which know no bound."""
    units, blocks = np.asarray(counts.units), np.asarray(counts.blocks)
    return [int(u) + (int(b) << 20) for u, b in zip(units, blocks, strict=True)]


def state(counts):
    """Counts of any size, as the merging of many parts leaves them."""
    units = jnp.asarray([c % 2**20 for c in counts], jnp.int32)
    return no_counts(BASIS)._replace(units=units, blocks=jnp.asarray([c >> 20 for c in counts], jnp.int32))


def test_counts_against_numpy(dtype):
    x = np.random.default_rng(0).uniform(-1, 9, 1000).astype(dtype)
    expected = np.histogram(np.clip(x, 0, 8), bins=8, range=(0, 8))[0]
    found = count(BASIS, jnp.asarray(x))
    assert exact(found) == expected.tolist()
    assert (found.weight == 0).all()
    np.testing.assert_array_equal(total(found), expected)


def test_integer_weights_are_exact_and_float_weights_summed(dtype):
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 8, 400).astype(dtype)
    cells = np.minimum(x.astype(int), 7)
    for weights in (
        rng.integers(0, 1000, 400),
        rng.integers(0, 2, 400).astype(bool),
        rng.integers(0, 9, 400, np.uint8),
    ):
        found = count(BASIS, jnp.asarray(x), jnp.asarray(weights))
        assert exact(found) == np.bincount(cells, weights, 8).astype(int).tolist()
    weights = rng.uniform(0, 2, 400).astype(dtype)
    found = count(BASIS, jnp.asarray(x), jnp.asarray(weights))
    assert exact(found) == [0] * 8
    np.testing.assert_allclose(found.weight, np.bincount(cells, weights, 8), rtol=1e-5)


def test_what_is_absent(dtype):
    x = jnp.asarray([0.5, np.nan, np.inf, -np.inf, 1e30 if dtype == np.float32 else 1e300, 0.5, 1.5], dtype)
    assert exact(count(BASIS, x)) == [2, 1] + [0] * 6
    weights = jnp.asarray([1, 1, 1, 1, 1, 0, -3])
    assert exact(count(BASIS, x, weights)) == [1] + [0] * 7
    found = count(BASIS, x, weights.astype(dtype).at[5].set(jnp.nan))
    np.testing.assert_array_equal(total(found), [1] + [0] * 7)
    assert exact(count(BASIS, x[:0])) == [0] * 8


@pytest.mark.parametrize("edge", [20, 24, 31, 40, 49])
def test_words_carry(edge):
    """Near 2^20 the low word is full, near 2^24 float32 would stop counting, near 2^31 int32 would wrap."""
    one = count(BASIS, jnp.asarray([0.5, 3.5]))
    at = [2**edge - 2, 2**edge - 1, 2**edge, 2**edge - 1, 0, 1, 2**20 - 1, 2**19]
    counts, expected = state(at), list(at)
    for _ in range(5):
        counts = add(counts, one)
        expected = [c + p for c, p in zip(expected, [1, 0, 0, 1, 0, 0, 0, 0], strict=True)]
        assert exact(counts) == expected
        assert (np.asarray(counts.units) < 2**20).all()
        assert (np.asarray(counts.units) >= 0).all()
    assert exact(add(counts, counts)) == [2 * c for c in expected]


def test_one_more_point_in_many_is_not_lost(dtype):
    """2^24 + 1 is no float32; the sum of two such counts has to know of both points."""
    counts = state([2**24 + 1] * 8)
    assert float(total(add(counts, counts))[0]) == float(dtype(2**25 + 2))
    assert exact(add(counts, counts))[0] == 2**25 + 2


@given(st.lists(st.integers(0, 2**49), min_size=8, max_size=8), st.lists(st.integers(0, 2**49), min_size=8, max_size=8))
def test_merging_is_exact_and_its_total_rounded_once(a, b):
    merged = add(state(a), state(b))
    assert exact(merged) == [i + j for i, j in zip(a, b, strict=True)]
    c = np.asarray(total(merged))
    for found, i, j in zip(c.tolist(), a, b, strict=True):
        allowed = Fraction(i + j) * Fraction(float(np.finfo(c.dtype).eps))  # one rounding of each of two words
        assert abs(Fraction(found) - (i + j)) <= allowed


def test_adding_leaf_by_leaf_over_devices_is_merging():
    """An all-reduce knows nothing of carrying; up to 2^10 parts their low words still fit."""
    one = state([2**20 - 1] * 8)
    summed = jax.tree.map(lambda leaf: jnp.sum(jnp.tile(leaf[None], (1024, 1)), axis=0, dtype=leaf.dtype), one)
    assert isinstance(summed, Counts)
    assert exact(summed) == [1024 * (2**20 - 1)] * 8
    assert exact(add(summed, no_counts(BASIS))) == [1024 * (2**20 - 1)] * 8


@pytest.mark.parametrize("weights", [[2**30] * 5, [2**32 + 1] * 5, [2**40] * 5, np.full(5, 2**31, np.uint32)])
def test_heavy_integer_weights_do_not_wrap(weights):
    """Neither one of them, nor their sum in one cell, is cut to 32 bits: counted or refused by name, but never that."""
    try:
        gmm = fbgmm.fit([0.5, 0.5, 0.5, 0.5, 7.5], 2, weights=weights, low=0.0, high=8.0)
    except ValueError as error:
        assert "weights must" in str(error)  # noqa: PT017
    else:
        np.testing.assert_allclose(gmm.pi, [0.8, 0.2], rtol=1e-5)


def test_count_runs_under_jit_and_vmap(dtype):
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 8, (3, 50)), dtype)
    many = jax.jit(jax.vmap(lambda x: count(BASIS, x)))(x)
    for row, units in zip(x, many.units, strict=True):
        np.testing.assert_array_equal(count(BASIS, row).units, units)
