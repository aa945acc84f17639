"""Beyond the data: mass 1/(N + 1), falling off as the tail of the data does; densities of new points."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import cross_val_predict

import fbgmm
from fbgmm.auto import tails
from fbgmm.auto.subsample import sorted_sample


def tails_of(x, dtype):
    return tails.tails(sorted_sample(x, np.ones_like(x)), dtype(x.size), np.full(2, 1e-6, dtype))


@pytest.mark.parametrize(("law", "shape", "scale"), [(stats.expon(), 0.0, 1.0), (stats.pareto(2.0), 0.5, None)])
def test_shape_and_scale_of_known_tails(law, shape, scale, dtype):
    found = [tails_of(law.rvs(5000, random_state=seed).astype(dtype), dtype) for seed in range(20)]
    assert np.mean([tail.shape[1] for tail in found]) == pytest.approx(shape, abs=0.12)
    if scale:
        assert np.mean([tail.scale[1] for tail in found]) == pytest.approx(scale, rel=0.25)
    for tail in found:
        assert float(tail.mass[1]) == pytest.approx(1 / 5001, rel=1e-5)


def test_the_law_beyond_is_a_survival_function(dtype):
    tail = tails.Tail(*(jnp.asarray(v, dtype) for v in (2.0, 0.5, 0.3, 0.01, np.inf)))
    x = np.array([2.0, 3.0, 10.0, 1e4])
    own = stats.genpareto.sf(x, 0.3, loc=2, scale=0.5)
    heavy = stats.genpareto.sf(x, 0.5, loc=2, scale=0.5)
    np.testing.assert_allclose(tails.beyond(tail, jnp.asarray(x, dtype)), 0.01 * (0.95 * own + 0.05 * heavy), rtol=2e-5)


def test_beyond_each_end_lies_the_mass_of_the_next_point():
    x = np.random.default_rng(0).normal(size=999)
    gmm = fbgmm.fit(x)
    assert float(gmm.cdf(x.min())) == pytest.approx(1 / 1000, rel=0.15)
    assert 1 - float(gmm.cdf(x.max())) == pytest.approx(1 / 1000, rel=0.15)
    known = fbgmm.fit(np.abs(x), low=0.0, edges="low")
    assert float(known.cdf(-0.02)) < 1e-6


NEW = {
    "normal": stats.norm(),
    "exponential": stats.expon(),
    "Laplace": stats.laplace(),
    "t, 3 degrees": stats.t(3),
    "gamma(9)": stats.gamma(9),
    "Cauchy": stats.cauchy(),
}


@pytest.mark.parametrize("name", NEW)
def test_new_points_have_a_density(name):
    """Regret against scipy's kernel estimate, nothing cut off: −10⁶ for single points before."""
    law, worse = NEW[name], []
    for seed in range(4):
        g = np.random.default_rng([seed, 7])
        x, new = law.rvs(100, random_state=g), law.rvs(2048, random_state=g)
        log_prob = np.asarray(fbgmm.fit(x).log_prob(new), np.float64)
        assert log_prob.min() > -60
        worse.append(law.logpdf(new).mean() - log_prob.mean())
    assert np.mean(worse) < 0.25


def test_far_out_it_is_the_sum_over_all_components():
    x = np.concatenate([np.random.default_rng(0).normal(m, 1, 300) for m in (0, 100)])
    gmm = fbgmm.fit(x)
    at = np.array([-1e4, -30.0, 50.0, 131.0, 140.0, 1e5], gmm.pi.dtype)
    log_pi = np.log(np.asarray(gmm.pi, np.float64))
    terms = log_pi + stats.norm.logpdf(at[:, None].astype(np.float64), gmm.basis.mu, gmm.basis.sigma)
    expected = np.logaddexp.reduce(terms, axis=1)
    np.testing.assert_allclose(gmm.log_prob(at), expected, rtol=1e-4, atol=1e-4)
    assert expected.min() > -60


def test_residuals_of_boosted_trees_with_one_that_lies_far_out():
    """Location and scale by trees, the shape of the residuals by `fit(x)`: where one test residual cost 10⁴ nats."""
    rng = np.random.default_rng(0)
    features = rng.uniform(-2, 2, (1500, 3))
    noise = rng.standard_t(3, 1500)
    y = np.sin(2 * features[:, 0]) + features[:, 1] + (0.2 + 0.2 * features[:, 2] ** 2) * noise
    train, other = np.arange(1500) < 1000, np.arange(1500) >= 1000
    trees = [GradientBoostingRegressor(n_estimators=60, random_state=0) for _ in range(2)]
    location = cross_val_predict(trees[0], features[train], y[train], cv=5)
    trees[0].fit(features[train], y[train])
    trees[1].fit(features[train], np.log(np.abs(y[train] - location)))
    z = (y[train] - location) / np.exp(trees[1].predict(features[train]))
    new = (y[other] - trees[0].predict(features[other])) / np.exp(trees[1].predict(features[other]))
    new[7] = 400.0  # sixty of the scale beyond all others
    found = np.asarray(fbgmm.fit(z).log_prob(new), np.float64)
    assert found[7] > -30
    assert np.delete(found, 7).min() > -20
    student = stats.t.logpdf(new, *stats.t.fit(z))
    assert found.mean() > student.mean() - 0.03
    assert found.mean() > stats.gaussian_kde(z).logpdf(np.delete(new, 7)).mean()
