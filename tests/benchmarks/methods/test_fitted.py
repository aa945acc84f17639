"""What estimators return: density, logarithm and distribution function that belong together and do not underflow."""

import numpy as np
import pytest
from scipy import special, stats

import fbgmm
from benchmarks.methods import kernels, own, registry
from benchmarks.methods.fitted import of_normals, of_points, of_steps
from benchmarks.methods.kernels import cdf_sums, gaussian_kde, log_sums

RNG = np.random.default_rng(0)


def slow_log_density(x, bandwidth, at):
    return special.logsumexp(stats.norm.logpdf(at[:, None], x, bandwidth), axis=1) - np.log(x.size)


SAMPLES = {
    "normal": RNG.normal(size=300),
    "outlier": np.append(RNG.normal(size=200), 1e6),
    "tied": np.repeat([0.0, 1.0, 5.0], [50, 20, 3]),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("bandwidth", [0.01, 0.3])
def test_log_sums_of_kernels_are_the_slow_ones(name, bandwidth):
    x = np.sort(SAMPLES[name])
    at = np.concatenate([np.linspace(-30, 30, 301), x[:5], [-1e4, 5e5, 1e6, 1e6 + 3]])
    np.testing.assert_allclose(log_sums(x, bandwidth, at), slow_log_density(x, bandwidth, at), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SAMPLES)
def test_cdf_sums_of_kernels_are_the_slow_ones(name, monkeypatch):
    monkeypatch.setattr(kernels, "PAIRS_AT_ONCE", 1000)  # many parts
    x = np.sort(SAMPLES[name])
    at = np.concatenate([np.linspace(-30, 30, 301), x[:5], [-1e4, 5e5, 1e6 + 3, 1e7]])
    expected = stats.norm.cdf(at[:, None], x, 0.3).mean(axis=1)
    np.testing.assert_allclose(cdf_sums(x, 0.3, at), expected, atol=1e-14)


@pytest.mark.parametrize("name", ["normal", "outlier"])
def test_the_logarithm_of_a_kernel_estimate_is_right_on_the_grid_and_beyond(name):
    x = SAMPLES[name]
    at = np.concatenate([RNG.uniform(-6, 6, 200), [-40.0, 300.0, 7e5]])
    found = gaussian_kde(x, 0.2).log_pdf(at)
    np.testing.assert_allclose(found, slow_log_density(x, 0.2, at), rtol=1e-10, atol=5e-3)
    assert found[-1] < -1e10


def test_scipys_estimate_is_scipys():
    x, at = SAMPLES["normal"], np.linspace(-9, 9, 101)
    fitted, scipys = registry.fit_of("KDE Scott (scipy)")(x), stats.gaussian_kde(x)
    np.testing.assert_allclose(fitted.log_pdf(at), scipys.logpdf(at), atol=1e-3)
    expected = [scipys.integrate_box_1d(-np.inf, point) for point in at]
    np.testing.assert_allclose(fitted.cdf(at), expected, atol=1e-12)


def test_a_histogram_is_zero_beyond_its_bins():
    fitted = of_steps(np.array([0.0, 1.0, 3.0, 4.0]), np.array([0.5, 0.25, 0.0]))
    at = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 3.5, 5.0])
    np.testing.assert_allclose(fitted.pdf(at), [0, 0.5, 0.5, 0.5, 0.25, 0.25, 0, 0])
    np.testing.assert_allclose(fitted.cdf(at), [0, 0, 0.25, 0.5, 0.75, 1, 1, 1])
    np.testing.assert_array_equal(np.isneginf(fitted.log_pdf(at)), fitted.pdf(at) == 0)


def test_a_polygon_is_integrated_exactly():
    triangle = of_points(np.array([-1.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0]))
    at = np.linspace(-2, 2, 41)
    np.testing.assert_allclose(triangle.cdf(at), stats.triang.cdf(at, 0.5, -1, 2), atol=1e-12)
    assert triangle.log_pdf(np.array([1.5])) == -np.inf


def test_few_normals_are_those_of_scipy():
    fitted = of_normals(np.array([0.3, 0.7]), np.array([0.0, 4.0]), np.array([1.0, 0.1]))
    at = np.linspace(-60, 60, 121)
    parts = [0.3 * stats.norm.cdf(at), 0.7 * stats.norm.cdf(at, 4, 0.1)]
    np.testing.assert_allclose(fitted.cdf(at), sum(parts), atol=1e-14)
    logs = [np.log(0.3) + stats.norm.logpdf(at), np.log(0.7) + stats.norm.logpdf(at, 4, 0.1)]
    np.testing.assert_allclose(fitted.log_pdf(at), np.logaddexp(*logs), rtol=1e-12)


def test_a_mixture_of_ours_is_evaluated_in_blocks_of_one_size(rounding, monkeypatch):
    gmm = fbgmm.Mixture(fbgmm.init_basis(0.0, 2.0, n=2, t=0.5), fbgmm.normalize(np.array([0.5, 1.5])))
    monkeypatch.setattr(own, "POINTS_AT_ONCE", 16)
    fitted, at = own.of_mixture(gmm), np.linspace(-30, 30, 37)
    expected = of_normals(np.array([0.25, 0.75]), np.array([0.5, 1.5]), np.full(2, 0.5))
    for name in ("pdf", "log_pdf", "cdf"):
        values = getattr(fitted, name)(at)
        assert values.dtype == np.float64
        np.testing.assert_allclose(values, getattr(expected, name)(at), rtol=10 * rounding, atol=rounding)
    assert fitted.cdf(np.empty(0)).shape == (0,)
