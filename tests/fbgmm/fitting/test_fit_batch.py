"""Many targets × many n × many t in one compiled call."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import fbgmm
from fbgmm.fitting.shards import _on_one_device as compiled
from tests import oracle

NS, TS = (10, 37, 200, 1000), (0.4, 1.0, 3.0)


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(0)
    return np.stack([rng.normal(3 * k, 1 + k, 400) for k in range(3)])


def traced(algorithm):
    """The algorithm, and a list that grows by one each time that a program with it is traced."""
    traces = []

    def update(state, basis, x, weights):
        traces.append(x.shape)
        return algorithm.update(state, basis, x, weights)

    return algorithm._replace(update=update), traces


def test_every_combination_in_one_program(x, rounding):
    algorithm, traces = traced(fbgmm.algorithm2())
    programs = compiled._cache_size()
    gmms = fbgmm.fit_batch(x, NS, TS, algorithm)
    assert gmms.batch_shape == (3, 4, 3)
    assert len(traces) <= 2  # one for each kind of platform, not one for each combination
    assert compiled._cache_size() == programs + 1
    traces.clear()
    again = fbgmm.fit_batch(x[::-1].copy(), NS[::-1], TS[::-1], algorithm)  # other values, same shapes
    assert not traces
    assert compiled._cache_size() == programs + 1
    np.testing.assert_allclose(again.pi[::-1, ::-1, ::-1], gmms.pi, atol=rounding)
    for i in range(3):
        for j, n in enumerate(NS):
            for k, t in enumerate(TS):
                one = fbgmm.fit(x[i], n, t)
                np.testing.assert_allclose(gmms.pi[i, j, k, :n], one.pi, rtol=20 * rounding, atol=rounding)
                np.testing.assert_array_equal(gmms.pi[i, j, k, n:], 0)
                np.testing.assert_allclose(gmms[i, j, k].basis.mu[:n], one.basis.mu, atol=2 * rounding * np.ptp(x[i]))
                sigma = t * np.ptp(x[i].astype(gmms.pi.dtype)) / n
                np.testing.assert_allclose(gmms.basis.sigma[i, j, k], sigma, rtol=rounding)


def test_other_values_of_one_shape_find_the_compiled_program(x):
    fbgmm.fit_batch(x, (10, 60), (1.0, 3.0))
    programs = compiled._cache_size()
    for ns, ts in (((60, 11), (2.0, 1.0)), ((5, 60), (0.3, 4.0)), ([60, 60], [1, 2])):
        fbgmm.fit_batch(x + 1, ns, ts)
    assert compiled._cache_size() == programs


@pytest.mark.slow
def test_methods_of_a_padded_batch_are_those_of_single_fits(x, accuracy):
    gmms = fbgmm.fit_batch(x, (10, 60), (1.0, 3.0))
    at = np.linspace(-5, 20, 21).astype(gmms.pi.dtype)
    log_prob, cdf = gmms.log_prob(at.reshape(-1, 1, 1, 1)), gmms.cdf(at.reshape(-1, 1, 1, 1))
    loss, variance = fbgmm.information_loss(jax.scipy.stats.norm.cdf, gmms), gmms.variance()
    for i, j, k in ((0, 0, 0), (1, 0, 1), (2, 1, 0)):
        one = fbgmm.fit(x[i], (10, 60)[j], (1.0, 3.0)[k])
        scale = np.maximum(1, np.abs(oracle.log_prob(one, at)))
        assert (np.abs(log_prob[:, i, j, k] - oracle.log_prob(one, at)) <= 10 * accuracy * scale).all()
        np.testing.assert_allclose(cdf[:, i, j, k], oracle.cdf(one, at), atol=4 * accuracy)
        np.testing.assert_allclose(variance[i, j, k], one.variance(), rtol=10 * accuracy)
        edges = np.asarray(one.basis.edges, np.float64)
        ends = [norm.cdf(e) - oracle.cdf(one, e) for e in edges]
        expected = np.abs(np.diff(ends)).sum() + abs(ends[0]) + abs(ends[-1])
        np.testing.assert_allclose(loss[i, j, k], expected, atol=20 * accuracy)


def test_axes_are_there_only_for_sequences(x):
    shapes = {
        (3,): (50, 2.0),
        (3, 1): ([50], 2.0),
        (3, 2): (50, (1.0, 2.0)),
        (3, 2, 1): (np.asarray([5, 50]), np.asarray([2.0])),
    }
    for shape, (n, t) in shapes.items():
        gmms = fbgmm.fit_batch(x, n, t)
        assert gmms.batch_shape == shape
        assert gmms.pi.shape == (*shape, 50)
        assert gmms.status.shape == shape
        last = (2,) + (-1,) * (len(shape) - 1)
        low, high = (float(end[last]) for end in (gmms.basis.low, gmms.basis.high))
        n, t = int(np.max(n)), float(np.max(t))
        expected = oracle.normalised(oracle.algorithm2(x[2].astype(gmms.pi.dtype), low, high, n, t))
        np.testing.assert_allclose(gmms.pi[last], expected, atol=1e-6)
        mu, _, sigma = oracle.grid(low, high, n, t)
        np.testing.assert_allclose(gmms.basis.mu[last], mu, rtol=1e-5)
        np.testing.assert_allclose(gmms.basis.sigma[last], sigma, rtol=1e-5)


@pytest.mark.slow
def test_ragged_rows_are_single_fits(rounding):
    rng = np.random.default_rng(1)
    rows = [rng.normal(size=k) for k in (7, 100, 2)]
    for algorithm in (fbgmm.algorithm2(), fbgmm.algorithm2("minus_dL_over_n_clipped")):
        gmms = fbgmm.fit_batch(rows, 20, 2.0, algorithm)
        for i, row in enumerate(rows):
            np.testing.assert_allclose(gmms.pi[i], fbgmm.fit(row, 20, 2.0, algorithm).pi, atol=5 * rounding)
            np.testing.assert_array_equal(gmms.basis.low[i], fbgmm.fit(row, 20).basis.low)
    for same in (tuple(rows), (row for row in rows), [list(row) for row in rows], [jnp.asarray(row) for row in rows]):
        np.testing.assert_array_equal(fbgmm.fit_batch(same, 20).pi, fbgmm.fit_batch(rows, 20).pi)


@pytest.mark.slow
def test_padding_does_not_change_a_row():
    """Neither the padding's length nor what stands in it."""
    row = [1.0, 2.0, 4.0, 4.5]
    alone = fbgmm.fit_batch([row], 8)
    for other in ([0.0, 1.0, 2.0, 3.0, 4.0], list(range(100)), [-1e6, 1e6] * 50):
        both = fbgmm.fit_batch([row, other], 8)
        np.testing.assert_array_equal(both.pi[0], alone.pi[0])
        np.testing.assert_array_equal(both.basis.high[0], alone.basis.high[0])


def test_weights(x, rounding):
    rng = np.random.default_rng(2)
    for weights in (rng.integers(0, 3, x.shape), rng.uniform(0, 2, x.shape)):
        gmms = fbgmm.fit_batch(x, 20, weights=weights)
        for i in range(3):
            np.testing.assert_allclose(gmms.pi[i], fbgmm.fit(x[i], 20, weights=weights[i]).pi, atol=rounding)
    rows, weights = [x[0, :5], x[1, :9]], [[1, 2, 0, 1, 1], [1.5] * 9]
    gmms = fbgmm.fit_batch(rows, 20, weights=weights)
    for i in range(2):
        np.testing.assert_allclose(gmms.pi[i], fbgmm.fit(rows[i], 20, weights=weights[i]).pi, atol=rounding)


def test_ranges(x, rounding):
    gmms = fbgmm.fit_batch(x, 60, low=-30.0, high=[30.0, 40.0, 50.0])
    np.testing.assert_array_equal(gmms.basis.low, -30.0)
    np.testing.assert_array_equal(gmms.basis.high, [30.0, 40.0, 50.0])
    np.testing.assert_allclose(gmms.pi[1], fbgmm.fit(x[1], 60, low=-30.0, high=40.0).pi, rtol=rounding)


def test_under_jit(x, dtype, rounding):
    data = jnp.asarray(x, dtype)
    inside = jax.jit(lambda x: fbgmm.fit_batch(x, (5, 20), (1.0, 2.0)))(data)
    np.testing.assert_allclose(inside.pi, fbgmm.fit_batch(data, (5, 20), (1.0, 2.0)).pi, atol=rounding)
    ragged = jax.jit(lambda a, b: fbgmm.fit_batch([a, b], 20))(data[0], data[1, :7])
    np.testing.assert_allclose(ragged.pi[1], fbgmm.fit(data[1, :7], 20).pi, atol=rounding)


def test_rows_of_mixed_precision_lose_nothing():
    """The widest dtype of the rows holds them all."""
    rows = [np.asarray([1, 2, 4], np.float32), np.asarray([1.0, 1.0 + 2.0**-30, 2.0])]
    expected = fbgmm.fit_batch(rows[::-1], 8)
    found = fbgmm.fit_batch(rows, 8)
    assert found.pi.dtype == expected.pi.dtype
    np.testing.assert_array_equal(found.pi[1], expected.pi[0])
