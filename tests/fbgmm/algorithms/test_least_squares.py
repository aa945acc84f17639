"""Least squares against scipy's, and the closed form of cross-validation against leaving out each point."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import nnls
from scipy.stats import norm

import fbgmm
from fbgmm.algorithms import fine_counts as fine
from fbgmm.algorithms.least_squares import RIDGES, cv_scores, gram
from fbgmm.basis import init_basis
from fbgmm.testing import check_algorithm


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", [fbgmm.least_squares(), fbgmm.least_squares(1e-3)])
def test_conforms(algorithm):
    check_algorithm(algorithm)


def counted(x, n, t, dtype, capacity=None):
    algorithm = fbgmm.least_squares()
    basis = init_basis(dtype(x.min()), dtype(x.max()), n, dtype(t), capacity=capacity)
    return basis, algorithm.update(algorithm.init(basis), basis, jnp.asarray(x, dtype), None)


def binned(basis, counts):
    """The data as the algorithm sees them: each point at the centre of its bin."""
    c = np.asarray(fine.total(counts))
    at = float(basis.low) + (np.arange(c.size) + 0.5) * float(basis.r) * basis.capacity / c.size
    return np.repeat(at, c.astype(int))


def test_the_gram_matrix_is_that_of_the_integrals(dtype):
    basis = init_basis(dtype(0), dtype(1), 6, dtype(1.5))
    mu, sigma = np.asarray(basis.mu, float), float(basis.sigma)
    G = np.asarray(gram(basis))
    for i, j in ((0, 0), (1, 3), (5, 2)):
        full = quad(lambda x: norm.pdf(x, mu[i], sigma) * norm.pdf(x, mu[j], sigma), -3, 4, limit=200)[0]  # noqa: B023
        np.testing.assert_allclose(G[i, j] / (2 * np.sqrt(np.pi) * sigma), full, rtol=1e-5)


@pytest.mark.parametrize("t", [1.0, 3.0])
def test_cross_validation_leaves_out_each_point(t, dtype):
    basis, counts = counted(np.random.default_rng(0).exponential(1, 60), 12, t, dtype, capacity=15)
    x, n = binned(basis, counts), 12
    mu, sigma = np.asarray(basis.mu, float)[:n], float(basis.sigma)
    phi = norm.pdf(x[:, None], mu, sigma)
    G = norm.pdf(mu[:, None], mu, sigma * np.sqrt(2))
    unit = 1 / (2 * np.sqrt(np.pi) * sigma)
    path = np.array([1e-3, 0.01, 0.1, 1.0])
    expected = []
    for rho in path:
        M = np.linalg.inv(G + rho * unit * np.eye(n))
        p = M @ phi.mean(0)
        without = [phi[i] @ M @ np.delete(phi, i, axis=0).mean(0) for i in range(x.size)]
        expected.append((p @ G @ p - 2 * np.mean(without)) / unit)
    found = cv_scores(fine.total(counts), basis, jnp.asarray(path, dtype))
    np.testing.assert_allclose(found, expected, rtol=1e-9 if dtype == np.float64 else 2e-3)


@pytest.mark.parametrize("ridge", [1e-4, 1e-2])
def test_the_weights_are_those_of_nnls(ridge, dtype):
    algorithm = fbgmm.least_squares(ridge)
    basis, counts = counted(np.random.default_rng(1).exponential(1, 500), 25, 2.0, dtype)
    x, t = binned(basis, counts), 2.0
    mu, sigma = np.asarray(basis.mu, float), float(basis.sigma)
    G = np.exp(-(((mu[:, None] - mu) / (2 * sigma)) ** 2)) + ridge * 2 * np.sqrt(np.pi) * t * np.eye(25)
    b = np.sqrt(2) * np.exp(-0.5 * ((x[:, None] - mu) / sigma) ** 2).mean(0)
    half = np.linalg.cholesky(G).T
    p, _ = nnls(half, np.linalg.solve(half.T, b))
    assert (p == 0).sum() > 0
    found = np.asarray(algorithm.weights(counts, basis))
    np.testing.assert_allclose(found, p / p.sum(), atol=1e-8 if dtype == np.float64 else 3e-4)


@pytest.mark.slow
def test_the_best_of_the_path_is_taken(dtype):
    basis, counts = counted(np.random.default_rng(0).normal(0, 1, 300), 40, 2.0, dtype)
    path = np.array(RIDGES) * 2 * np.sqrt(np.pi) * 2.0
    best = int(np.argmin(cv_scores(fine.total(counts), basis, jnp.asarray(path, dtype))))
    assert 0 < best < len(RIDGES) - 1
    chosen = fbgmm.least_squares().weights(counts, basis)
    np.testing.assert_allclose(
        chosen, fbgmm.least_squares(RIDGES[best]).weights(counts, basis), atol=1e-9 if dtype == np.float64 else 1e-4
    )
    other = fbgmm.least_squares(RIDGES[best + 3]).weights(counts, basis)
    assert float(jnp.abs(chosen - other).max()) > 1e-3


@pytest.mark.slow
def test_much_data_recover_the_density(dtype):
    """With counts of a mixture on the basis itself, and a million points, its density is found."""
    basis = init_basis(dtype(0), dtype(1), 50, dtype(2.0))
    pi = np.zeros(50)
    pi[[19, 24, 31]] = 0.5, 0.4, 0.1
    u = np.linspace(0, 1, 401, dtype=dtype)
    density = fbgmm.Mixture(basis, jnp.asarray(pi, dtype)).prob(u)
    at = (np.arange(200) + 0.5) / 200
    c = 1e6 * np.asarray(fbgmm.Mixture(basis, jnp.asarray(pi, dtype)).prob(at.astype(dtype))) / 200
    algorithm = fbgmm.least_squares()
    found = algorithm.weights(algorithm.init(basis)._replace(weight=jnp.asarray(c, dtype)), basis)
    error = np.abs(fbgmm.Mixture(basis, found).prob(u) - density).mean()
    assert error < 0.01


@pytest.mark.slow
def test_batches(dtype):
    rng = np.random.default_rng(1)
    xs = [rng.normal(0, 1, 300).astype(dtype), rng.exponential(1, 200).astype(dtype)]
    gmms = fbgmm.fit_batch(xs, n=(20, 30), t=(1.0, 2.0), algorithm=fbgmm.least_squares())
    for i, x in enumerate(xs):
        alone, tolerance = fbgmm.fit(x, 20, 2.0, fbgmm.least_squares()).pi, 1e-9 if dtype == np.float64 else 1e-4
        np.testing.assert_allclose(gmms.pi[i, 0, 1, :20], alone, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(gmms.pi[i, 0, 1, 20:], 0)


def test_little_data(dtype):
    for x in ([0.5], [0.2, 0.2, 0.2], [0.0, 1.0]):
        gmm = fbgmm.fit(np.array(x, dtype), 20, 2.0, fbgmm.least_squares(), low=0.0, high=1.0)
        assert np.isfinite(gmm.pi).all()
        np.testing.assert_allclose(gmm.pi.sum(), 1, rtol=1e-5)


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), float("inf")])
def test_options(wrong, unchecked_types):
    with pytest.raises(ValueError, match=r"ridge must be above 0 and finite.*found"):
        fbgmm.least_squares(wrong)
