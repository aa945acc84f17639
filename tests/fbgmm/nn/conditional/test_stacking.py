"""Stacking: weights against a search over all of them, and the stacked density against its parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from fbgmm.nn.conditional.density import Density
from fbgmm.nn.conditional.stacking import stacked, stacking_weights

Y = np.random.default_rng(0).normal(size=400)


def test_the_weights_are_those_of_the_greatest_likelihood():
    log_prob = np.stack([stats.norm.logpdf(Y, 0.5, 1.0), stats.norm.logpdf(Y, -1.0, 0.8)])
    shares = np.linspace(0.001, 0.999, 999)
    both = np.logaddexp(np.log(shares)[:, None] + log_prob[0], np.log1p(-shares)[:, None] + log_prob[1])
    expected = shares[np.argmax(both.mean(axis=1))]
    assert 0.5 < expected < 0.9
    np.testing.assert_allclose(stacking_weights(jnp.asarray(log_prob)), [expected, 1 - expected], atol=2e-3)


def test_the_better_of_two_networks_carries_the_weight():
    log_prob = jnp.stack([stats.norm.logpdf(Y), stats.norm.logpdf(Y, 0, 30.0)])
    weights = stacking_weights(log_prob)
    assert float(weights[0]) > 0.98
    assert float(jnp.sum(weights)) == pytest.approx(1, abs=1e-5)


def test_targets_of_weight_zero_do_not_count():
    log_prob = jax.random.normal(jax.random.key(0), (3, 50))
    kept = jnp.arange(50) < 30
    spoilt = jnp.where(kept[None], log_prob, jnp.nan)
    np.testing.assert_allclose(stacking_weights(spoilt, 1.0 * kept), stacking_weights(log_prob[:, :30]), rtol=1e-4)


@pytest.mark.slow
def test_a_stack_is_the_weighted_sum_of_its_parts():
    """One on a common basis, one that moves with each example."""
    rng = np.random.default_rng(1)
    log_pi = jnp.log(rng.dirichlet(np.ones(6), 5).astype(np.float32))
    fixed = Density.of(log_pi, jnp.linspace(-2.0, 2.0, 6)[None], jnp.full((1, 6), 0.5))
    moving = Density(log_pi, fixed.mu, fixed.sigma, jnp.arange(5.0), jnp.full(5, 2.0))
    weights = jnp.array([0.3, 0.7])
    both = stacked([fixed, moving], weights)
    y = np.linspace(-3, 6, 5).astype(np.float32)
    expected = logsumexp([fixed.log_prob(y), moving.log_prob(y)], axis=0, b=weights[:, None])
    np.testing.assert_allclose(both.log_prob(y), expected, rtol=1e-5)
    np.testing.assert_allclose(both.mean(), weights @ np.stack([fixed.mean(), moving.mean()]), rtol=1e-5)
    alone = stacked([fixed, moving], jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(alone.crps(y), fixed.crps(y), rtol=1e-4)


def test_other_numbers_of_weights_than_of_densities_are_refused():
    one = Density.of(jnp.zeros((2, 1)), jnp.zeros((2, 1)), jnp.ones((2, 1)))
    with pytest.raises(ValueError, match="one for each density; found 1 for 2 densities"):
        stacked([one, one], jnp.ones(1))
    with pytest.raises(ValueError, match="found 0 for 0"):
        stacked([], jnp.ones(0))
