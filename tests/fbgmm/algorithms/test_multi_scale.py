"""Several widths at once: the levels against their definition, and their purpose."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import fbgmm
from fbgmm.algorithms import fine_counts as fine
from fbgmm.algorithms.convolution import kernel
from fbgmm.algorithms.multi_scale import Levels, _pilot, _shrinkages
from fbgmm.basis import init_basis
from fbgmm.testing import check_algorithm
from tests.fbgmm.algorithms.cases import against_the_paper, batches_are_single_fits, counted
from tests.oracle import gaussians_at_bins


@pytest.mark.slow
def test_conforms():
    check_algorithm(fbgmm.multi_scale())


@pytest.mark.slow
def test_better_than_the_paper_on_a_smooth_density(dtype):
    against_the_paper(fbgmm.multi_scale(), dtype)


def test_multi_scale_keeps_a_narrow_peak(dtype):
    """Where a single kernel must choose between the peak and the bulk."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 3000), rng.normal(1.5, 0.04, 1500)]).astype(dtype)
    u = np.linspace(-5, 5, 4000)
    f = norm.pdf(u) * 2 / 3 + norm.pdf(u, 1.5, 0.04) / 3

    def error(algorithm, t):
        g = np.asarray(fbgmm.fit(x, 400, t, algorithm).prob(u.astype(dtype)))
        return np.abs(g - f).sum() * (u[1] - u[0])

    assert error(fbgmm.multi_scale(), 1.0) < 0.75 * min(error(fbgmm.algorithm2(), t) for t in (1.0, 2.0, 4.0))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "t"), [(50, 1.0), (131, 2.0)])
def test_a_level_is_its_gaussians(n, t, dtype):
    """A Gaussian of width 2^j sigma in the middle of the range, as weights of the basis, is that Gaussian."""
    basis = init_basis(dtype(0), dtype(1), n, dtype(t), capacity=n + 5)
    levels = Levels(basis)
    r = 1 / n
    bins = (np.arange(4 * (n + 5)) + 0.5) * r / 4
    A = gaussians_at_bins(basis, 4)
    checked = 0
    for j, wide in enumerate(levels.bases):
        sigma = t * r * 2**j
        for i in np.flatnonzero(levels.used[j]):
            mu = (i + 0.5) * 2**j * r
            if min(mu, 1 - mu) < 6 * sigma:
                continue
            weights = [jnp.zeros(b.capacity, dtype) for b in levels.bases]
            weights[j] = weights[j].at[i].set(1)
            pi = np.asarray(levels.to_basis(weights), float)
            g = A @ pi / (t * r)
            # Truncating each smear at the reach of its precision is all that is lost.
            np.testing.assert_allclose(g, np.exp(-0.5 * ((bins - mu) / sigma) ** 2) / sigma, atol=2e-6 / sigma)
            np.testing.assert_allclose(wide.mu[i], mu, rtol=1e-5)
            checked += j > 0
    assert checked > 3


@pytest.mark.slow
def test_the_map_to_the_basis_keeps_the_mass_and_from_it_is_its_transpose(dtype, rounding):
    basis = init_basis(dtype(0), dtype(1), 53, dtype(2.0), capacity=60)
    levels = Levels(basis)
    rng = np.random.default_rng(0)
    weights = [jnp.where(on, jnp.asarray(rng.random(on.shape[0]), dtype), 0) for on in levels.used]
    v = jnp.where(basis.live, jnp.asarray(rng.random(60), dtype), 0)
    pi = levels.to_basis(weights)
    np.testing.assert_array_equal(pi[53:], 0)
    np.testing.assert_allclose(pi.sum(), sum(a.sum() for a in weights), rtol=10 * rounding)
    other = sum(jnp.sum(a * b) for a, b in zip(weights, levels.from_basis(v), strict=True))
    np.testing.assert_allclose(jnp.sum(pi * v), other, rtol=10 * rounding)


@pytest.mark.slow
def test_narrow_gaussians_are_held_back_by_their_noise(dtype):
    """s_a = 1/(1 + 2 c_a) with c_a from the Gaussians themselves, where they lie inside the range."""
    algorithm = fbgmm.multi_scale()
    x = np.random.default_rng(0).normal(0, 1, 800)
    basis, counts = counted(algorithm, x, 64, 2.0, dtype)
    c = fine.total(counts)
    levels, points = Levels(basis), kernel(basis)
    found = _shrinkages(c, levels, points)
    w, r, t = np.asarray(fine.shares(c), float), float(basis.r), 2.0
    pilot = np.asarray(_pilot(c, levels, points), float) / (t * r * np.sqrt(2 * np.pi))
    g0 = 0.99 * pilot + 0.01 / (64 * r)
    bins, checked = (np.arange(256) + 0.5) * r / 4, 0
    for j, scale in enumerate(found):
        for i in np.flatnonzero(levels.used[j]):
            mu, sigma = (i + 0.5) * 2**j * r, t * r * 2**j
            phi = norm.pdf(bins, mu, sigma)
            first, second = (w * phi / g0).sum(), (w * phi**2 / g0**2).sum()
            expected = 1 / (1 + 2 * np.sqrt(max(second - first**2, 0) / 800))
            if min(mu, 64 * r - mu) > 5 * sigma:
                np.testing.assert_allclose(scale[i], expected, rtol=1e-3)
                checked += 1
        np.testing.assert_array_equal(np.asarray(scale)[~np.asarray(levels.used[j])], 0)
    assert checked > 30


@pytest.mark.slow
def test_batches(dtype):
    batches_are_single_fits(fbgmm.multi_scale(), dtype)
