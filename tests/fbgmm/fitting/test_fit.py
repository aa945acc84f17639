"""fit and fit_stream: one pass over the data, from arguments to a mixture."""

from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

import fbgmm
from fbgmm.algorithms import algorithm1, algorithm2, base
from fbgmm.counts import add, count, no_counts
from tests import oracle
from tests.conftest import X64
from tests.programs import largest_array

# Exact in float32 and no edge of the 64 cells of width 1/4 over [-8, 8]: rounding moves no point to another cell.
POINTS = st.integers(-8 * 16, 8 * 16 - 1).map(lambda k: k / 16 + 1 / 64)
DATA = st.lists(POINTS, min_size=2, max_size=40).filter(lambda x: len(set(x)) > 1)
# A few points, some of them equal, may well have more than half of them in one cell.
pytestmark = pytest.mark.filterwarnings("ignore::fbgmm.MisfitWarning")
SIZE = 40  # all data are padded to one length, so that one program serves all examples


def fit(x, weights=None, algorithm=2, low=-8.0, high=8.0, n=64):
    """fit of data padded with points of weight 0."""
    pad = SIZE * 2 - len(x)
    weights = np.ones(len(x), int) if weights is None else np.asarray(weights)
    x = np.asarray([*x, *([x[0]] * pad)])
    return fbgmm.fit(
        x, n, 2.0, algorithm, weights=np.concatenate([weights, np.zeros(pad, weights.dtype)]), low=low, high=high
    )


@pytest.mark.parametrize("algorithm", [1, 2])
@given(x=DATA)
def test_a_fit_is_a_density_and_the_loop_as_printed(algorithm, x):
    pi = np.asarray(fit(x, algorithm=algorithm).pi)
    assert np.isfinite(pi).all()
    assert (pi >= 0).all()
    np.testing.assert_allclose(pi.sum(), 1, rtol=1e-6)
    loop = oracle.algorithm1 if algorithm == 1 else oracle.algorithm2
    expected = oracle.normalised(loop(x, -8.0, 8.0, 64, 2.0), clip=True)
    np.testing.assert_allclose(pi, expected, atol=(1e-13 if X64 else 3e-6) * expected.max())


@pytest.mark.parametrize("algorithm", [1, 2])
@given(x=DATA, seed=st.integers(0, 2**31))
def test_the_order_of_the_data_does_not_matter(algorithm, x, seed):
    shuffled = np.random.default_rng(seed).permutation(x)
    np.testing.assert_array_equal(fit(x, algorithm=algorithm).pi, fit(list(shuffled), algorithm=algorithm).pi)


@pytest.mark.parametrize("algorithm", [1, 2])
@given(data=st.data(), x=DATA)
def test_weights_of_zero_and_two(algorithm, data, x):
    repeats = data.draw(st.lists(st.integers(0, 2), min_size=len(x), max_size=len(x)).filter(any))
    expected = fit(list(np.repeat(x, repeats)), algorithm=algorithm).pi
    np.testing.assert_array_equal(fit(x, repeats, algorithm).pi, expected)
    as_floats = fit(x, np.asarray(repeats, float), algorithm).pi
    np.testing.assert_allclose(as_floats, expected, atol=1e-14 if X64 else 1e-6)


@pytest.mark.parametrize("algorithm", [1, 2])
@given(x=DATA, power=st.integers(-20, 20), shift=st.integers(-64, 64))
def test_shift_and_scale(algorithm, x, power, shift):
    """Scaling by a power of two is exact; shifting is as exact as the points remain."""
    scale = 2.0**power
    x = np.asarray(x)
    one = fit(x, algorithm=algorithm)
    scaled = fit(x * scale, algorithm=algorithm, low=-8 * scale, high=8 * scale)
    np.testing.assert_array_equal(scaled.pi, one.pi)
    np.testing.assert_array_equal(scaled.basis.mu, one.basis.mu * scale)
    np.testing.assert_array_equal(scaled.basis.sigma, one.basis.sigma * scale)
    shifted = fit(x + shift, algorithm=algorithm, low=-8.0 + shift, high=8.0 + shift)
    np.testing.assert_array_equal(shifted.pi, one.pi)
    at = np.linspace(-9, 9, 11)
    np.testing.assert_allclose(shifted.log_prob(at + shift), one.log_prob(at), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scaled.log_prob(at * scale), one.log_prob(at) - np.log(scale), rtol=1e-5, atol=1e-5)


@given(x=DATA, scale=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_shift_and_scale_to_rounding(x, scale, shift):
    """By factors that round every number: points may cross an edge, but the density moves by next to nothing."""
    x = np.asarray(x)
    one, moved = fit(x), fit(x * scale + shift, low=-8 * scale + shift, high=8 * scale + shift)
    np.testing.assert_allclose(moved.mean(), one.mean() * scale + shift, rtol=1e-4, atol=1e-3 * scale)
    np.testing.assert_allclose(moved.variance(), one.variance() * scale**2, rtol=1e-3)


@given(x=DATA, cuts=st.lists(st.integers(0, 40), max_size=4))
@pytest.mark.parametrize("algorithm", [1, 2])
def test_merging_chunks_is_one_pass(algorithm, x, cuts):
    chunks = np.split(np.asarray(x), np.unique(np.minimum(cuts, len(x))).astype(int))
    whole = (
        fbgmm.fit(np.asarray(x), 64, 2.0, algorithm, low=-8.0, high=8.0) if len(x) == 2 else fit(x, algorithm=algorithm)
    )
    streamed = fbgmm.fit_stream(chunks, low=-8.0, high=8.0, n=64, t=2.0, algorithm=algorithm)
    np.testing.assert_allclose(streamed.pi, whole.pi, atol=1e-15 if X64 else 1e-7)
    assert int(streamed.status) == 0


def test_streamed_counts_are_bit_equal(dtype):
    x = np.random.default_rng(0).normal(size=10_000).astype(dtype)
    basis = fbgmm.init_basis_from(x, 100)
    merged = no_counts(basis)
    for chunk in np.array_split(x, 7):
        merged = add(merged, count(basis, jnp.asarray(chunk)))
    for a, b in zip(merged, count(basis, jnp.asarray(x)), strict=True):
        np.testing.assert_array_equal(a, b)
    by_stream = fbgmm.fit_stream(np.array_split(x, 7), n=100)
    np.testing.assert_array_equal(by_stream.pi, fbgmm.fit(x, 100).pi)
    np.testing.assert_array_equal(by_stream.basis.mu, fbgmm.fit(x, 100).basis.mu)


def test_streams_of_many_lengths_compile_few_programs():
    original, traces = base.from_counts(lambda c, basis: fbgmm.normalize(c + 1)), []

    def update(state, basis, x, weights):
        traces.append(x.shape)
        return original.update(state, basis, x, weights)

    chunks = [np.arange(k) / 100 for k in range(1, 66, 3)]
    fbgmm.fit_stream(chunks, low=0.0, high=1.0, n=10, algorithm=original._replace(update=update))
    assert len(traces) <= 8


def test_streams_of_all_kinds(dtype):
    x = [np.asarray([1.0, 2.5]), np.asarray([]), [4, 3]]
    expected = fbgmm.fit([1.0, 2.5, 4.0, 3.0], 8).pi
    for chunks in (x, tuple(x), iter(x), (c for c in x)):
        given_range = {} if isinstance(chunks, (list, tuple)) else {"low": 1, "high": 4}
        np.testing.assert_array_equal(fbgmm.fit_stream(chunks, n=8, **given_range).pi, expected)
    for algorithm in (algorithm1("point_side"), algorithm2("minus_dL_over_n_clipped")):  # in the order of the stream
        streamed = fbgmm.fit_stream(x, n=8, algorithm=algorithm).pi
        np.testing.assert_allclose(streamed, fbgmm.fit([1.0, 2.5, 4.0, 3.0], 8, algorithm=algorithm).pi, atol=1e-6)


def test_defaults(dtype):
    x = np.random.default_rng(0).normal(size=100).astype(dtype)
    gmm = fbgmm.fit(x, t=2)
    assert gmm.pi.shape == (200,)
    np.testing.assert_allclose(gmm.basis.t, 2.0)
    np.testing.assert_array_equal(gmm.pi, fbgmm.fit(x, 200, 2.0, algorithm2()).pi)
    np.testing.assert_array_equal([gmm.basis.low, gmm.basis.high], [x.min(), x.max()])
    assert gmm.pi.dtype == dtype
    assert gmm.status.dtype == jnp.int32
    assert int(gmm.status) == fbgmm.Status.OK


def test_lists_integers_and_arrays_are_one(dtype):
    expected = fbgmm.fit(np.asarray([1.0, 5.0, 2.0]), 8).pi
    for x in ([1, 5, 2], (1, 5, 2), range(1, 6, 4), np.asarray([1, 5, 2], np.int8), np.asarray([1, 5, 2], np.uint64),
              jnp.asarray([1, 5, 2]), np.asarray([1, 5, 2], np.longdouble)):  # fmt: skip
        if len(x) == 3:
            np.testing.assert_array_equal(fbgmm.fit(x, 8).pi, expected)
        else:
            assert fbgmm.fit(x, 8).pi.dtype == dtype


def test_float32_data_stay_float32():
    gmm = fbgmm.fit(np.asarray([1, 2, 4], np.float32), 8)
    assert gmm.pi.dtype == np.float32
    assert gmm.log_prob(np.float32(1)).dtype == np.float32


def test_points_outside_a_given_range_count_in_the_end_cells():
    gmm = fbgmm.fit([-5.0, 0.5, 9.0, 100.0], 4, low=0.0, high=4.0)
    same = fbgmm.fit([0.1, 0.5, 3.9, 3.8], 4, low=0.0, high=4.0)
    np.testing.assert_array_equal(gmm.pi, same.pi)
    half = fbgmm.fit([1.0, 3.0], 4, low=0.0)
    assert (float(half.basis.low), float(half.basis.high)) == (0.0, 3.0)


def test_points_of_weight_zero_do_not_widen_the_range():
    gmm = fbgmm.fit([1.0, 2.0, 50.0, float("nan")], 4, weights=[1, 1, 0, 0])
    assert (float(gmm.basis.low), float(gmm.basis.high)) == (1.0, 2.0)
    np.testing.assert_array_equal(gmm.pi, fbgmm.fit([1.0, 2.0], 4).pi)


def test_jit_and_vmap(dtype, rounding):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 50)), dtype)
    one = fbgmm.fit(x[1], 16, 3.0)
    np.testing.assert_allclose(jax.jit(lambda x: fbgmm.fit(x, 16, 3.0))(x[1]).pi, one.pi, atol=rounding)
    many = jax.vmap(lambda x: fbgmm.fit(x, 16, 3.0))(x)
    assert many.batch_shape == (3,)
    np.testing.assert_allclose(many.pi[1], one.pi, atol=rounding)
    np.testing.assert_allclose(many[1].log_prob(0.3), one.log_prob(0.3), rtol=10 * rounding)
    by_t = jax.jit(jax.vmap(lambda t: fbgmm.fit(x[1], 16, t).log_prob(0.3)))(jnp.asarray([1.0, 3.0], dtype))
    np.testing.assert_allclose(by_t[1], one.log_prob(0.3), rtol=10 * rounding)


def test_a_fit_is_differentiable_in_data_weights_and_t(dtype):
    x = jnp.asarray([0.0, 1.0, 2.5, 4.0], dtype)

    def score(weights, t):
        return fbgmm.fit(x, 8, t, weights=weights).log_prob(1.7)

    weights, eps = jnp.asarray([1.0, 2.0, 0.5, 1.0], dtype), 1e-3 if X64 else 3e-2
    by_weight, by_t = jax.grad(score, argnums=(0, 1))(weights, jnp.asarray(2.0, dtype))
    step = jnp.zeros(4, dtype).at[1].set(eps)
    np.testing.assert_allclose(
        by_weight[1], (score(weights + step, 2.0) - score(weights - step, 2.0)) / 2 / eps, atol=2e-3
    )
    np.testing.assert_allclose(by_t, (score(weights, 2.0 + eps) - score(weights, 2.0 - eps)) / 2 / eps, atol=2e-3)


def test_no_array_of_points_times_components(dtype):
    size, n = 3000, 1000
    x = jnp.linspace(0.0, 1.0, size)
    for algorithm in (1, 2):
        assert largest_array(lambda x: fbgmm.fit(x, n, 3.0, algorithm), x) <= 8 * (n + size)  # noqa: B023
        assert largest_array(lambda x: fbgmm.fit_batch(x[None], (10, n), (1.0, 3.0), algorithm), x) <= 16 * (n + size)  # noqa: B023


def test_a_wide_range_of_magnitudes(dtype):
    """From the smallest spacing that can be divided by n to the largest range whose variance is finite."""
    largest = np.sqrt(np.finfo(dtype).max) / 16
    mu, _, sigma = oracle.grid(-1.0, 1.0, 50, 2.0)
    pi = oracle.normalised(oracle.algorithm2([-1.0, 0.3, 0.35, 1.0], -1.0, 1.0, 50, 2.0))
    variance = sigma**2 + pi @ (mu - pi @ mu) ** 2
    fine = np.linspace(-2, 2, 20_001)
    g = stats.norm.pdf(fine[:, None], mu, sigma) @ pi
    entropy = integrate.simpson(special.entr(g), x=fine)
    for scale in (largest, 1e10, 1.0, 1e-10, 1e-30):
        x = np.asarray([-1.0, 0.3, 0.35, 1.0]) * scale
        gmm = fbgmm.fit(x.astype(dtype), 50, 2.0)
        np.testing.assert_allclose(gmm.pi, pi, rtol=1e-4)
        expected = dtype(variance * scale**2)
        with nullcontext() if expected else pytest.warns(fbgmm.PrecisionWarning, match="below the least number"):
            np.testing.assert_allclose(gmm.variance(), expected, rtol=1e-4)
        log_prob = np.log(stats.norm.pdf((x / scale)[:, None], mu, sigma) @ pi) - np.log(scale)
        np.testing.assert_allclose(gmm.log_prob(x.astype(dtype)), log_prob, rtol=1e-4)
        np.testing.assert_allclose(gmm.entropy(), entropy + np.log(scale), rtol=1e-4)


def test_a_width_too_small_to_divide_is_no_width():
    """Where r = (high − low)/n is 0 or no more than a rounding of the points, nothing can be told apart."""
    tiny = float(np.finfo(np.float64 if X64 else np.float32).tiny)
    for x in ([0.0, tiny], [0.0, 20 * tiny]):
        with pytest.raises(ValueError, match=r"x has no width"):
            fbgmm.fit(x, 200)
