"""The roughness penalty against a general solver, and its purpose."""

import numpy as np
import pytest
from scipy.optimize import minimize

import fbgmm
from fbgmm.algorithms import fine_counts as fine
from fbgmm.testing import check_algorithm
from tests.fbgmm.algorithms.cases import against_the_paper, batches_are_single_fits, counted
from tests.oracle import gaussians_at_bins


@pytest.mark.slow
@pytest.mark.parametrize("strength", [None, 100.0])
def test_conforms(strength):
    check_algorithm(fbgmm.roughness(strength))


@pytest.mark.parametrize("strength", [0.0, 1.0, 1000.0])
def test_roughness_against_a_general_solver(strength, dtype):
    n = 15
    algorithm = fbgmm.roughness(strength)
    basis, counts = counted(algorithm, np.random.default_rng(0).exponential(1, 200), n, 1.0, dtype)
    w, A = np.asarray(fine.shares(fine.total(counts)), float), gaussians_at_bins(basis, 4)
    D = np.diff(np.eye(n), 2, axis=0)

    def negative(p):
        f, rough = A @ p, strength * D.T @ (D @ p)
        return p.sum() + p @ rough / 2 - (w * np.log(f))[w > 0].sum(), 1 + rough - A.T @ (w / f)

    options = {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 10_000, "maxfun": 100_000}
    p = minimize(
        negative, np.full(n, 1 / n), jac=True, method="L-BFGS-B", bounds=[(1e-12, None)] * n, options=options
    ).x
    found = np.asarray(algorithm.weights(counts, basis))
    np.testing.assert_allclose(found, p / p.sum(), atol=2e-5 if dtype == np.float64 else 2e-3)


def test_more_strength_is_smoother(dtype):
    x = np.random.default_rng(0).normal(0, 1, 500)
    bends = []
    for strength in (1.0, 100.0, 10_000.0):
        pi = np.asarray(fbgmm.fit(x.astype(dtype), 60, 1.0, fbgmm.roughness(strength)).pi, float)
        bends.append(np.square(np.diff(pi, 2)).sum())
    assert bends[0] > 2 * bends[1] > 4 * bends[2]


@pytest.mark.slow
def test_better_than_the_paper_on_a_smooth_density(dtype):
    against_the_paper(fbgmm.roughness(), dtype)


@pytest.mark.slow
def test_batches(dtype):
    batches_are_single_fits(fbgmm.roughness(), dtype)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_options(wrong):
    with pytest.raises(ValueError, match=r"strength must be at least 0 and finite.*found"):
        fbgmm.roughness(wrong)
