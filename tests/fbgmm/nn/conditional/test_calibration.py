"""Reliability and conformal intervals: the guarantee holds for densities that are wrong, and few targets are honest."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from fbgmm.nn.conditional.calibration import conformal_interval, conformal_margin, conformal_threshold, reliability
from fbgmm.nn.conditional.density import Density

RNG = np.random.default_rng(0)


def narrow(n):
    """Predictions half as wide as they should be."""
    zeros = jnp.zeros((n, 1))
    return Density.of(zeros, zeros, zeros + 0.5)


def test_reliability_is_the_share_below_each_quantile():
    u = RNG.random(10_000)
    levels = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(reliability(u, levels), levels, atol=0.02)
    assert reliability(stats.norm.cdf(2 * RNG.normal(size=10_000)), [0.05])[0] > 0.15  # too narrow


@pytest.mark.parametrize("n", [19, 100])
def test_coverage_is_at_least_what_was_asked_for_on_average_over_calibrations(n):
    """Split conformal: between 1 − α and 1 − α + 1/(n + 1) in the mean over calibration sets and new targets."""
    sets, new = 2000, RNG.normal(size=2000)
    calibration = RNG.normal(size=(sets, n))
    thresholds = np.array([conformal_threshold(stats.norm.cdf(2 * row), 0.9) for row in calibration])
    covered = np.mean(np.abs(stats.norm.cdf(2 * new) - 0.5) <= thresholds)
    assert 0.9 - 0.02 < covered < 0.9 + 1 / (n + 1) + 0.02
    margins = np.array([conformal_margin(np.full(n, -0.8), np.full(n, 0.8), row, 0.9) for row in calibration])
    covered = np.mean(np.abs(new) <= 0.8 + margins)
    assert 0.9 - 0.02 < covered < 0.9 + 1 / (n + 1) + 0.02


def test_the_interval_of_a_threshold_is_between_its_quantiles():
    low, high = conformal_interval(narrow(3), 0.45)
    np.testing.assert_allclose(low, 0.5 * stats.norm.ppf(0.05), rtol=1e-4)
    np.testing.assert_allclose(high, -0.5 * stats.norm.ppf(0.05), rtol=1e-4)


def test_too_few_targets_give_the_whole_line():
    assert conformal_threshold([0.5] * 8, 0.9) == 0.5
    assert conformal_threshold([0.5] * 9, 0.9) == 0
    low, high = conformal_interval(narrow(1), 0.5)
    assert (float(low[0]), float(high[0])) == (-math.inf, math.inf)
    assert conformal_margin([0.0], [1.0], [0.5], 0.9) == math.inf


def test_a_margin_may_shrink_intervals():
    y = RNG.normal(size=999)
    assert conformal_margin(np.full(999, -9.0), np.full(999, 9.0), y, 0.9) == pytest.approx(1.645 - 9, abs=0.1)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="at least one; found 0"):
        conformal_threshold([], 0.9)
    with pytest.raises(ValueError, match="pit must be probabilities"):
        reliability([0.2, math.nan], [0.5])
    with pytest.raises(ValueError, match="coverage must be between 0 and 1; found 90"):
        conformal_threshold([0.5], 90.0)
    with pytest.raises(ValueError, match="low, high and y must be finite"):
        conformal_margin([0.0], [1.0], [math.nan], 0.9)
