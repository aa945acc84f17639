"""The map of one mixture to the standard normal density, against scipy in float64, near and far."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_ndtr, logsumexp, ndtri_exp

import fbgmm
from fbgmm.evaluation.normal_scores import from_normal, inverse_log_ndtr, map_inside, to_normal

rng = np.random.default_rng(0)
SAMPLE = np.concatenate([rng.normal(-4, 0.3, 900), rng.normal(3, 1, 600)])
FAR = [-2e4, -1e3, -40.0, 40.0, 1e3]


@pytest.fixture(scope="module")
def gmm():
    return fbgmm.fit(SAMPLE, n=200, t=2.0)


def oracle(gmm, x):
    """z and log dz/dx in float64, by sums of logarithms over all components."""
    mu, pi, sigma = (np.asarray(a, np.float64) for a in (gmm.basis.mu, gmm.pi, gmm.basis.sigma))
    s = (np.asarray(x, np.float64)[:, None] - mu[None]) / sigma
    lower, upper = (logsumexp(log_ndtr(side * s) + np.log(pi), axis=1) for side in (1, -1))
    z = np.where(lower < upper, ndtri_exp(lower), -ndtri_exp(upper))
    log_g = logsumexp(np.log(pi) - 0.5 * s**2, axis=1) - np.log(sigma)
    return z, log_g + 0.5 * z**2


def test_near_and_far_points_agree_with_float64(gmm, dtype, accuracy):
    x = np.concatenate([np.linspace(-12, 12, 97), FAR]).astype(dtype)
    mapped = to_normal(gmm.basis, gmm.pi, jnp.asarray(x))
    z, log_slope = oracle(gmm, x)
    np.testing.assert_allclose(mapped.z, z, rtol=5 * accuracy, atol=5 * accuracy)
    scale = np.maximum(1, z * z)
    np.testing.assert_allclose(mapped.log_slope / scale, log_slope / scale, atol=5 * accuracy)


def test_the_map_rises_also_outside_the_range(gmm, dtype):
    x = jnp.linspace(-300, 300, 2001, dtype=dtype)
    z = to_normal(gmm.basis, gmm.pi, x).z
    assert np.isfinite(z).all()
    assert (np.diff(z) > 0).all()


@pytest.mark.slow
def test_the_slope_is_the_derivative(gmm, dtype):
    x = jnp.asarray([-9.0, -4.0, -1.0, 0.5, 3.0, 11.0], dtype)
    slope = jax.vmap(jax.grad(lambda x: to_normal(gmm.basis, gmm.pi, x).z))(x)
    np.testing.assert_allclose(jnp.log(slope), to_normal(gmm.basis, gmm.pi, x).log_slope, atol=1e-3)


@pytest.mark.slow
def test_the_inverse_inverts_to_rounding_on_both_sides(gmm, dtype, accuracy):
    z = np.concatenate([np.linspace(-9, 9, 61), [-300, 50, 300]]).astype(dtype)
    x = from_normal(gmm.basis, gmm.pi, jnp.asarray(z))
    assert (np.diff(x[:61]) > 0).all()
    np.testing.assert_allclose(to_normal(gmm.basis, gmm.pi, x).z, z, rtol=5 * accuracy, atol=5 * accuracy)


@pytest.mark.slow
def test_the_inverse_has_the_derivative_of_the_inverse(gmm, dtype):
    z = jnp.asarray([-3.0, 0.1, 2.0], dtype)
    x = from_normal(gmm.basis, gmm.pi, z)
    slope = jax.vmap(jax.grad(lambda z: from_normal(gmm.basis, gmm.pi, z)))(z)
    np.testing.assert_allclose(jnp.log(slope), -to_normal(gmm.basis, gmm.pi, x).log_slope, atol=1e-3)


@pytest.mark.slow
def test_the_table_is_near_the_map_inside_the_range(gmm, dtype):
    b = gmm.basis
    x = jnp.asarray(SAMPLE, dtype)
    z = map_inside(b.low[None], b.r[None], b.t, gmm.pi[None], x[None])[0]
    np.testing.assert_allclose(z, to_normal(b, gmm.pi, x).z, atol=1e-4)


def test_inverse_log_ndtr_agrees_with_scipy(dtype, accuracy):
    log_p = -np.concatenate([np.geomspace(0.7, 1e6, 200), [29.9, 30.1, 399.9, 400.1]]).astype(dtype)
    np.testing.assert_allclose(inverse_log_ndtr(jnp.asarray(log_p)), ndtri_exp(log_p.astype(float)), rtol=5 * accuracy)
