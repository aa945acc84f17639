"""Everything one asks of a density, against SciPy in float64 over the same means."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

import fbgmm
from fbgmm.evaluation.local_sums import precision, width
from tests import oracle
from tests.conftest import X64
from tests.programs import largest_array, operations

LOW, HIGH = -3.0, 7.0
SIZES = [(1, 1.0), (2, 0.3), (2, 3.0), (50, 3.0), (50, 8.0), (200, 40.0)]
# Here the last bits depend on how XLA compiles.
EXACT_SIZES = [pytest.param(n, t, marks=pytest.mark.exact) for n, t in ((50, 0.3), (50, 1.0), (5000, 3.0))]


def weights_of_all_kinds(n):
    """Rows of pi that are hard in different ways, shape (K, n)."""
    rng = np.random.default_rng(n)
    i = np.arange(n)
    kinds = {
        "equal": np.ones(n),
        "random": rng.dirichlet(np.full(n, 0.5)) + 1e-9,
        "one": np.where(i == n // 3, 1.0, 0.0),
        "last": np.where(i == n - 1, 1.0, 0.0),
        "two ends with nothing between": np.where(i < max(1, n // 10), 1.0, np.where(i >= n - max(1, n // 8), 2.0, 0)),
        "exact zeros": np.where(rng.uniform(size=n) < 0.6, 0.0, rng.uniform(size=n)) + np.where(i == n // 2, 0.1, 0),
        "tiny": np.where(rng.uniform(size=n) < 0.9, 1e-12, 1.0) + np.where(i == 0, 1.0, 0),
        "tiny everywhere but at one end": np.where(i == n - 1, 1.0, 1e-25),
        "many magnitudes": 10.0 ** rng.uniform(-19, 0, n),
    }
    return {name: row / row.sum() for name, row in kinds.items()}


def mixture(pi, n, t, dtype, low=LOW, high=HIGH):
    basis = fbgmm.init_basis(low, high, n, t)
    return fbgmm.Mixture(basis, jnp.asarray(pi, dtype))


def all_kinds(n, t, dtype, low=LOW, high=HIGH):
    """Mixtures of one basis with weights of all kinds: one by one for the oracle, and as a batch."""
    ones = [mixture(pi, n, t, dtype, low, high) for pi in weights_of_all_kinds(n).values()]
    return ones, jax.tree.map(lambda *leaves: jnp.stack(leaves), *ones)


def points(basis, dtype):
    """Inside, around, and up to 1000 sigma beyond the range."""
    low, high, sigma = float(basis.low), float(basis.high), float(basis.sigma)
    far = sigma * np.array([3, 5, 8, 10, 30, 100, 1000])
    return np.concatenate([np.linspace(low - 2 * sigma, high + 2 * sigma, 201), low - far, high + far]).astype(dtype)


@pytest.fixture(scope="module")
def gmm():
    """A mixture of middling size with three humps, an empty stretch and exact zeros."""
    n = 50
    pi = np.random.default_rng(7).dirichlet(np.full(n, 0.7))
    pi[20:26] = 0
    return mixture(pi / pi.sum(), n, 1.5, np.float64 if X64 else np.float32)


@pytest.mark.parametrize(("n", "t"), [*SIZES, *EXACT_SIZES])
def test_log_prob_prob_and_cdf(n, t, dtype, accuracy):
    ones, batch = all_kinds(n, t, dtype)
    x = points(ones[0].basis, dtype)
    log_prob, prob, cdf = batch.log_prob(x[:, None]), batch.prob(x[:, None]), batch.cdf(x[:, None])
    for k, (name, one) in enumerate(zip(weights_of_all_kinds(n), ones, strict=True)):
        expected = oracle.log_prob(one, x)
        scale = np.maximum(1, np.abs(expected))  # log g relative where it is large, g relative where log g is small
        error = np.abs(log_prob[:, k] - expected) / scale
        at = np.argmax(error)
        assert error[at] <= accuracy, f"{name}: log_prob({x[at]}) = {log_prob[at, k]}, expected {expected[at]}"
        g = np.exp(expected)
        # The exponent's own rounding is relative to the exponent. Below 1e-30 float32 flushes to 0.
        assert (np.abs(prob[:, k] - g) <= accuracy * scale * g + 1e-30).all(), name
        np.testing.assert_allclose(cdf[:, k], oracle.cdf(one, x), rtol=0, atol=accuracy, err_msg=name)


@pytest.mark.parametrize("low", [1000.0, -(2.0**20)])
def test_far_from_zero(low, dtype, accuracy):
    """A basis far from 0 loses no more than its points do: mu is rounded like x."""
    ones, batch = all_kinds(50, 3.0, dtype, low, low + 1024.0)
    x = points(ones[0].basis, dtype)
    log_prob = batch.log_prob(x[:, None])
    for k, one in enumerate(ones):
        expected = oracle.log_prob(one, x)
        assert (np.abs(log_prob[:, k] - expected) <= accuracy * np.maximum(1, np.abs(expected))).all()


def test_light_weights_beyond_the_reach(dtype, accuracy):
    """Nothing near, light weights from 6 sigma on and the whole mass beyond them: each may be what matters."""
    n, t = 400, 8.0
    for light in (1e-8, 1e-14, 1e-18, 1e-19):
        for gap in (30, 60, 90, 130):
            for span in (1, 20, 48, 70):
                pi = np.zeros(n)
                pi[gap : gap + span] = light
                pi[gap + span :] = 1.0
                one = mixture(pi / pi.sum(), n, t, dtype)
                x = np.asarray(one.basis.mu[:1])
                expected = oracle.log_prob(one, x)
                found = float(one.log_prob(x)[0])
                assert abs(found - expected[0]) <= accuracy * abs(expected[0]), (light, gap, span, found, expected)


def test_log_prob_beyond_underflow_on_both_sides_of_a_gap(dtype, accuracy):
    """In the middle of a wide gap both sides matter, and the nearest one alone would be wrong by log 2."""
    n = 2000
    pi = np.zeros(n)
    pi[0] = pi[-1] = 0.5
    one = mixture(pi, n, 1.0, dtype, 0.0, 2048.0)
    x = np.asarray([1024.0, 1023.5, 700.0], dtype)
    expected = oracle.log_prob(one, x)
    assert expected[0] < -400_000
    np.testing.assert_allclose(one.log_prob(x), expected, rtol=accuracy)
    # In the very middle the rounding of the exponents, not of the score, decides which side is the heavier one.
    found = jax.vmap(jax.grad(one.log_prob))(jnp.asarray(x))[1:]
    np.testing.assert_allclose(found, oracle.score(one, x)[1:], rtol=1e-4)


def test_a_lone_component_is_seen_from_every_cell(dtype, accuracy):
    """Also from the first cell beyond the reach of the near window, on either side."""
    n = 100
    one = mixture(np.arange(n) == n // 2, n, 3.0, dtype)
    assert width(one.basis) < n // 2 - 1
    x = np.asarray(one.basis.mu)
    np.testing.assert_allclose(one.log_prob(x), oracle.log_prob(one, x), rtol=4 * accuracy)


def test_points_that_are_no_numbers(gmm):
    np.testing.assert_array_equal(gmm.log_prob([np.inf, -np.inf]), -np.inf)
    np.testing.assert_array_equal(gmm.prob([np.inf, -np.inf]), 0)
    np.testing.assert_array_equal(gmm.cdf([-np.inf, np.inf]), [0, gmm.cdf([0.0, 100.0])[1]])
    for f in (gmm.log_prob, gmm.prob, gmm.cdf):
        assert np.isnan(f([np.nan, 1.0])[0])
    assert np.isfinite(gmm.log_prob([0.0, 1e6])).all()


def test_integers_and_lists_are_points(gmm):
    np.testing.assert_array_equal(gmm.log_prob([1, 2]), gmm.log_prob(jnp.asarray([1.0, 2.0])))
    assert gmm.log_prob(1).shape == ()


@pytest.mark.parametrize("t", [pytest.param(0.7, marks=pytest.mark.exact), 3.0])
def test_traced_t(t, dtype, accuracy):
    """Where t is traced its bound is unknown, and every component is looked at."""
    x = np.linspace(-5, 9, 40).astype(dtype)
    pi = jnp.asarray(weights_of_all_kinds(50)["random"], dtype)

    @jax.jit
    def log_prob(t):
        basis = fbgmm.init_basis(LOW, HIGH, 50, t)
        assert basis.t_max is None
        return fbgmm.Mixture(basis, pi).log_prob(x)

    one = mixture(pi, 50, t, dtype)
    np.testing.assert_allclose(log_prob(t), oracle.log_prob(one, x), rtol=accuracy, atol=accuracy)


def test_jit_and_vmap_change_nothing(gmm, rounding):
    x = jnp.linspace(-6.0, 10.0, 30)
    for f, at, maps in ((gmm.log_prob, x, jax.jit), (gmm.log_prob, x, jax.vmap), (gmm.cdf, x, jax.vmap)):
        np.testing.assert_allclose(maps(f)(at), f(at), rtol=rounding, atol=rounding)


def test_padding_changes_nothing(gmm, quantiles, dtype, rounding):
    basis = fbgmm.init_basis(LOW, HIGH, 50, 1.5, capacity=64)
    padded = fbgmm.Mixture(basis, jnp.pad(gmm.pi, (0, 14)))
    x = points(gmm.basis, dtype)
    np.testing.assert_allclose(padded.log_prob(x), gmm.log_prob(x), rtol=rounding, atol=rounding)
    np.testing.assert_allclose(padded.cdf(x), gmm.cdf(x), rtol=0, atol=rounding)
    q, expected = quantiles
    np.testing.assert_allclose(padded.icdf(q), expected, rtol=0, atol=100 * rounding)
    for name in ("mean", "variance", "entropy"):
        np.testing.assert_allclose(getattr(padded, name)(), getattr(gmm, name)(), rtol=10 * rounding)
    key = jax.random.key(0)
    np.testing.assert_allclose(padded.sample(key, 100), gmm.sample(key, 100), rtol=rounding, atol=10 * rounding)


# Derivatives.


def test_gradient_in_x(dtype):
    tolerance = 1e-10 if X64 else 2e-5
    for t in (0.5, 3.0):
        ones, _ = all_kinds(50, t, dtype)
        x = points(ones[0].basis, dtype)
        for one in ones:
            expected = oracle.score(one, x)
            found = jax.vmap(jax.grad(one.log_prob))(jnp.asarray(x))
            # Rounding moves the border between two sides of a gap: relative to the score at one sigma and at |z|.
            z = np.abs(expected) * float(one.basis.sigma)
            atol = tolerance * (1 + z) ** 2 / float(one.basis.sigma)
            assert (np.abs(found - expected) <= atol).all()


def test_gradient_in_pi_also_where_pi_is_zero(dtype):
    """d log g / d pi_j = phi_j(x) / g(x), for every j within the reach of x and also at weights of exactly 0."""
    tolerance = 1e-11 if X64 else 2e-5
    for name in ("equal", "exact zeros", "one", "tiny"):
        one = mixture(weights_of_all_kinds(50)[name], 50, 3.0, dtype)
        mu, sigma = np.asarray(one.basis.mu, np.float64), float(one.basis.sigma)
        x = np.linspace(LOW, HIGH, 23).astype(dtype)
        found = jax.jacobian(lambda pi: fbgmm.Mixture(one.basis, pi).log_prob(x))(one.pi)  # noqa: B023
        log_phi = stats.norm.logpdf(x[:, None].astype(np.float64), mu, sigma)
        expected = np.exp(log_phi - oracle.log_prob(one, x)[:, None])
        assert np.isfinite(found).all()
        largest = expected.max(1, keepdims=True)
        np.testing.assert_allclose(found / largest, expected / largest, rtol=0, atol=tolerance, err_msg=name)


def test_gradient_stays_finite_far_from_all_weights(dtype):
    """There the derivative in the near weights, exactly 0, is beyond any floating point."""
    one = mixture(weights_of_all_kinds(5000)["one"], 5000, 3.0, dtype)
    for x in (6.0, -2.9):
        found = jax.grad(lambda pi: fbgmm.Mixture(one.basis, pi).log_prob(x))(one.pi)  # noqa: B023
        assert np.isfinite(found).all()
        assert (np.asarray(found) >= 0).all()


def test_gradient_in_sigma(gmm, dtype):
    x = np.linspace(-5, 9, 29).astype(dtype)
    found = jax.jacobian(lambda s: fbgmm.Mixture(replace(gmm.basis, sigma=s), gmm.pi).log_prob(x))(gmm.basis.sigma)
    log_pi, mu, sigma = oracle._logs(gmm)
    z = (x[:, None].astype(np.float64) - mu) / sigma
    share = special.softmax(log_pi - z**2 / 2, axis=-1)
    np.testing.assert_allclose(found, (share * (z**2 - 1)).sum(-1) / sigma, rtol=1e-10 if X64 else 1e-4, atol=1e-5)


@pytest.mark.slow
def test_second_derivative_in_x(gmm, dtype):
    x = np.linspace(-5, 9, 29).astype(dtype)
    found = jax.vmap(jax.grad(jax.grad(gmm.log_prob)))(jnp.asarray(x))
    log_pi, mu, sigma = oracle._logs(gmm)
    z = (x[:, None].astype(np.float64) - mu) / sigma
    share = special.softmax(log_pi - z**2 / 2, axis=-1)
    expected = ((share * z**2).sum(-1) - 1 - (share * z).sum(-1) ** 2) / sigma**2
    tolerance = 1e-10 if X64 else 1e-4
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance / sigma**2)


def test_derivatives_of_cdf(gmm, dtype, accuracy):
    x = np.linspace(-5, 9, 29).astype(dtype)
    found = jax.vmap(jax.grad(gmm.cdf))(jnp.asarray(x))
    np.testing.assert_allclose(found, oracle.prob(gmm, x), rtol=10 * accuracy, atol=accuracy)
    in_pi = jax.jacobian(lambda pi: fbgmm.Mixture(gmm.basis, pi).cdf(x))(gmm.pi)
    expected = special.ndtr((x[:, None].astype(np.float64) - np.asarray(gmm.basis.mu)) / float(gmm.basis.sigma))
    np.testing.assert_allclose(in_pi, expected, rtol=0, atol=10 * accuracy)


# Quantiles.


@pytest.mark.parametrize(("n", "t"), [(50, 0.3), (50, 3.0), pytest.param(5000, 3.0, marks=pytest.mark.slow)])
def test_icdf(n, t, dtype, accuracy):
    ones, batch = all_kinds(n, t, dtype)
    q = np.concatenate([np.linspace(0.003, 0.997, 41), [1e-9, 1e-6, 1e-4, 1 - 1e-4]]).astype(dtype)
    x = np.asarray(batch.icdf(q[:, None]), np.float64)
    eps = np.finfo(dtype).eps
    for k, (name, one) in enumerate(zip(weights_of_all_kinds(n), ones, strict=True)):
        back = oracle.cdf(one, x[:, k])
        # What rounding x alone does to the cdf, besides the cdf's own rounding.
        allowed = accuracy + 4 * eps * (1 + np.abs(x[:, k])) * oracle.prob(one, x[:, k])
        assert (np.abs(back - q) <= allowed).all(), name
        assert (np.diff(x[:41, k]) >= -1e-6).all(), name


@pytest.fixture(scope="module")
def quantiles(gmm):
    """Probabilities and their quantiles, of one shape so that the search is compiled once."""
    one = gmm.pi.dtype.type(1)
    special = [0.0, 1.0, -0.1, 1.1, np.nan, np.nextafter(one, 0 * one), 1e-6]
    q = np.concatenate([special, np.asarray(gmm.cdf(np.linspace(-4, 8, 37)))]).astype(gmm.pi.dtype)
    return q, np.asarray(gmm.icdf(q))


def test_icdf_against_a_root_finder(gmm, quantiles):
    q, x = quantiles[0][6::4], quantiles[1][6::4]
    expected = [optimize.brentq(lambda x: oracle.cdf(gmm, x) - float(p), -40, 40, xtol=1e-13) for p in q]  # noqa: B023
    tolerance = (1e-15 if X64 else 1e-7) / oracle.prob(gmm, expected) + (1e-13 if X64 else 2e-6)
    assert (np.abs(x - np.asarray(expected)) <= 4 * tolerance).all()


def test_round_trip(gmm, quantiles):
    x = np.linspace(-4, 8, 37)
    # Where the density is low, a rounding of the cdf is a long way in x.
    allowed = (4e-16 if X64 else 4e-7) / oracle.prob(gmm, x) + (1e-14 if X64 else 4e-6)
    assert (np.abs(quantiles[1][7:] - x) <= allowed).all()


def test_icdf_of_probabilities_in_another_precision():
    """A mixture in float32 takes float64 probabilities, which numpy makes of every list, where they are allowed."""
    low, high = np.float32(0), np.float32(10)
    basis = fbgmm.init_basis(low, high, n=20)
    x = fbgmm.Mixture(basis, fbgmm.init_pi(basis)).icdf(np.array([0.25, 0.5]))
    np.testing.assert_allclose(x, [2.5, 5.0], rtol=1e-2)


def test_ends_and_outside_of_icdf(quantiles):
    np.testing.assert_array_equal(quantiles[1][:5], [-np.inf, np.inf, np.nan, np.nan, np.nan])


def test_quantiles_next_to_one_stay_near(gmm, quantiles):
    """A sum of weights that is rounded below 1 must not send the last quantiles to the end of the bracket."""
    z = (quantiles[1][5] - float(gmm.basis.mu[-1])) / float(gmm.basis.sigma)
    assert 0 < z < (9 if X64 else 6.5)


def test_derivatives_of_icdf(gmm, dtype):
    q = jnp.asarray([0.02, 0.2, 0.5, 0.77, 0.98, 0.0, 1.0], dtype)

    def icdf(q, pi):
        return fbgmm.Mixture(gmm.basis, pi).icdf(q)

    x, pull = jax.vjp(icdf, q, gmm.pi)
    in_q, in_pi = jax.vmap(pull)(jnp.eye(7, dtype=dtype))
    assert np.isfinite(in_q).all()
    assert np.isfinite(in_pi).all()
    tolerance = 1e-10 if X64 else 1e-4
    g = oracle.prob(gmm, x[:5])
    np.testing.assert_allclose(jnp.diag(in_q)[:5], 1 / g, rtol=tolerance)
    heights = special.ndtr((np.asarray(x[:5, None], np.float64) - np.asarray(gmm.basis.mu)) / float(gmm.basis.sigma))
    np.testing.assert_allclose(in_pi[:5], -heights / g[:, None], rtol=tolerance, atol=10 * tolerance)


# Samples.


@pytest.mark.parametrize("name", ["equal", "one", "two ends with nothing between", "exact zeros"])
def test_samples_follow_the_mixture(name, dtype):
    one = mixture(weights_of_all_kinds(200)[name], 200, 4.0, dtype)
    draws = np.asarray(one.sample(jax.random.key(3), 20_000))
    assert stats.kstest(draws, lambda x: oracle.cdf(one, x)).pvalue > 1e-3


def test_shapes_of_samples(gmm):
    key = jax.random.key(0)
    assert gmm.sample(key).shape == ()
    assert gmm.sample(key, 5).shape == (5,)
    assert gmm.sample(key, (5, 2)).shape == (5, 2)
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), gmm)
    draws = batch.sample(key, (4000,))
    assert draws.shape == (4000, 3)
    assert abs(np.corrcoef(np.asarray(draws).T) - np.eye(3)).max() < 0.1  # rows of a batch are independent
    assert draws.dtype == gmm.pi.dtype


def test_each_row_of_a_batch_is_sampled_from_its_own_mixture(dtype):
    ones = [mixture(np.eye(4)[i], 4, 0.3, dtype, float(i), float(i) + 4) for i in (0, 3)]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *ones)
    draws = np.asarray(batch.sample(jax.random.key(1), (5000,)))
    for k, one in enumerate(ones):
        assert stats.kstest(draws[:, k], lambda x: oracle.cdf(one, x)).pvalue > 1e-3  # noqa: B023


def test_weights_of_zero_are_never_drawn(dtype):
    pi = np.asarray([0.0, 0.0, 0.7, 0.0, 0.3, 0.0])
    one = mixture(pi, 6, 1e-3, dtype, 0.0, 6.0)
    cells = np.floor(np.asarray(one.sample(jax.random.key(0), 10_000)))
    assert set(cells) == {2.0, 4.0}


# Moments and entropy.


def test_mean_and_variance(dtype):
    for n, t in ((1, 1.0), (50, 0.3), (200, 40.0), (5000, 3.0)):
        ones, batch = all_kinds(n, t, dtype)
        tolerance = 1e-12 if X64 else 2e-6
        for k, one in enumerate(ones):
            pi, mu = np.asarray(one.pi, np.float64), np.asarray(one.basis.mu, np.float64)
            mean = pi @ mu
            variance = float(one.basis.sigma) ** 2 + pi @ (mu - mean) ** 2
            np.testing.assert_allclose(batch.mean()[k], mean, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(batch.variance()[k], variance, rtol=10 * tolerance)


def entropy_by_quadrature(one):
    def integrand(x):
        log_g = oracle.log_prob(one, x)
        return -np.exp(log_g) * log_g

    basis = one.basis
    low, high, sigma = float(basis.low), float(basis.high), float(basis.sigma)
    knots = np.arange(low - 14 * sigma, high + 14 * sigma, sigma)
    x, w = np.polynomial.legendre.leggauss(24)
    return sum(sigma / 2 * w @ integrand(a + sigma / 2 * (x + 1)) for a in knots)


@pytest.mark.parametrize("t", [0.15, 0.3, 1.0, 3.0])
def test_entropy(t, dtype, accuracy):
    kinds = ("equal", "random", "one", "two ends with nothing between", "exact zeros", "many magnitudes")
    for name in kinds:
        one = mixture(weights_of_all_kinds(20)[name], 20, t, dtype)
        np.testing.assert_allclose(
            one.entropy(), entropy_by_quadrature(one), rtol=4 * accuracy, atol=4 * accuracy, err_msg=name
        )


def test_entropy_of_one_gaussian(dtype, accuracy):
    one = mixture([1.0], 1, 2.0, dtype)
    np.testing.assert_allclose(one.entropy(), stats.norm(2.0, 20.0).entropy(), rtol=accuracy)


def test_the_oracle_of_the_entropy_is_right():
    one = mixture([0.4, 0.6], 2, 1.0, np.float64 if X64 else np.float32)
    g = lambda x: float(oracle.prob(one, x))  # noqa: E731
    by_quad = integrate.quad(lambda x: -g(x) * np.log(g(x)), -60, 60, limit=500)[0]
    np.testing.assert_allclose(entropy_by_quadrature(one), by_quad, rtol=1e-7)


# Batches.


def test_batch_broadcasting(dtype, accuracy):
    pi = np.random.default_rng(0).dirichlet(np.ones(8), size=(2, 3))
    low = np.arange(6.0).reshape(2, 3)
    batch = fbgmm.Mixture(fbgmm.init_basis(low, low + 5, 8, 1.0), jnp.asarray(pi, dtype))
    assert batch.batch_shape == (2, 3)
    ones = {(i, j): mixture(pi[i, j], 8, 1.0, dtype, low[i, j], low[i, j] + 5) for i in range(2) for j in range(3)}
    shapes = (("log_prob", ()), ("prob", (3,)), ("cdf", (2, 3)), ("log_prob", (7, 1, 1)), ("log_prob", (4, 2, 3)))
    for f, shape in shapes:
        at = np.random.default_rng(1).uniform(-1, 9, shape).astype(dtype)
        found = getattr(batch, f)(at)
        assert found.shape == np.broadcast_shapes(shape, (2, 3))
        full = np.broadcast_to(at, found.shape)
        for (i, j), one in ones.items():
            expected = getattr(oracle, f)(one, full[..., i, j])
            np.testing.assert_allclose(found[..., i, j], expected, rtol=2 * accuracy, atol=2 * accuracy)
    q = batch.icdf(np.asarray([0.2, 0.5, 0.7], dtype))
    for (i, j), one in ones.items():
        np.testing.assert_allclose(oracle.cdf(one, q[i, j]), [0.2, 0.5, 0.7][j], atol=2 * accuracy)
    np.testing.assert_allclose(batch.entropy()[1, 2], entropy_by_quadrature(ones[1, 2]), rtol=4 * accuracy)
    with pytest.raises(ValueError, match="broadcast"):
        batch.log_prob(jnp.zeros(4))


def test_indexing():
    gmms = fbgmm.fit_batch([[1.0, 2.0, 4.0], [3.0, 5.0]], n=(10, 20), t=(1.0, 2.0, 3.0))
    assert gmms[0].batch_shape == (2, 3)
    assert gmms[:, 1].batch_shape == (2, 3)
    assert gmms[..., 2].batch_shape == (2, 2)
    assert gmms[1, 0, 2].batch_shape == ()
    np.testing.assert_array_equal(gmms[..., 2].pi, gmms.pi[:, :, 2])
    np.testing.assert_array_equal(gmms[1, :, 0].basis.sigma, gmms.basis.sigma[1, :, 0])
    np.testing.assert_array_equal(gmms[1].status, 0)
    with pytest.raises(TypeError, match="no batch axes"):
        gmms[1, 0, 2][0]


def test_repr_names_the_shape(gmm):
    assert repr(gmm) == "Mixture(Basis(n=50, low=-3, high=7, r=0.2, t=1.5))"
    assert "batch_shape=(2,)" in repr(fbgmm.fit_batch([[1.0, 2.0], [2.0, 3.0]], 10))


# Mixing mixtures.


def test_mix_on_one_basis(dtype, accuracy):
    a, b = (mixture(weights_of_all_kinds(50)[k], 50, 3.0, dtype) for k in ("random", "one"))
    both = fbgmm.mix([a, b], [3, 1])
    assert both.basis == a.basis or jax.tree.all(jax.tree.map(np.array_equal, both.basis, a.basis))
    x = points(a.basis, dtype)
    np.testing.assert_allclose(
        both.log_prob(x), np.logaddexp(np.log(0.75) + oracle.log_prob(a, x), np.log(0.25) + oracle.log_prob(b, x)),
        rtol=2 * accuracy, atol=2 * accuracy,
    )  # fmt: skip


@pytest.mark.parametrize("shares", [None, [0.2, 0.3, 0.5], [0, 0, 1]])
def test_mix_on_different_bases(shares, dtype, accuracy):
    rng = np.random.default_rng(0)
    parts = [
        mixture(rng.dirichlet(np.ones(n)), n, t, dtype, low, high)
        for n, t, low, high in ((40, 1.0, -3.0, 7.0), (25, 3.0, 0.0, 10.0), (30, 2.0, 20.0, 22.0))
    ]
    both = fbgmm.mix(parts, shares)
    s = np.full(3, 1 / 3) if shares is None else np.asarray(shares)
    x = np.linspace(-5, 25, 601).astype(dtype)
    expected = sum(share * oracle.prob(part, x) for share, part in zip(s, parts, strict=True))
    # sqrt(sigma² − s²) and a sum of many components: some roundings more than in a single density
    np.testing.assert_allclose(both.prob(x), expected, rtol=0, atol=20 * accuracy * expected.max())
    np.testing.assert_allclose(both.pi.sum(), 1, rtol=accuracy)
    assert float(both.pi.min()) >= 0


@pytest.mark.slow
def test_mix_of_one_sigma_and_range_but_other_means(dtype, accuracy):
    """n = 10, t = 1 and n = 20, t = 2 have one sigma, and in a batch one capacity, but not the same means."""
    gmms = fbgmm.fit_batch([[0.0, 1.0, 1.5, 4.0]], n=(10, 20), t=(1.0, 2.0))
    a, b = gmms[0, 0, 0], gmms[0, 1, 1]
    assert float(a.basis.sigma) == float(b.basis.sigma)
    x = np.linspace(-1, 5, 61).astype(dtype)
    expected = (oracle.prob(a[()] if a.batch_shape else a, x) + oracle.prob(b, x)) / 2
    np.testing.assert_allclose(fbgmm.mix([a, b]).prob(x), expected, rtol=0, atol=20 * accuracy)


def test_bad_shares_and_mixtures(gmm):
    with pytest.raises(ValueError, match="mixtures must be at least one"):
        fbgmm.mix([])
    with pytest.raises(ValueError, match=r"without batch axes; found batch shapes .*\(2,\)"):
        fbgmm.mix([gmm, fbgmm.fit_batch([[1.0, 2.0], [2.0, 3.0]], 4)])
    for shares in ([1.0], [1.0, -1.0], [0.0, 0.0], [float("nan"), 1.0]):
        with pytest.raises(ValueError, match="shares must be 2 numbers, at least 0 and not all 0; found"):
            fbgmm.mix([gmm, gmm], shares)


# Cost.


@pytest.mark.parametrize("name", ["log_prob", "prob", "cdf"])
def test_no_array_of_points_times_components(name):
    n, size = 4000, 3000
    gmm = fbgmm.fit([0.0, 1.0, 3.0], n=n, t=3.0)
    x = jnp.linspace(0.0, 3.0, size)
    assert largest_array(getattr(gmm, name), x) <= 8 * (n + size)
    assert largest_array(jax.grad(lambda x: getattr(gmm, name)(x).sum()), x) <= 8 * (n + size) * 2 * width(gmm.basis)
    assert largest_array(jax.jit(getattr(gmm, name)), x) <= 8 * (n + size)


@pytest.mark.parametrize("name", ["log_prob", "prob", "cdf"])
def test_the_cost_of_a_point_does_not_grow_with_n(name):
    def cost_of_1000_points(n):
        f = getattr(fbgmm.fit([0.0, 1.0, 3.0], n=n, t=3.0), name)
        return operations(f, jnp.zeros(2000)) - operations(f, jnp.zeros(1000))

    assert cost_of_1000_points(500) == cost_of_1000_points(5000)


def test_the_walk_sees_into_programs():
    """The two tests above must be able to fail."""
    gmm = fbgmm.fit([0.0, 1.0, 3.0], n=500, t=3.0)

    def everything(x):
        return jax.jit(lambda x: jnp.exp(-((x[:, None] - gmm.basis.mu[None, :]) ** 2)).sum(-1))(x)

    assert largest_array(everything, jnp.zeros(1000)) == 500_000
    assert operations(lambda x: jax.lax.scan(lambda s, m: (s + m * x, None), x, gmm.basis.mu)[0], jnp.zeros(10)) > 5000


def test_what_is_left_out_is_below_rounding():
    """The mass of a Gaussian beyond the reach is below rounding."""
    for dtype in (np.float32, np.float64):
        assert 2 * stats.norm.sf(precision(dtype).reach) < np.finfo(dtype).eps / 2


@pytest.mark.skipif(not X64, reason="points of float64 are rounded to float32")
@pytest.mark.parametrize("name", ["log_prob", "prob", "cdf", "icdf"])
def test_points_may_be_more_precise_than_the_mixture(name):
    rows = np.random.default_rng(3).normal(size=(3, 300)).astype(np.float32)
    batch, x = fbgmm.fit_batch(rows, n=30), np.array([[0.1], [0.7]])
    values = getattr(batch, name)(x)
    assert (batch.pi.dtype, values.dtype) == (np.float32, np.float64)
    one_by_one = [getattr(batch[i], name)(x[:, 0]) for i in range(len(rows))]
    np.testing.assert_allclose(values, np.transpose(one_by_one), rtol=3e-6, atol=1e-6)
    traced = jax.jit(lambda gmms, x: getattr(gmms, name)(x))(batch, x)
    np.testing.assert_array_equal(traced, values)
