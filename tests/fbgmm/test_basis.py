"""The fixed basis: means, cells, edges, ranges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fbgmm
from fbgmm.basis import data_range, t_bound
from fbgmm.counts import cell_index
from tests import oracle


@given(st.sampled_from([1, 2, 7, 60]), st.floats(-1e3, 1e3), st.floats(0.1, 1e3), st.floats(0.01, 50))
def test_means_are_the_centres_of_cells_that_tile_the_range(n, low, width, t):
    basis = fbgmm.init_basis(low, low + width, n, t)
    mu, r, sigma = oracle.grid(float(basis.low), float(basis.high), n, t)
    tolerance = 4 * np.finfo(basis.dtype).eps * (abs(low) + width)
    np.testing.assert_allclose(basis.mu, mu, rtol=0, atol=tolerance)
    np.testing.assert_allclose(basis.edges[:-1], mu - r / 2, rtol=0, atol=tolerance)
    assert basis.edges[-1] == basis.high
    np.testing.assert_allclose(basis.r, r, rtol=1e-5)
    np.testing.assert_allclose(basis.sigma, sigma, rtol=1e-5)
    np.testing.assert_allclose(basis.t, t, rtol=1e-5)
    assert int(basis.n) == n
    assert basis.capacity == n
    assert basis.live.all()


def test_components_beyond_n_are_not_live(rounding):
    basis = fbgmm.init_basis(0.0, 4.0, np.asarray([1, 4, 6]), 2.0, capacity=6)
    assert basis.mu.shape == (3, 6)
    assert basis.live.sum(-1).tolist() == [1, 4, 6]
    assert basis.edges.shape == (3, 7)
    np.testing.assert_array_equal(basis.edges[0], [0, 4, 4, 4, 4, 4, 4])
    np.testing.assert_array_equal(basis.edges[1], [0, 1, 2, 3, 4, 4, 4])
    np.testing.assert_allclose(fbgmm.init_pi(basis).sum(-1), 1, atol=rounding)
    assert (fbgmm.init_pi(basis)[~basis.live] == 0).all()


def test_every_n_is_found_again():
    """n is stored as (high − low)/r; its rounding must never be off by one."""
    n = np.arange(1, 5001)
    for low, high in ((0.0, 1.0), (-3.3, 7.7), (1e6, 1e6 + 1), (-1e-20, 1e-20)):
        basis = fbgmm.init_basis(low, high, n, 1.0, capacity=5000)
        np.testing.assert_array_equal(basis.n, n)
        # As in a compiled program, where (high − low)/((high − low)/n) might be simplified or fused.
        np.testing.assert_array_equal(jax.jit(lambda b: b.n)(basis), n)


def test_batch_shapes_broadcast():
    basis = fbgmm.init_basis(np.zeros((3, 1)), np.asarray([1.0, 2.0]), 5, t=2.0)
    assert basis.batch_shape == (3, 2)
    assert {leaf.shape for leaf in jax.tree.leaves(basis)} == {(3, 2)}
    np.testing.assert_allclose(basis.high, [[1, 2]] * 3)
    np.testing.assert_allclose(basis.sigma, [[0.4, 0.8]] * 3, rtol=1e-6)
    np.testing.assert_allclose(basis.mu[1], np.outer([1, 2], [0.1, 0.3, 0.5, 0.7, 0.9]), rtol=1e-6)
    assert fbgmm.init_basis(0, 1, 5, t=[1.0, 2.0]).batch_shape == (2,)
    lows = fbgmm.init_basis([[-1.0], [0.0]], [1.0, 2.0, 3.0], 2, t=[[[1.0]], [[3.0]]])
    np.testing.assert_allclose(lows.mu[1, 0], [[-0.5, 0.5], [-0.25, 1.25], [0, 2]], rtol=1e-6)
    np.testing.assert_allclose(lows.sigma[1], 3 * np.array([[1, 1.5, 2], [0.5, 1, 1.5]]), rtol=1e-6)


def test_runs_under_jit_vmap_and_grad():
    high = jnp.asarray([1.0, 2.0])
    mus = jax.jit(jax.vmap(lambda high: fbgmm.init_basis(0.0, high, 4).mu))(high)
    np.testing.assert_array_equal(mus[1], fbgmm.init_basis(0.0, 2.0, 4).mu)
    np.testing.assert_allclose(jax.grad(lambda h: fbgmm.init_basis(0.0, h, 4).sigma)(1.0), 0.5)
    # A program that takes a basis, as every method of a mixture does.
    np.testing.assert_array_equal(
        jax.jit(lambda basis: basis.mu)(fbgmm.init_basis(0, 1, 4)), [0.125, 0.375, 0.625, 0.875]
    )


def test_bases_with_the_usual_t_share_one_structure():
    structures = {jax.tree.structure(fbgmm.init_basis(0.0, 1.0, 10, t)) for t in (0.01, 0.5, 1.0, 2, 3.3, 4.0)}
    assert len(structures) == 1


@given(st.floats(1e-6, 1e6))
def test_the_bound_of_t_is_a_bound(t):
    assert t <= t_bound(t) <= max(4, 2 * t)
    assert t_bound([0.1, t]) == t_bound(t)


def test_the_nearest_mean(dtype):
    rng = np.random.default_rng(0)
    for low, high, n in ((-3.0, 7.0, 40), (0.0, 1.0, 1), (100.0, 101.0, 77)):
        basis = fbgmm.init_basis(low, high, n)
        x = rng.uniform(low - 1, high + 1, 500).astype(dtype)
        u = (x.astype(np.float64) - low) / (high - low) * n
        x = x[np.abs(u - np.round(u)) > 1e-3]
        expected = [np.argmin(np.abs(p - np.asarray(basis.mu, np.float64))) for p in x.astype(np.float64)]
        np.testing.assert_array_equal(cell_index(basis, jnp.asarray(x)), expected)


def test_midpoints_belong_to_the_upper_cell_and_the_ends_to_the_end_cells():
    basis = fbgmm.init_basis(0.0, 4.0, 4)  # all edges are exact
    assert cell_index(basis, jnp.asarray([0.0, 1.0, 2.0, 3.0, 4.0])).tolist() == [0, 1, 2, 3, 3]
    beyond = jnp.asarray([-np.inf, -1e38, -1.0, 5.0, 1e38, np.inf])
    assert cell_index(basis, beyond).tolist() == [0, 0, 0, 3, 3, 3]
    padded = fbgmm.init_basis(0.0, 4.0, 4, capacity=9)
    assert cell_index(padded, beyond).tolist() == [0, 0, 0, 3, 3, 3]


def test_range_of_the_data():
    x = jnp.asarray([3.0, -1.0, 2.0, 8.0])
    assert [float(a) for a in data_range(x)] == [-1.0, 8.0, 0.0]
    assert [float(a) for a in data_range(x, jnp.asarray([1.0, 0.0, 0.5, -1.0]))] == [2.0, 3.0, 0.0]
    assert [bool(a) for a in data_range(x.at[1].set(jnp.nan))[2:]] == [True]
    low, high, bad = data_range(x.at[1].set(jnp.nan), jnp.asarray([1, 0, 1, 1]))
    assert (float(low), float(high), bool(bad)) == (2.0, 8.0, False)  # a point of weight 0 is absent, also if NaN
    assert float(data_range(x[:0])[0]) == np.inf


def test_data_range_of_mapped_rows_and_its_derivative():
    rows = jnp.asarray([[3.0, 1.0, 1.0], [np.nan, 5.0, 2.0], [0.0, -1.0, np.inf]])
    low, high, bad = jax.vmap(data_range)(rows)
    assert (low.tolist(), high.tolist(), bad.tolist()) == ([1, 2, -1], [3, 5, 0], [False, True, True])
    assert jax.jit(jax.vmap(jax.vmap(data_range)))(rows[None])[0].tolist() == [[1, 2, -1]]
    slopes = jax.vmap(jax.grad(lambda x: 2 * data_range(x)[0] + data_range(x)[1]))(rows[:1])
    assert slopes.tolist() == [[1, 1, 1]]  # of two lowest points each moves the end by half
    middle = jax.grad(lambda x: jax.vmap(lambda row: fbgmm.init_basis_from(row, n=2).mu.sum())(x).sum())(rows[:1, :2])
    assert middle.tolist() == [[1, 1]]


def test_basis_from_data():
    basis = fbgmm.init_basis_from([3, 1, 2, 9], n=4, weights=[1, 2, 1, 0])
    assert (float(basis.low), float(basis.high), basis.capacity) == (1.0, 3.0, 4)
    traced = jax.jit(lambda x: fbgmm.init_basis_from(x, n=4))(jnp.asarray([3.0, 1.0]))
    assert (float(traced.low), float(traced.high)) == (1.0, 3.0)


def test_leaves_share_one_dtype():
    """Also where the precision of low, high and t differ."""
    for basis in (
        fbgmm.init_basis(np.float32(0), 1.0, 4),
        fbgmm.init_basis(0, np.float32(1), 4, t=np.float64(2)),
        fbgmm.fit(np.asarray([1, 2], np.float32), 4, low=0.0).basis,
        fbgmm.fit(np.asarray([1.0, 2.0]), 4, low=np.float32(0)).basis,
    ):
        assert len({leaf.dtype for leaf in jax.tree.leaves(basis)}) == 1


def test_repr_says_what_it_is():
    assert repr(fbgmm.init_basis(0.0, 1.0, 4)) == "Basis(n=4, low=0, high=1, r=0.25, t=2)"
    assert "batch_shape=(2,)" in repr(fbgmm.init_basis([0.0, 0.0], 1.0, 4))


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"n": 0}, ValueError, "n must be at least 1; found 0"),
        ({"n": -3}, ValueError, "n must be at least 1; found -3"),
        ({"n": 2.0}, TypeError, r"n must be an integer.*found 2\.0"),
        ({"n": "5"}, TypeError, "n must be an integer.*found '5'"),
        ({"n": [3, 4]}, TypeError, r"n must be an integer.*found \[3, 4\]"),
        ({"n": [3, 9], "capacity": 8}, ValueError, r"n must be between 1 and capacity = 8; found \[3, 9\]"),
        ({"n": 0, "capacity": 8}, ValueError, "n must be between 1 and capacity = 8; found 0"),
        ({"t": 0.0}, ValueError, r"t must be finite and above 0.*found 0\.0"),
        ({"t": -1}, ValueError, "t must be finite and above 0.*found -1"),
        ({"t": float("nan")}, ValueError, "t must be finite and above 0.*found nan"),
        ({"t": float("inf")}, ValueError, "t must be finite and above 0.*found inf"),
        ({"t": [1.0, 0.0]}, ValueError, r"t must be finite and above 0.*found \[1\.0, 0\.0\]"),
        ({"t": "wide"}, TypeError, "t must be a number.*found 'wide'"),
        ({"low": 1.0}, ValueError, r"low must be below high; found low = 1\.0, high = 1\.0"),
        ({"low": 2.0}, ValueError, r"low must be below high; found low = 2\.0, high = 1\.0"),
        ({"low": float("nan")}, ValueError, "low must be finite.*found nan"),
        ({"high": float("inf")}, ValueError, "high must be finite.*found inf"),
        ({"high": 1e300}, ValueError, "high must be finite and within .*found 1e.300"),
        ({"low": "a"}, TypeError, "low .*allowed: real numbers"),
        ({"low": 1j}, TypeError, "low .*allowed: real numbers"),
        ({"low": np.float16(0)}, TypeError, "low has dtype float16.*allowed: float32, float64"),
    ],
)
def test_bad_arguments(kwargs, error, words, unchecked_types):
    with pytest.raises(error, match=words):
        fbgmm.init_basis(**{"low": 0.0, "high": 1.0, **kwargs})


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([], "x is empty: found no points"),
        ([2.0, 2.0], r"x has no width: found 2 points, all equal to 2\.0"),
        ([1.0, float("nan"), 3.0], "x must be finite.*found"),
        ([1.0, float("inf")], "x must be finite.*found"),
        ([[1.0, 2.0]], r"x has shape \(1, 2\); allowed: one dimension"),
    ],
)
def test_bad_data(x, words):
    with pytest.raises(ValueError, match=words):
        fbgmm.init_basis_from(x)
