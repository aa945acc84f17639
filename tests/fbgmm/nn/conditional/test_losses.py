"""Losses for densities: their minima are the truth, censoring and weights count as they should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fbgmm.nn.conditional import losses
from fbgmm.nn.conditional.density import Density
from fbgmm.nn.conditional.heads import DensityHead
from tests import head_oracle

MU = np.linspace(-3, 3, 13)[None]


def on_basis(logits, sigma=0.5):
    log_pi = jax.nn.log_softmax(jnp.atleast_2d(logits))
    K = log_pi.shape[-1]
    mu = jnp.asarray(MU[:, :K], log_pi.dtype)
    return Density.of(log_pi, mu, jnp.full_like(mu, sigma))


def minimised(loss, steps=1500, rate=0.5):
    @jax.jit
    def run(logits):
        return jax.lax.scan(lambda z, _: (z - rate * jax.grad(loss)(z), None), logits, length=steps)[0]

    return on_basis(run(jnp.zeros(13)))


@pytest.fixture(scope="module")
def draws():
    rng = np.random.default_rng(0)
    return jnp.asarray(np.where(rng.random(500) < 0.3, -1.5, 1.0) + 0.5 * rng.normal(size=500))


@pytest.mark.parametrize("loss", [losses.negative_log_likelihood, losses.crps])
def test_proper_scores_are_least_at_the_truth(loss, draws):
    """The truth is on the basis: components at −1.5 and 1."""
    found = minimised(lambda z: jnp.mean(loss(on_basis(z), draws)), rate=2.0)
    pi = np.exp(np.asarray(found.log_pi[0]))
    assert pi[:6].sum() == pytest.approx(0.3, abs=0.05)
    assert float(found.mean()[0]) == pytest.approx(float(draws.mean()), abs=0.05)


def test_regression_of_nearest_components_learns_the_histogram(draws):
    """What Algorithm 2 would count."""

    everywhere = on_basis(np.zeros((500, 13)))
    target = jnp.mean(losses.nearest_component(everywhere, draws), axis=0)[None]  # squares: only the mean matters

    def loss(z):
        return jnp.mean(losses.weight_regression(on_basis(z), target))

    pi = np.exp(np.asarray(minimised(loss, steps=20_000, rate=5.0).log_pi[0]))
    counts = np.histogram(draws, np.append(MU[0] - 0.25, 3.25))[0] / 500
    np.testing.assert_allclose(pi, counts, atol=0.01)


def test_soft_counts_are_shared_between_neighbours():
    density = on_basis(np.zeros((2, 13)))
    target = np.asarray(losses.soft_counts(density, jnp.array([0.25, 100.0]), smear=0.5))
    np.testing.assert_allclose(target.sum(axis=1), 1, rtol=1e-5)
    assert target[0, 6] == pytest.approx(target[0, 7])  # 0 and 0.5 are equally near
    assert target[0, 6] > 0.45
    assert target[1, -1] > 0.99  # outside: the last component
    found = losses.cross_entropy(density, jnp.asarray(target))
    np.testing.assert_allclose(found, np.log(13), rtol=1e-5)


@pytest.mark.slow
def test_wide_components_are_no_targets():
    head = DensityHead.from_targets(3, np.linspace(0, 1, 50), 10, rngs=nnx.Rngs(0))
    density = head(jnp.ones((2, 3)))
    for target in (losses.soft_counts(density, jnp.array([0.5, 9.0])), losses.nearest_component(density, [0.5, 9.0])):
        assert float(jnp.sum(target[:, -2:])) == 0


def test_censored_targets_are_probabilities_and_exact_ones_densities():
    density = on_basis(np.zeros((4, 13)))
    low, high = jnp.array([0.5, 1.0, -jnp.inf, 0.0]), jnp.array([0.5, jnp.inf, -1.0, 2.0])
    found = losses.censored_negative_log_likelihood(density, low, high)
    expected = [
        -density.log_prob(low)[0],
        -np.log(density.exceeds(low)[1]),
        -np.log(density.cdf(high)[2]),
        -np.log(density.cdf(high)[3] - density.cdf(low)[3]),
    ]
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-4)


@pytest.mark.slow
def test_derivatives_are_finite_for_censored_and_far_targets():
    head = DensityHead.residual(3, np.linspace(0, 1, 50), rngs=nnx.Rngs(0))
    low, high = jnp.array([0.5, 1e5, -jnp.inf, 9.0]), jnp.array([jnp.inf, 1e5, -50.0, 9.5])

    def loss(h):
        return jnp.sum(losses.censored_negative_log_likelihood(head(h), low, high))

    def expected(h):
        found = -head_oracle.log_prob(head, h, low)
        censored = np.array([0, 2, 3])
        parts = (part[censored] for part in head_oracle.components(head, h))
        found[censored] = -head_oracle.log_interval(*parts, low[censored], high[censored])
        return found

    h = jnp.ones((4, 3))
    value, slope = jax.jit(jax.value_and_grad(loss))(h)
    assert float(value) == pytest.approx(expected(h).sum(), rel=1e-5)
    np.testing.assert_allclose(slope, head_oracle.slopes(expected, h), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_censored_fit_is_not_drawn_to_the_limit(draws):
    """All that lies above 1 is only known to do so: the mean must not be that of the cut data."""
    cut = jnp.minimum(draws, 1.0)
    high = jnp.where(draws > 1.0, jnp.inf, cut)
    censored = minimised(lambda z: jnp.mean(losses.censored_negative_log_likelihood(on_basis(z), cut, high)))
    naive = minimised(lambda z: jnp.mean(losses.negative_log_likelihood(on_basis(z), cut)))
    assert float(naive.exceeds(1.0)[0]) < float(censored.exceeds(1.0)[0])
    assert float(censored.exceeds(1.0)[0]) == pytest.approx(0.35, abs=0.03)  # the truth; a share of 500 draws


def test_weights_two_are_twice_and_zero_is_absent():
    each = jnp.array([1.0, 2.0, jnp.nan])
    assert float(losses.mean_loss(each, jnp.array([1.0, 2.0, 0.0]))) == pytest.approx(5 / 3)
    assert float(losses.mean_loss(each[:2])) == 1.5
    assert float(losses.mean_loss(each, jnp.zeros(3))) == 0
    slope = jax.grad(lambda z: losses.mean_loss(jnp.log(z), jnp.array([1.0, 0.0])))(jnp.array([1.0, -1.0]))
    np.testing.assert_allclose(slope, [1, 0])


@pytest.mark.slow
def test_label_noise_has_its_deviation():
    y = jnp.zeros(20_000)
    assert float(jnp.std(losses.noisy(jax.random.key(0), y, 0.3))) == pytest.approx(0.3, rel=0.03)
    np.testing.assert_array_equal(losses.noisy(jax.random.key(0), y, 0.0), y)
