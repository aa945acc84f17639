"""Densities in several dimensions: exactness, inverse, what rotations gain, batches, weights, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fbgmm
from fbgmm.multivariate.rotated import Rotated


def bananas(seed, N, D=2):
    x = np.random.default_rng(seed).normal(size=(N, D))
    x[:, 1] += x[:, 0] ** 2
    return x @ np.linalg.qr(np.random.default_rng(7).normal(size=(D, D)))[0]


X = bananas(0, 3000)
HELD_OUT = bananas(1, 1000)


@pytest.fixture(scope="module")
def density(dtype_of_module):
    return fbgmm.fit_rotated(X.astype(dtype_of_module), rounds=2, n=100)


@pytest.fixture(scope="module")
def dtype_of_module():
    return np.float64 if jax.config.jax_enable_x64 else np.float32


@pytest.mark.slow
def test_the_density_integrates_to_one(density):
    grid = jnp.linspace(-14, 14, 251, dtype=density.mean.dtype)
    points = jnp.stack(jnp.meshgrid(grid, grid, indexing="ij"), axis=-1)
    mass = float(jnp.exp(density.log_prob(points)).sum()) * float(grid[1] - grid[0]) ** 2
    assert mass == pytest.approx(1, abs=2e-3)


def test_the_log_density_is_that_of_the_change_of_variables(density):
    """The Jacobian by automatic differentiation, which shares no code with the slopes."""
    x = jnp.asarray(HELD_OUT[:20], density.mean.dtype)
    jacobian = jax.vmap(jax.jacfwd(density.to_normal))(x)
    z = density.to_normal(x)
    log_phi = jnp.sum(jax.scipy.stats.norm.logpdf(z), axis=1)
    expected = log_phi + jnp.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(density.log_prob(x), expected, atol=2e-3)


@pytest.mark.slow
def test_the_inverse_inverts(density, dtype):
    z = jax.random.normal(jax.random.key(0), (500, 2), dtype)
    atol = 1e-9 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(density.to_normal(density.from_normal(z)), z, atol=atol)
    x = jnp.asarray(HELD_OUT[:500], dtype)
    np.testing.assert_allclose(density.from_normal(density.to_normal(x)), x, atol=20 * atol)


def test_far_points_have_finite_and_falling_densities(density, dtype):
    ray = jnp.asarray([1.0, 0.3], dtype)[None] * jnp.geomspace(5, 1e4, 30, dtype=dtype)[:, None]
    log_prob = density.log_prob(ray)
    assert np.isfinite(log_prob).all()
    assert (np.diff(log_prob) < 0).all()


@pytest.mark.slow
def test_samples_follow_the_data(density):
    x = np.asarray(density.sample(jax.random.key(1), (4000,)))
    assert x.shape == (4000, 2)
    np.testing.assert_allclose(np.cov(x.T), np.cov(X.T), atol=0.3)
    # What the data would score under their own density, samples must score as well.
    assert float(density.log_prob(x).mean()) == pytest.approx(float(density.log_prob(HELD_OUT).mean()), abs=0.12)


def test_rotations_gain_what_the_columns_alone_do_not_have():
    u, v = np.random.default_rng(0).normal(size=(2, 3000))
    x, held_out = np.split(np.stack([u, u + 0.1 * v], axis=1), 2)
    scores = [float(fbgmm.fit_rotated(x, rounds, n=100).log_prob(held_out).mean()) for rounds in (0, 1)]
    true = -np.log(2 * np.pi) - 1 - np.log(0.1)
    assert scores[1] == pytest.approx(true, abs=0.1)
    assert scores[1] > scores[0] + 1.5


@pytest.mark.slow
def test_rounds_gain_what_no_rotation_alone_has():
    scores = [float(fbgmm.fit_rotated(X, rounds, n=100).log_prob(HELD_OUT).mean()) for rounds in (1, 4)]
    true = -np.log(2 * np.pi) - 1
    assert scores[0] < true - 0.2
    assert true - 0.15 < scores[1] < true


def test_no_rounds_are_the_marginals_of_the_columns(dtype):
    density = fbgmm.fit_rotated(X, rounds=0)
    expected = sum(fbgmm.fit(X[:, d], n=200, t=2.0).log_prob(HELD_OUT[:, d]) for d in (0, 1))
    np.testing.assert_allclose(density.log_prob(HELD_OUT), expected, atol=2e-3 if dtype == np.float32 else 1e-9)


@pytest.mark.slow
def test_batches_padding_and_weights():
    """In one call of one shape: rows of different lengths, points that count twice, points that are there twice."""
    rows = [X[:900], X[900:2500] + 5, X, np.concatenate([X, X[:500]])]
    table, weights = np.full((4, 3500, 2), 1e6), np.zeros((4, 3500))  # padding may hold anything
    for i, row in enumerate(rows):
        table[i, : len(row)], weights[i, : len(row)] = row, 1
    weights[2, :500] = 2
    together = fbgmm.fit_rotated(table, 2, 100, weights=weights)
    assert together.batch_shape == (4,)
    joint = together.log_prob(HELD_OUT[:, None, :])
    assert joint.shape == (1000, 4)
    np.testing.assert_allclose(joint[:, 2], joint[:, 3], rtol=5e-3, atol=5e-3)
    assert np.abs(joint[:, 0] - joint[:, 2]).max() > 0.1
    alone = fbgmm.fit_rotated(rows[0], 2, 100)
    np.testing.assert_allclose(joint[:, 0], alone.log_prob(HELD_OUT), rtol=5e-3, atol=5e-3)
    assert together.sample(jax.random.key(0), (3, 4)).shape == (3, 4, 4, 2)


@pytest.mark.slow
def test_it_is_a_pytree_for_jit_and_vmap(density):
    x = jnp.asarray(HELD_OUT[:50], density.mean.dtype)
    expected = density.log_prob(x)
    np.testing.assert_allclose(jax.jit(lambda d, x: d.log_prob(x))(density, x), expected, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(density.log_prob)(x), expected, rtol=1e-5)
    fitted = jax.jit(lambda x: fbgmm.fit_rotated(x, 2, 100))(jnp.asarray(X, x.dtype))
    np.testing.assert_allclose(fitted.log_prob(x), expected, rtol=5e-3, atol=5e-3)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), density)
    assert isinstance(stacked, Rotated)
    np.testing.assert_allclose(jax.vmap(lambda d: d.log_prob(x))(stacked)[1], expected, rtol=1e-5)


@pytest.mark.slow
def test_one_dimension_is_a_mixture():
    x = X[:, :1]
    density = fbgmm.fit_rotated(x, rounds=1)
    expected = fbgmm.fit(x[:, 0], n=200, t=2.0, weights=np.full(3000, 100)).log_prob(HELD_OUT[:, 0])
    np.testing.assert_allclose(density.log_prob(HELD_OUT[:, :1]), expected, atol=0.02)


def test_bad_data_are_named():
    with pytest.raises(ValueError, match=r"shape \(5,\); allowed: \(N, D\)"):
        fbgmm.fit_rotated(np.ones(5))
    with pytest.raises(ValueError, match="3 points in 3 dimensions; at least 4"):
        fbgmm.fit_rotated(np.random.default_rng(0).normal(size=(3, 3)))
    with pytest.raises(ValueError, match=r"constant in column 1, 7\.0"):
        fbgmm.fit_rotated(np.stack([X[:, 0], np.full(3000, 7.0)], axis=1))
    with pytest.raises(ValueError, match="rank 2"):
        fbgmm.fit_rotated(np.stack([X[:, 0], X[:, 1], X[:, 0] + X[:, 1]], axis=1))
    with pytest.raises(ValueError, match="finite"):
        fbgmm.fit_rotated(np.where(X[5, 0] == X, np.nan, X))
    with pytest.raises(ValueError, match="at least 0"):
        fbgmm.fit_rotated(X, weights=np.full(3000, -1.0))
    with pytest.raises(ValueError, match=r"allowed: \(…, 2\)"):
        fbgmm.fit_rotated(X, 1).log_prob(np.zeros(3))
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        fbgmm.fit_rotated(X, -1)
    with pytest.raises(TypeError, match="no batch axes"):
        fbgmm.fit_rotated(X, 1)[0]
