"""EM by counts against the plain matrix, and the fine counts and convolutions under it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import fbgmm
from fbgmm.algorithms import fine_counts as fine
from fbgmm.algorithms.convolution import curvature, kernel
from fbgmm.algorithms.maximum_likelihood import em, em_accelerated, em_start, log_likelihood
from fbgmm.basis import init_basis
from fbgmm.testing import check_algorithm
from tests.oracle import gaussians_at_bins

ALGORITHMS = {
    "em": fbgmm.maximum_likelihood(),
    "one step": fbgmm.maximum_likelihood(1),
    "accelerated": fbgmm.maximum_likelihood(32, accelerated=True),
}


def case(n, t, dtype, seed=0, size=2000):
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(0, 1, size // 2), rng.normal(4, 0.3, size // 4), rng.standard_t(3, size // 4)])
    basis = init_basis(dtype(x.min()), dtype(x.max()), n, dtype(t))
    counts = fine.count(fine.fine_basis(basis), jnp.asarray(x, dtype))
    return basis, fine.total(counts), x


@pytest.mark.slow
@pytest.mark.parametrize("name", ALGORITHMS)
def test_conforms(name):
    check_algorithm(ALGORITHMS[name])


@pytest.mark.parametrize(
    ("n", "refine", "t"),
    [
        (40, 4, 0.7),
        (33, 3, 2.0),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((90, 1, 5.0), (5, 4, 30.0))),
    ],
)
def test_products_with_the_gaussians(n, refine, t, dtype, rounding):
    basis = init_basis(dtype(-2), dtype(3), n, dtype(t))
    rng = np.random.default_rng(0)
    p, v = rng.random(n), rng.random(n * refine)
    for factor in (1.0, 0.5**0.5):
        A, k = gaussians_at_bins(basis, refine, factor), kernel(basis, refine, factor)
        np.testing.assert_allclose(k.apply(jnp.asarray(p, dtype)), A @ p, rtol=20 * rounding)
        np.testing.assert_allclose(k.adjoint(jnp.asarray(v, dtype)), A.T @ v, rtol=20 * rounding)
    if refine == fine.REFINE:
        A = gaussians_at_bins(basis, refine)
        found = curvature(basis)(jnp.asarray(v, dtype))
        np.testing.assert_allclose(found, A.T @ (v[:, None] * A), rtol=0, atol=30 * rounding * refine * t)


def test_fine_counts_are_the_histogram_of_the_bins(dtype):
    basis, c, x = case(50, 2.0, dtype)
    expected = np.histogram(np.asarray(x, dtype), 200)[0]
    assert np.abs(np.asarray(c) - expected).sum() <= 4  # a point on an edge may change sides
    np.testing.assert_array_equal(fine.coarse(c, basis), np.asarray(c).reshape(50, 4).sum(1))


@pytest.mark.parametrize("t", [1.0, 3.0])
def test_against_plain_em(t, dtype):
    basis, c, _ = case(60, t, dtype)
    w = np.asarray(c, float) / np.asarray(c).sum()
    cells = w.reshape(60, 4).sum(1)
    d, z = 0.25, 1 / t
    dL = (norm.cdf(d) - norm.cdf(-d)) - (norm.cdf(z) - norm.cdf(z - d))
    p = 1 / 60 + dL * cells * np.asarray(c).sum()
    p = 0.999 * p / p.sum() + 0.001 / 60
    A = gaussians_at_bins(basis, 4)
    for _ in range(16):
        p = p * (A.T @ (w / (A @ p)))
    algorithm = fbgmm.maximum_likelihood(16)
    state = fine.count(fine.fine_basis(basis), jnp.zeros(0, dtype))._replace(weight=c)
    np.testing.assert_allclose(algorithm.weights(state, basis), p, rtol=0, atol=1e-12 if dtype == np.float64 else 1e-6)


@pytest.mark.parametrize("t", [1.0, 3.0, 8.0])
@pytest.mark.parametrize("climb", [em, em_accelerated])
def test_the_likelihood_never_falls(t, climb, dtype):
    basis, c, _ = case(200, t, dtype)
    w, points, start = fine.shares(c), kernel(basis), em_start(c, basis)

    @jax.jit
    def reached(steps):
        return log_likelihood(w, points.apply(climb(points, w, start, steps)))

    found = np.array([reached(k) for k in range(41)])
    slack = 0 if dtype == np.float64 else 2e-6
    assert (np.diff(found) >= -slack).all()
    assert found[-1] > found[0] + 1e-3


@pytest.mark.parametrize("t", [1.0, 3.0, 8.0])
def test_acceleration_reaches_more_for_the_same_products(t, dtype):
    basis, c, _ = case(200, t, dtype)
    w, points, start = fine.shares(c), kernel(basis), em_start(c, basis)

    def reached(climb, steps):
        return float(log_likelihood(w, points.apply(climb(points, w, start, steps))))

    for steps in (8, 48):
        assert reached(em_accelerated, steps) > reached(em, steps)
    assert reached(em_accelerated, 48) > reached(em, 150)


def test_exact_counts_of_a_mixture_give_its_density(dtype):
    """With the counts of the density itself the likelihood is largest there."""
    basis = init_basis(dtype(0), dtype(1), 50, dtype(2.0))
    pi = np.zeros(50)
    pi[[19, 24, 31]] = 0.5, 0.4, 0.1  # nothing of these lies outside the bins
    c = 1e6 * gaussians_at_bins(basis, 4) @ pi
    algorithm = fbgmm.maximum_likelihood(400, accelerated=True)
    found = np.asarray(algorithm.weights(algorithm.init(basis)._replace(weight=jnp.asarray(c, dtype)), basis))
    density = gaussians_at_bins(basis, 4)
    assert np.abs(density @ (found - pi)).sum() < 0.005 * (density @ pi).sum()


@pytest.mark.slow
def test_batches_and_ragged_rows(dtype):
    rng = np.random.default_rng(1)
    xs = [rng.normal(0, 1, 300).astype(dtype), rng.exponential(1, 200).astype(dtype)]
    tolerance = 1e-12 if dtype == np.float64 else 2e-6
    algorithm = fbgmm.maximum_likelihood(8)
    gmms = fbgmm.fit_batch(xs, n=(20, 50), t=(1.0, 3.0), algorithm=algorithm)
    assert gmms.pi.shape == (2, 2, 2, 50)
    for i, x in enumerate(xs):
        for j, n in enumerate((20, 50)):
            alone = fbgmm.fit(x, n, 3.0, algorithm).pi
            np.testing.assert_allclose(gmms.pi[i, j, 1, :n], alone, atol=tolerance, rtol=0)
            np.testing.assert_array_equal(gmms.pi[i, j, 1, n:], 0)


def test_the_size_of_data_weights_does_not_matter_much(dtype):
    """Only the pseudo-count of the start depends on it."""
    _, _, x = case(50, 2.0, dtype)
    one, many = (
        fbgmm.fit(x.astype(dtype), 50, 2.0, fbgmm.maximum_likelihood(), weights=np.full(x.size, size, dtype)).pi
        for size in (1.0, 7.5)
    )
    np.testing.assert_allclose(one, many, atol=1e-3)


@pytest.mark.parametrize("make", [fbgmm.maximum_likelihood, fbgmm.multi_scale])
@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "4"])
def test_options(make, wrong, unchecked_types):
    error = ValueError if wrong in (0, -1) else TypeError
    with pytest.raises(error, match=rf"steps must be .*at least 1; found {wrong!r}"):
        make(wrong)
