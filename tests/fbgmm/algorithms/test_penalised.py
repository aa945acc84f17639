"""The roughness penalty against a general solver, the pyramid of widths against its definition, and their purpose."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

import fbgmm
from fbgmm.algorithms import fine_counts as fine
from fbgmm.algorithms.penalised import Pyramid, _pilot, _scales
from fbgmm.basis import init_basis
from fbgmm.testing import check_algorithm
from tests.oracle import gaussians_at_bins

ALGORITHMS = {
    "roughness": fbgmm.roughness(),
    "roughness 100": fbgmm.roughness(100.0),
    "multi-scale": fbgmm.multi_scale(),
    "multi-scale, odd bins": fbgmm.multi_scale(8, refine=3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALGORITHMS)
def test_conforms(name):
    check_algorithm(ALGORITHMS[name])


def counted(algorithm, x, n, t, dtype):
    basis = init_basis(dtype(x.min()), dtype(x.max()), n, dtype(t))
    return basis, algorithm.update(algorithm.init(basis), basis, jnp.asarray(x, dtype), None)


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
@pytest.mark.parametrize("algorithm", [fbgmm.roughness(), fbgmm.multi_scale()])
def test_better_than_the_paper_on_a_smooth_density(algorithm, dtype):
    """With a sigma much below the width of the density: the penalties see by themselves that it is smooth."""
    rng = np.random.default_rng(0)
    u = np.linspace(-5, 5, 500)
    error = {}
    xs = rng.normal(0, 1, (4, 1000)).astype(dtype)
    for name, each in (("penalised", algorithm), ("paper", fbgmm.algorithm2()), ("ml", fbgmm.maximum_likelihood(64))):
        gmms = fbgmm.fit_batch(xs, 200, 3.0, each)
        g = np.asarray(gmms.prob(np.repeat(u[:, None], 4, 1).astype(dtype)))
        error[name] = np.abs(g - norm.pdf(u)[:, None]).sum(0).mean() * (u[1] - u[0])
    assert error["penalised"] < 0.7 * error["paper"]
    assert error["penalised"] < 0.5 * error["ml"]


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
    pyramid = Pyramid(basis)
    r = 1 / n
    bins = (np.arange(4 * (n + 5)) + 0.5) * r / 4
    A = gaussians_at_bins(basis, 4)
    checked = 0
    for j, wide in enumerate(pyramid.bases):
        sigma = t * r * 2**j
        for i in np.flatnonzero(pyramid.used[j]):
            mu = (i + 0.5) * 2**j * r
            if min(mu, 1 - mu) < 6 * sigma:
                continue
            levels = [jnp.zeros(b.capacity, dtype) for b in pyramid.bases]
            levels[j] = levels[j].at[i].set(1)
            pi = np.asarray(pyramid.collapse(levels), float)
            g = A @ pi / (t * r)
            # Truncating each smear at the reach of its precision is all that is lost.
            np.testing.assert_allclose(g, np.exp(-0.5 * ((bins - mu) / sigma) ** 2) / sigma, atol=2e-6 / sigma)
            np.testing.assert_allclose(wide.mu[i], mu, rtol=1e-5)
            checked += j > 0
    assert checked > 3


@pytest.mark.slow
def test_collapse_keeps_the_mass_and_spread_is_its_transpose(dtype, rounding):
    basis = init_basis(dtype(0), dtype(1), 53, dtype(2.0), capacity=60)
    pyramid = Pyramid(basis)
    rng = np.random.default_rng(0)
    levels = [jnp.where(on, jnp.asarray(rng.random(on.shape[0]), dtype), 0) for on in pyramid.used]
    v = jnp.where(basis.live, jnp.asarray(rng.random(60), dtype), 0)
    pi = pyramid.collapse(levels)
    np.testing.assert_array_equal(pi[53:], 0)
    np.testing.assert_allclose(pi.sum(), sum(a.sum() for a in levels), rtol=10 * rounding)
    other = sum(jnp.sum(a * b) for a, b in zip(levels, pyramid.spread(v), strict=True))
    np.testing.assert_allclose(jnp.sum(pi * v), other, rtol=10 * rounding)


@pytest.mark.slow
def test_scales_are_those_of_the_recipe(dtype):
    """s_a = 1/(1 + 2 c_a) with c_a from the Gaussians themselves, where they lie inside the range."""
    algorithm = fbgmm.multi_scale()
    x = np.random.default_rng(0).normal(0, 1, 800)
    basis, counts = counted(algorithm, x, 64, 2.0, dtype)
    c = fine.total(counts)
    pyramid, points = Pyramid(basis), fine.kernel(basis, 4)
    found = _scales(c, basis, pyramid, points)
    w, r, t = np.asarray(fine.shares(c), float), float(basis.r), 2.0
    pilot = np.asarray(_pilot(c, basis, pyramid, points), float) / (t * r * np.sqrt(2 * np.pi))
    g0 = 0.99 * pilot + 0.01 / (64 * r)
    bins, checked = (np.arange(256) + 0.5) * r / 4, 0
    for j, scale in enumerate(found):
        for i in np.flatnonzero(pyramid.used[j]):
            mu, sigma = (i + 0.5) * 2**j * r, t * r * 2**j
            phi = norm.pdf(bins, mu, sigma)
            first, second = (w * phi / g0).sum(), (w * phi**2 / g0**2).sum()
            expected = 1 / (1 + 2 * np.sqrt(max(second - first**2, 0) / 800))
            if min(mu, 64 * r - mu) > 5 * sigma:
                np.testing.assert_allclose(scale[i], expected, rtol=1e-3)
                checked += 1
        np.testing.assert_array_equal(np.asarray(scale)[~np.asarray(pyramid.used[j])], 0)
    assert checked > 30


@pytest.mark.slow
def test_batches(dtype):
    rng = np.random.default_rng(1)
    xs = [rng.normal(0, 1, 300).astype(dtype), rng.exponential(1, 200).astype(dtype)]
    for algorithm in (fbgmm.roughness(), fbgmm.multi_scale()):
        gmms = fbgmm.fit_batch(xs, n=(30, 50), t=(1.0, 2.0), algorithm=algorithm)
        for i, x in enumerate(xs):
            alone, tolerance = fbgmm.fit(x, 30, 2.0, algorithm).pi, 1e-6 if dtype == np.float64 else 1e-4
            np.testing.assert_allclose(gmms.pi[i, 0, 1, :30], alone, rtol=0, atol=tolerance)
            np.testing.assert_array_equal(gmms.pi[i, 0, 1, 30:], 0)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_options(wrong):
    with pytest.raises(ValueError, match=r"strength must be at least 0 and finite.*found"):
        fbgmm.roughness(wrong)
    with pytest.raises(ValueError, match="steps must be a whole number"):
        fbgmm.multi_scale(0)
