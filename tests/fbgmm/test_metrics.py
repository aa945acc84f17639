"""The paper's losses and bounds against SciPy and numerical integration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

import fbgmm
from tests import oracle
from tests.conftest import X64

TARGET = stats.norm(2.0, 1.3)


def target_cdf(x):
    return jax.scipy.stats.norm.cdf(x, 2.0, 1.3)


@pytest.fixture(scope="module")
def gmm():
    x = TARGET.rvs(2000, random_state=0)
    return fbgmm.fit(x, 60, 1.5)


def test_information_loss_is_eq_9_with_d_of_half_r(gmm, accuracy):
    mu, d = np.asarray(gmm.basis.mu, np.float64), float(gmm.basis.r) / 2
    ours = lambda a: oracle.cdf(gmm, a)  # noqa: E731
    loss = abs(TARGET.cdf(mu[0] - d) - ours(mu[0] - d)) + abs(TARGET.sf(mu[-1] + d) - (1 - ours(mu[-1] + d)))
    for m in mu:
        loss += abs((TARGET.cdf(m + d) - TARGET.cdf(m - d)) - (ours(m + d) - ours(m - d)))
    np.testing.assert_allclose(fbgmm.information_loss(target_cdf, gmm), loss, rtol=0, atol=20 * accuracy)


@given(st.lists(st.floats(0, 1), min_size=12, max_size=12).filter(lambda p: sum(p) > 0.01), st.floats(-60, 60))
def test_information_loss_lies_between_0_and_2(pi, centre):
    gmm = fbgmm.Mixture(fbgmm.init_basis(-3.0, 9.0, 12, 0.8), fbgmm.normalize(pi))
    loss = float(fbgmm.information_loss(lambda x: jax.scipy.stats.norm.cdf(x, centre, 0.7), gmm))
    assert 0 <= loss <= 2 + 1e-5


def test_the_ends_of_the_range_of_the_loss(gmm, accuracy):
    assert float(fbgmm.information_loss(gmm.cdf, gmm)) <= 10 * accuracy
    # A target beyond the mixture: all that the two share is the mixture's own tail.
    far = fbgmm.information_loss(lambda x: jnp.where(x > 1e4, 1.0, 0.0), gmm)
    np.testing.assert_allclose(far, 2 * oracle.cdf(gmm, float(gmm.basis.high)), atol=20 * accuracy)


def test_density_information_loss_is_the_sum_over_sub_cells(gmm, accuracy):
    for m in (1, 3, 8):
        edges = np.linspace(float(gmm.basis.low), float(gmm.basis.high), 60 * m + 1)
        expected = np.abs(np.diff(TARGET.cdf(edges)) - np.diff(oracle.cdf(gmm, edges))).sum()
        found = fbgmm.density_information_loss(target_cdf, gmm, m)
        np.testing.assert_allclose(found, expected, atol=60 * m * accuracy)


@pytest.mark.slow
def test_density_information_loss_grows_to_the_integral(gmm):
    losses = np.asarray([fbgmm.density_information_loss(target_cdf, gmm, m) for m in (1, 2, 4, 8, 16)])
    assert (np.diff(losses) >= -1e-6).all()  # halving sub-cells can only split differences
    x = np.linspace(float(gmm.basis.low), float(gmm.basis.high), 200_001)
    integral = integrate.simpson(np.abs(TARGET.pdf(x) - oracle.prob(gmm, x)), x=x)
    assert losses[-1] <= integral + 1e-4
    np.testing.assert_allclose(losses[-1], integral, rtol=0.01)
    assert losses[-1] - losses[-2] < 0.5 * (losses[1] - losses[0])


def test_without_tails_and_sub_cells_it_is_eq_9(gmm, accuracy):
    tails = sum(abs(float(target_cdf(e) - gmm.cdf(e))) for e in (gmm.basis.low, gmm.basis.high))
    found = fbgmm.density_information_loss(target_cdf, gmm, m=1) + tails
    np.testing.assert_allclose(found, fbgmm.information_loss(target_cdf, gmm), atol=20 * accuracy)


def test_local_loss_bound_is_the_difference_of_integrals(gmm):
    r = float(gmm.basis.r)
    for d in (r / 8, r / 4, r):
        bound = fbgmm.local_loss_bound(gmm, d)
        assert bound.decreasing.shape == bound.increasing.shape == (60,)
        for i in (0, 17, 30, 59):
            m = float(gmm.basis.mu[i])
            mass = lambda a, b: integrate.quad(lambda x: oracle.prob(gmm, x), a, b, epsabs=1e-14)[0]  # noqa: E731
            middle = mass(m - d / 2, m + d / 2)
            tolerance = 1e-12 if X64 else 5e-7
            decreasing = middle - mass(m + r / 2 - d, m + r / 2)
            increasing = middle - mass(m - r / 2, m - r / 2 + d)
            np.testing.assert_allclose(bound.decreasing[i], decreasing, rtol=0, atol=tolerance)
            np.testing.assert_allclose(bound.increasing[i], increasing, rtol=0, atol=tolerance)


def test_the_bound_holds_under_its_conditions():
    """A linear target with the mixture's probability in a cell, which the mixture crosses twice (conditions 1 to 3)."""
    gmm = fbgmm.Mixture(fbgmm.init_basis(0.0, 3.0, 3, 0.5), fbgmm.normalize([1.0, 1.4, 1.0]))
    m, r = 1.5, 1.0
    g = lambda x: oracle.prob(gmm, x)  # noqa: E731
    height = integrate.quad(g, m - r / 2, m + r / 2)[0] / r
    x = np.linspace(m - r / 2, m + r / 2, 10_001)
    for slope in (-0.02, 0.02):
        f = lambda x: height + slope * (x - m)  # noqa: B023, E731
        above = x[g(x) > f(x)]
        d = min(above[0] - x[0], x[-1] - above[-1]) * 0.9
        bound = fbgmm.local_loss_bound(gmm, d)
        bound = float(bound.decreasing[1] if slope < 0 else bound.increasing[1])
        for a in np.linspace(m - r / 2, m + r / 2 - d, 50):
            assert abs(integrate.quad(lambda x: f(x) - g(x), a, a + d)[0]) <= bound + 1e-6  # noqa: B023


@pytest.mark.slow
def test_batches_are_single_mixtures(accuracy):
    rng = np.random.default_rng(0)
    x = rng.normal(2, 1.3, (2, 300))
    gmms = fbgmm.fit_batch(x, (8, 30), (1.0, 3.0))
    losses = fbgmm.information_loss(target_cdf, gmms), fbgmm.density_information_loss(target_cdf, gmms, 4)
    bound = fbgmm.local_loss_bound(gmms, gmms.basis.r / 4)
    assert losses[0].shape == losses[1].shape == (2, 2, 2)
    assert bound.decreasing.shape == (2, 2, 2, 30)
    for index in ((1, 0, 1),):
        one = gmms[index]
        np.testing.assert_allclose(losses[0][index], fbgmm.information_loss(target_cdf, one), atol=20 * accuracy)
        dil = fbgmm.density_information_loss(target_cdf, one, 4)
        np.testing.assert_allclose(losses[1][index], dil, atol=50 * accuracy)
        single = fbgmm.local_loss_bound(one, one.basis.r / 4)
        np.testing.assert_allclose(bound.decreasing[index], single.decreasing, atol=4 * accuracy)


def test_losses_run_under_jit_and_grad(gmm, rounding):
    loss = jax.jit(lambda g: fbgmm.information_loss(target_cdf, g))(gmm)
    np.testing.assert_allclose(loss, fbgmm.information_loss(target_cdf, gmm), atol=10 * rounding)
    slope = jax.grad(lambda pi: fbgmm.information_loss(target_cdf, fbgmm.Mixture(gmm.basis, pi)))(gmm.pi)
    assert np.isfinite(slope).all()
    jax.jit(lambda g: fbgmm.local_loss_bound(g, g.basis.r / 4))(gmm)


def test_bad_arguments(gmm, unchecked_types):
    for m in (0, -1, 2.5, "4"):
        with pytest.raises((ValueError, TypeError), match=r"^m must be .*found"):
            fbgmm.density_information_loss(target_cdf, gmm, m)
    for d in (0.0, -1.0, 2 * float(gmm.basis.r), float("nan")):
        with pytest.raises(ValueError, match=r"d must be above 0 and at most r = .*; found"):
            fbgmm.local_loss_bound(gmm, d)
    with pytest.raises(TypeError, match="d has dtype"):
        fbgmm.local_loss_bound(gmm, "wide")
