"""Predicted densities against scipy and numerical integrals, far out, at the edges of float32, and as `Mixture`s."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

import fbgmm
from fbgmm.nn.conditional.density import Density, distance_kernel
from tests import head_oracle

RNG = np.random.default_rng(0)
PI = RNG.dirichlet(np.ones(5), size=3)
MU, SIGMA = RNG.normal(size=(3, 5)) * 2, RNG.uniform(0.2, 1.5, size=(3, 5))
LOCATION, SCALE = np.array([1.0, -2.0, 0.5]), np.array([0.5, 2.0, 1.0])
Y = np.array([0.3, -4.0, 1.7])


@pytest.fixture
def density(dtype):
    return Density(*(jnp.asarray(a, dtype) for a in (np.log(PI), MU, SIGMA, LOCATION, SCALE)))


def parts(i):
    return PI[i], LOCATION[i] + SCALE[i] * MU[i], SCALE[i] * SIGMA[i]


def exact_cdf(i, y):
    pi, mu, sigma = parts(i)
    return float(np.sum(pi * stats.norm.cdf(y, mu, sigma)))


def test_density_cdf_and_moments_are_those_of_the_mixture(density):
    @jax.jit
    def found(d):
        return d.log_prob(Y), d.cdf(Y), d.exceeds(Y), d.mean(), d.variance(), d.log_interval(Y, Y + 1)

    log_prob, cdf, exceeds, mean, variance, log_interval = map(np.asarray, found(density))
    for i in range(3):
        pi, mu, sigma = parts(i)
        assert log_prob[i] == pytest.approx(np.log(pi @ stats.norm.pdf(Y[i], mu, sigma)), rel=1e-5)
        assert cdf[i] == pytest.approx(exact_cdf(i, Y[i]), rel=1e-5)
        assert exceeds[i] == pytest.approx(1 - exact_cdf(i, Y[i]), rel=1e-5)
        assert mean[i] == pytest.approx(pi @ mu, rel=1e-5)
        assert variance[i] == pytest.approx(pi @ (sigma**2 + mu**2) - (pi @ mu) ** 2, rel=1e-5)
        inside = exact_cdf(i, Y[i] + 1) - exact_cdf(i, Y[i])
        assert log_interval[i] == pytest.approx(np.log(inside), rel=1e-4, abs=1e-5)


@pytest.mark.slow
def test_leading_axes_of_the_argument_are_kept(density):
    y = np.linspace(-3, 3, 7)[:, None]
    assert density.log_prob(y).shape == density.cdf(y).shape == (7, 3)
    np.testing.assert_allclose(density.log_prob(y)[4], density.log_prob(np.full(3, y[4, 0])), rtol=1e-6)
    assert density.sample(jax.random.key(0), (4, 2)).shape == (4, 2, 3)


def test_quantiles_invert_the_cdf(density, dtype):
    q = jnp.asarray([1e-4, 0.05, 0.5, 0.95, 0.999], dtype)[:, None]
    found = density.icdf(q)
    assert found.shape == (5, 3)
    np.testing.assert_allclose(density.cdf(found), jnp.broadcast_to(q, (5, 3)), rtol=3e-4, atol=1e-6)
    assert np.isneginf(density.icdf(0.0)).all()
    assert np.isposinf(density.icdf(1.0)).all()
    assert np.isnan(density.icdf(1.5)).all()
    low, high = density.interval(0.9)
    np.testing.assert_allclose(density.cdf(high) - density.cdf(low), 0.9, atol=1e-5)
    with pytest.raises(ValueError, match="coverage must be between 0 and 1; found 90"):
        density.interval(90.0)


def test_quantiles_have_the_derivative_of_the_implicit_function(density):
    slope = jax.grad(lambda q: density.icdf(q)[1])(0.3)
    assert float(slope) == pytest.approx(1 / float(density.prob(density.icdf(0.3))[1]), rel=1e-3)

    def quantile(log_pi):
        return Density(jax.nn.log_softmax(log_pi), density.mu, density.sigma, density.location, density.scale).icdf(0.3)

    moved = density.log_pi.at[1, 2].add(1e-2)
    slopes = jax.grad(lambda log_pi: quantile(log_pi)[1])(density.log_pi)
    change = float(quantile(moved)[1] - quantile(density.log_pi)[1])
    assert change == pytest.approx(1e-2 * float(slopes[1, 2]), rel=0.03)


@pytest.mark.slow
def test_the_mode_is_the_highest_point(density):
    grid = np.linspace(-15, 15, 60001)
    values = np.asarray(density.log_prob(grid[:, None]))
    np.testing.assert_allclose(density.mode(), grid[values.argmax(axis=0)], atol=2e-3)


def test_samples_follow_the_cdf(density):
    draws = np.asarray(density.sample(jax.random.key(1), 4000))
    for i in range(3):
        assert stats.kstest(draws[:, i], lambda y, i=i: np.array([exact_cdf(i, v) for v in y])).pvalue > 0.01


def test_crps_is_its_integral(density):
    found = density.crps(Y)
    for i in range(3):
        below = integrate.quad(lambda u, i=i: exact_cdf(i, u) ** 2, -60, Y[i], limit=400)[0]
        above = integrate.quad(lambda u, i=i: (1 - exact_cdf(i, u)) ** 2, Y[i], 60, limit=400)[0]
        assert float(found[i]) == pytest.approx(below + above, rel=2e-4)


@pytest.mark.slow
def test_crps_of_a_fixed_basis_uses_one_kernel_and_is_the_same(dtype):
    mu, sigma = jnp.linspace(-2, 2, 9, dtype=dtype), jnp.full(9, 0.4, dtype)
    log_pi = jax.nn.log_softmax(jax.random.normal(jax.random.key(0), (6, 9), dtype))
    y = jnp.linspace(-3, 3, 6, dtype=dtype)
    fixed = Density.of(log_pi, mu[None], sigma[None])
    each = Density.of(log_pi, jnp.tile(mu, (6, 1)), jnp.tile(sigma, (6, 1)))
    np.testing.assert_allclose(fixed.crps(y), each.crps(y), rtol=1e-4)
    kernel = np.asarray(distance_kernel(mu, sigma))
    np.testing.assert_allclose(kernel[1:, 1:], kernel[:-1, :-1], rtol=1e-5)  # Toeplitz


def test_far_out_all_is_finite_with_finite_derivatives(density):
    y = np.array([1e6, -1e6, 1e4])

    def far(log_pi):
        d = Density(log_pi, density.mu, density.sigma, density.location, density.scale)
        inside = d.log_interval(y, y + 1) + d.log_interval(y, np.full(3, np.inf))
        return jnp.sum(d.log_prob(y)) + jnp.sum(inside + d.log_interval(np.full(3, -np.inf), -y))

    value, slope = jax.jit(jax.value_and_grad(far))(density.log_pi)
    pi, mu, sigma = (np.stack(part) for part in zip(*map(parts, range(3)), strict=True))
    terms = [
        np.log(pi) + stats.norm.logpdf(y[:, None], mu, sigma),
        np.log(pi) + head_oracle.log_intervals(mu, sigma, y, y + 1),
        np.log(pi) + stats.norm.logsf(y[:, None], mu, sigma),
        np.log(pi) + stats.norm.logcdf(-y[:, None], mu, sigma),
    ]
    assert float(value) == pytest.approx(sum(special.logsumexp(t, axis=-1).sum() for t in terms), rel=1e-5)
    # The slope of log Σ exp is each component's share: so far out all of it is that of one.
    np.testing.assert_allclose(slope, sum(special.softmax(t, axis=-1) for t in terms), atol=1e-4)
    assert (np.max(slope, axis=-1) > 1.9).all()


def test_an_interval_of_everything_has_probability_one(density):
    everything = density.log_interval(np.full(3, -np.inf), np.full(3, np.inf))
    np.testing.assert_allclose(everything, 0, atol=1e-6)


def test_tails_keep_their_digits(dtype):
    """A probability of 1e-30 comes out of either tail: no 1 − cdf anywhere."""
    one = Density.of(*(jnp.asarray([[v]], dtype) for v in (0.0, 0.0, 1.0)))
    for low, high in ((11.0, 12.0), (-12.0, -11.0)):
        found = float(one.log_interval(jnp.asarray([low]), jnp.asarray([high]))[0])
        assert found == pytest.approx(np.log(stats.norm.sf(11) - stats.norm.sf(12)), rel=1e-5)


def test_moving_is_a_change_of_variable(density):
    moved = density.moved(3.0, 2.0)
    np.testing.assert_allclose(moved.log_prob(3 + 2 * Y), density.log_prob(Y) - np.log(2), rtol=1e-5)
    np.testing.assert_allclose(moved.crps(3 + 2 * Y), 2 * density.crps(Y), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [True, False])
def test_an_ensemble_is_the_average_of_its_densities(density, fixed, dtype):
    if fixed:
        mu, sigma = jnp.linspace(-2, 2, 9, dtype=dtype)[None, None], jnp.full((1, 1, 9), 0.4, dtype)
        log_pi = jax.nn.log_softmax(jax.random.normal(jax.random.key(0), (4, 3, 9), dtype))
        members = Density.of(log_pi, jnp.tile(mu, (4, 1, 1)), jnp.tile(sigma, (4, 1, 1)))
    else:
        members = jax.tree.map(lambda a: jnp.stack([a, a, a[::-1]]), density)
    together = members.pooled(0)
    np.testing.assert_allclose(together.prob(Y), members.prob(Y).mean(axis=0), rtol=1e-4)
    assert together.log_pi.shape == ((3, 9) if fixed else (3, 15))
    np.testing.assert_allclose(members.pooled(-2).prob(Y), together.prob(Y), rtol=1e-6)


@pytest.mark.slow
def test_a_density_as_a_mixture_on_a_basis_is_the_same(density, dtype):
    basis = fbgmm.init_basis(np.asarray(-20.0, dtype), 20.0, n=2000, t=2.0)
    mixture = density.mixture(basis)
    assert mixture.batch_shape == (3,)
    y = np.linspace(-8, 8, 20).astype(dtype)[:, None]
    np.testing.assert_allclose(mixture.prob(y), density.prob(y), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(mixture.mean(), density.mean(), rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="a sigma of at most 1/√2 of every component's; found"):
        density.mixture(fbgmm.init_basis(-20.0, 20.0, n=100))


def test_it_passes_through_jit_and_vmap(density):
    stacked = jax.tree.map(lambda a: jnp.stack([a, a]), density)
    found = jax.jit(jax.vmap(lambda d: d.log_prob(Y)))(stacked)
    np.testing.assert_allclose(found[1], density.log_prob(Y), rtol=1e-5)
