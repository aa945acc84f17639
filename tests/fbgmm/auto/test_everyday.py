"""`fit(x)` has the distribution of its data, whatever their scales, ties and order; or it says that it has not."""

import numpy as np
import pytest

import fbgmm
from benchmarks.everyday.kinds import KINDS, draw
from benchmarks.everyday.misfit import allowed, misfit

HELD = [kind for kind in KINDS if kind != "offset 1e6"]  # float32 rounds that to few values, and `fit` says so
SIZE = 480
OTHER_SIZES = [pytest.param(size, marks=pytest.mark.slow) for size in (50, 5000)]


def cdf_of(gmm):
    """In blocks of one size: any other number of points would compile anew."""

    def cdf(x):
        padded = np.zeros(-(-len(x) // 512) * 512, gmm.pi.dtype)
        padded[: len(x)] = x
        return np.concatenate([np.asarray(gmm.cdf(block)) for block in padded.reshape(-1, 512)])[: len(x)]

    return cdf


@pytest.mark.parametrize("size", [SIZE, *OTHER_SIZES])
@pytest.mark.parametrize("kind", HELD)
def test_the_distribution_is_that_of_the_data(kind, size):
    x = draw(kind, size).astype(np.float32)
    gmm = fbgmm.fit(x)
    found, _ = misfit(cdf_of(gmm), x)
    assert found <= allowed(x)
    assert int(gmm.status) == fbgmm.Status.OK
    assert float(gmm.choice.misfit) == pytest.approx(found, abs=0.02)
    assert float(gmm.choice.allowed) == pytest.approx(allowed(x), rel=1e-4)


def test_mean_and_quantiles_of_zero_inflated_amounts():
    """seaborn#1990: .009 and .014 of the data's before."""
    x = draw("zero-inflated amounts", 10_000)
    gmm = fbgmm.fit(x)
    assert float(gmm.mean()) == pytest.approx(x.mean(), rel=0.1)
    assert float(gmm.icdf(0.9)) == pytest.approx(np.quantile(x, 0.9), rel=0.1)
    assert float(gmm.cdf(np.sort(x)[8000] / 2)) == pytest.approx(0.8, abs=0.02)


def test_two_scales_of_latencies():
    """t-digest#143: P(X < 10,000) was 1.0 and the .9 quantile 633."""
    gmm = fbgmm.fit(draw("latencies", 1000))
    assert float(gmm.cdf(10_000.0)) == pytest.approx(0.8, abs=0.02)
    assert float(gmm.icdf(0.9)) == pytest.approx(55_000, rel=0.05)


def test_ratings_keep_mean_and_shares():
    """violinplot#3 and seaborn#1928."""
    x = np.repeat([1.0, 2, 3, 4, 5], [45, 45, 104, 280, 526])
    gmm = fbgmm.fit(x)
    assert float(gmm.cdf(4.5)) == pytest.approx(0.474, abs=0.03)
    assert float(gmm.mean()) == pytest.approx(x.mean(), abs=0.1 * x.std())
    x = np.repeat([1.0, 2, 3, 4], [27, 58, 18, 6])
    gmm = fbgmm.fit(x)
    assert float(gmm.mean()) == pytest.approx(x.mean(), abs=0.1)
    assert float(gmm.variance()) ** 0.5 == pytest.approx(0.8, abs=0.25)


@pytest.mark.parametrize("kind", ["table by rows", "zero-inflated amounts"])
def test_the_order_of_the_data_changes_nothing(kind):
    x = draw(kind, 3000)
    expected = fbgmm.fit(x)
    for order in (np.sort(x), np.random.default_rng(1).permutation(x)):
        np.testing.assert_allclose(fbgmm.fit(order).pi, expected.pi, atol=1e-6)


def test_long_data_in_any_order_have_the_same_distribution():
    """scipy#20201: P(X > 500) was 0 for the table ravelled by rows; scikit-learn#27373: every other weight zero."""
    x = draw("table by rows", 20_000)
    for order in (x, np.sort(x), x.reshape(-1, 2).T.ravel()):
        assert float(fbgmm.fit(order).cdf(500.0)) == pytest.approx(0.5, abs=0.01)
    x = np.random.default_rng(0).normal(5, 1, 16_384)
    gmm = fbgmm.fit(x, weights=np.tile([0, 1], 8192))
    np.testing.assert_allclose(gmm.icdf(np.array([0.05, 0.5, 0.95])), [3.4, 5.0, 6.6], atol=0.1)


def test_units_change_nothing():
    x = draw("exponential", SIZE).astype(np.float32)
    expected = fbgmm.fit(x)
    scaled = fbgmm.fit(2.0**-30 * x)  # exact in floating point
    np.testing.assert_allclose(scaled.pi, expected.pi, atol=1e-5)


def test_what_a_given_basis_cannot_hold_is_said():
    x = draw("zero-inflated amounts", 1000)
    with pytest.warns(fbgmm.MisfitWarning, match="more than half of the points lie in one cell"):
        gmm = fbgmm.fit(x, 200, 2.0)
    assert fbgmm.Status(int(gmm.status)) == fbgmm.Status.MISFIT
    with pytest.warns(fbgmm.MisfitWarning, match="1 of 2 fits have"):
        gmms = fbgmm.fit_batch([x, draw("normal", 1000)], n=200, t=2.0)
    assert [int(status) for status in gmms.status] == [16, 0]


def test_what_the_choice_cannot_hold_is_said():
    """All weights together one point: nothing can be learned."""
    x = draw("zero-inflated amounts", 400)
    with (
        pytest.warns(fbgmm.PrecisionWarning, match="weights sum to 1: they are counts here"),
        pytest.warns(fbgmm.MisfitWarning, match="missed by up to 0"),
    ):
        gmm = fbgmm.fit(x, weights=np.full(400, 1 / 400))
    assert "MISFIT" in gmm.report()


@pytest.mark.skipif("np.asarray(fbgmm.fit([1.0, 2.0], 4).pi).dtype == np.float64", reason="float64 holds them")
def test_data_that_float32_cannot_hold_are_named():
    """numpy#8123: deviation 225 for 100, without a word."""
    with (
        pytest.warns(fbgmm.PrecisionWarning, match="jax_enable_x64"),
        pytest.warns(fbgmm.MisfitWarning, match="missed by up to"),
    ):
        fbgmm.fit(1.7e9 + 100 * np.random.default_rng(0).normal(size=500))


@pytest.mark.parametrize("x", [[3.0, 5.0], [0.0, 1.0], [2.0, 0.0], [0.0, 1e-3]])
def test_two_points(x):
    """Found by the fuzzer: bins without width, and errors of the evaluation."""
    gmm = fbgmm.fit(x)
    assert float(gmm.cdf(sum(x) / 2)) == pytest.approx(0.5, abs=0.1)
