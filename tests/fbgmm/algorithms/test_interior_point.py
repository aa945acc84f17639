"""The interior point: its certificate, and the same maximum by a general solver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

import fbgmm
from fbgmm.algorithms import fine_counts as fine
from fbgmm.algorithms.convolution import kernel
from fbgmm.algorithms.maximum_likelihood import log_likelihood
from fbgmm.basis import init_basis
from fbgmm.testing import check_algorithm
from tests.oracle import gaussians_at_bins

ALGORITHM = fbgmm.interior_point()


def samples():
    rng = np.random.default_rng(0)
    return {
        "normal": rng.normal(0, 1, 5000),
        "narrow peak": np.concatenate([rng.normal(0, 1, 500), rng.normal(5, 0.1, 500)]),
        "heavy tails": rng.standard_t(3, 2000),
        "edge": rng.exponential(1, 3000),
        "few": rng.normal(0, 1, 12),
        "many": rng.normal(0, 1, 200_000),
    }


def counted(x, n, t, dtype):
    basis = init_basis(dtype(x.min()), dtype(x.max()), n, dtype(t))
    return basis, ALGORITHM.update(ALGORITHM.init(basis), basis, jnp.asarray(x, dtype), None)


@jax.jit
def solved(counts, basis):
    pi = ALGORITHM.weights(counts, basis)
    return pi, fbgmm.duality_gap(pi, basis, counts)


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("t", [1.0, 3.0, 8.0])
def test_the_gap_after_twenty_iterations(n, t, dtype):
    for name, x in samples().items():
        if n == 1000 and name not in ("narrow peak", "many"):
            continue
        basis, counts = counted(x, n, t, dtype)
        pi, gap = solved(counts, basis)
        assert float(pi.min()) >= 0
        assert -1e-5 < float(gap) <= (1e-6 if dtype == np.float64 else 2e-5), name


def test_the_gap_is_that_of_the_definition(dtype):
    basis, counts = counted(samples()["edge"], 60, 2.0, dtype)
    w, A = np.asarray(fine.shares(fine.total(counts)), float), gaussians_at_bins(basis, 4)
    pi = np.random.default_rng(1).dirichlet(np.ones(60))
    expected = (A.T @ (w / (A @ pi))).max() - 1
    found = fbgmm.duality_gap(jnp.asarray(pi, dtype), basis, counts)
    np.testing.assert_allclose(found, expected, rtol=1e-10 if dtype == np.float64 else 1e-4)


def test_the_gap_bounds_what_is_missing(dtype):
    basis, counts = counted(samples()["narrow peak"], 100, 3.0, dtype)
    w, points = fine.shares(fine.total(counts)), kernel(basis)

    def reached(pi):
        return float(log_likelihood(w, points.apply(pi)))

    pi, gap = solved(counts, basis)
    assert -1e-5 < float(gap) <= (1e-6 if dtype == np.float64 else 2e-5)
    best = reached(pi)
    for steps in (1, 16, 200):
        pi = fbgmm.maximum_likelihood(steps).weights(counts, basis)
        missing = best - reached(pi)
        assert 0 < missing <= float(fbgmm.duality_gap(pi, basis, counts))


def test_against_a_general_solver(dtype):
    basis, counts = counted(samples()["edge"][:200], 15, 1.0, dtype)
    w, A = np.asarray(fine.shares(fine.total(counts)), float), gaussians_at_bins(basis, 4)

    def negative(p):
        f = A @ p
        return p.sum() - (w * np.log(f))[w > 0].sum(), 1 - A.T @ (w / f)

    bounds = [(1e-12, None)] * 15
    start = np.full(15, 1 / 15)
    options = {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 10_000, "maxfun": 100_000}
    p = minimize(negative, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    pi = np.asarray(ALGORITHM.weights(counts, basis))
    np.testing.assert_allclose(pi, p, atol=2e-5 if dtype == np.float64 else 2e-3)
    assert negative(np.maximum(pi, 1e-12).astype(float))[0] <= negative(p)[0] + (1e-12 if dtype == np.float64 else 1e-6)


def test_the_density_is_recovered_from_its_own_counts(dtype):
    basis = init_basis(dtype(0), dtype(1), 50, dtype(2.0))
    pi = np.zeros(50)
    pi[[19, 24, 31]] = 0.5, 0.4, 0.1  # nothing of these lies outside the bins
    c = 1e6 * gaussians_at_bins(basis, 4) @ pi
    found = np.asarray(ALGORITHM.weights(ALGORITHM.init(basis)._replace(weight=jnp.asarray(c, dtype)), basis))
    np.testing.assert_allclose(found, pi, atol=1e-6 if dtype == np.float64 else 5e-3)


@pytest.mark.slow
def test_conforms():
    check_algorithm(ALGORITHM)


def test_data_weights_scale_out(dtype):
    """Powers of two leave every digit."""
    x = samples()["heavy tails"][:500].astype(dtype)
    w = np.random.default_rng(3).random(500).astype(dtype)
    one, many = (fbgmm.fit(x, 60, 2.0, ALGORITHM, weights=w * s).pi for s in (1, 1024))
    np.testing.assert_array_equal(one, many)


@pytest.mark.slow
def test_batches_over_n_and_t(dtype):
    xs = [samples()[name][:400].astype(dtype) for name in ("normal", "edge")]
    gmms = fbgmm.fit_batch(xs, n=(30, 80), t=(1.0, 2.0), algorithm=ALGORITHM)
    for i, x in enumerate(xs):
        for j, n in enumerate((30, 80)):
            alone = fbgmm.fit(x, n, 2.0, ALGORITHM)
            u = np.linspace(x.min(), x.max(), 200, dtype=dtype)
            found = gmms[i, j, 1].prob(u)
            np.testing.assert_allclose(found, alone.prob(u), atol=1e-7 if dtype == np.float64 else 3e-3)
            np.testing.assert_array_equal(gmms.pi[i, j, 1, n:], 0)


@pytest.mark.slow
def test_little_data(dtype):
    for x in ([0.5], [0.2, 0.2, 0.2], [0.0, 1.0]):
        gmm = fbgmm.fit(np.array(x, dtype), 20, 2.0, ALGORITHM, low=0.0, high=1.0)
        assert np.isfinite(gmm.pi).all()
        np.testing.assert_allclose(gmm.pi.sum(), 1, rtol=1e-5)
    basis = init_basis(dtype(0), dtype(1), 4)
    np.testing.assert_allclose(ALGORITHM.weights(ALGORITHM.init(basis), basis), 0.25)
    assert float(fbgmm.duality_gap(fbgmm.init_pi(basis), basis, ALGORITHM.init(basis))) == 0
    narrow = fbgmm.fit(np.array([0.1, 0.5, 0.9], dtype), 50, 0.02, ALGORITHM, low=0.0, high=1.0)
    assert np.isfinite(narrow.pi).all()


def test_wrong_shapes(unchecked_types):
    basis = init_basis(0.0, 1.0, 4)
    with pytest.raises(ValueError, match=r"pi must have shape \(4,\).*found \(5,\)"):
        fbgmm.duality_gap(jnp.ones(5), basis, ALGORITHM.init(basis))
