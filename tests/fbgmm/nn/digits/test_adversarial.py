"""The losses of section 3.2.1 against their formulas written out, and the reading of Eq. 10's sign."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fbgmm.nn.digits import adversarial

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 11)).astype(np.float32) * 2
LABELS = np.array([3, 0, 9, 9, 1, 4], np.int32)
X, MADE = RNG.uniform(size=(2, 6, 28, 28, 1)).astype(np.float32)


def probabilities(logits):
    e = np.exp(logits.astype(np.float64))
    return e / e.sum(axis=1, keepdims=True)


def test_equation_10_term_by_term():
    D = 1 - probabilities(LOGITS)[np.arange(6), LABELS]
    square = np.mean([np.sum((X[i].astype(np.float64) - MADE[i]) ** 2) for i in range(6)])
    expected = -2.5 * 0.5 * np.mean(np.log(1 - D)) + square
    found = adversarial.generator_loss(*map(jnp.asarray, (LOGITS, LABELS, X, MADE)), 2.5)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    alone = adversarial.generator_loss(*map(jnp.asarray, (LOGITS, LABELS, X, MADE)), 0.0)
    assert float(alone) == pytest.approx(square, rel=1e-5)


def test_the_discriminators_loss_term_by_term():
    genuine = LOGITS[:4]
    p, q = probabilities(genuine), probabilities(LOGITS)
    expected = -0.5 * np.mean(np.log(p[np.arange(4), LABELS[:4]])) - 0.5 * np.mean(np.log(q[:, 10]))
    found = adversarial.discriminator_loss(*map(jnp.asarray, (genuine, LABELS[:4], LOGITS)))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_generator_wants_the_digit_asked_for_and_not_to_be_seen_through():
    slope = jax.grad(adversarial.adversarial_term)(jnp.asarray(LOGITS), jnp.asarray(LABELS))
    asked = np.zeros((6, 11), bool)
    asked[np.arange(6), LABELS] = True
    assert np.all(slope[asked] < 0)  # the loss falls as the digit asked for becomes more probable
    assert np.all(slope[~asked] > 0)  # and rises with "generated" and with the other digits


def test_the_losses_stay_finite_where_the_discriminator_is_sure():
    sure = jnp.full((2, 11), -200.0, jnp.float32).at[:, 10].set(200.0)
    assert float(adversarial.adversarial_term(sure, jnp.array([1, 2]))) == pytest.approx(200)
    assert float(adversarial.discriminator_loss(sure, jnp.array([1, 2]), sure)) == pytest.approx(200)


@pytest.fixture(scope="module")
def shuffled():
    """Codes whose dimensions all hold the same number, shifted by class, before and after."""
    labels = jnp.asarray(RNG.integers(0, 4, 400), jnp.int32)
    z = jnp.asarray(RNG.normal(size=(400, 1)) + 10 * np.asarray(labels)[:, None], jnp.float32)
    z = jnp.broadcast_to(z, (400, 5))
    return labels, z, adversarial.shuffled_within_class(jax.random.key(0), z, labels)


def test_a_shuffle_keeps_what_each_class_has_in_each_dimension(shuffled):
    labels, z, found = shuffled
    for label in range(4):
        rows = np.asarray(labels) == label
        np.testing.assert_array_equal(np.sort(z[rows], axis=0), np.sort(found[rows], axis=0))


def test_a_shuffle_makes_the_dimensions_independent_within_a_class(shuffled):
    labels, z, found = shuffled
    for label in range(4):
        rows = np.asarray(labels) == label
        assert np.corrcoef(np.asarray(z)[rows].T)[0, 1] > 0.999
        correlation = np.corrcoef(np.asarray(found)[rows].T) - np.eye(5)
        assert np.max(np.abs(correlation)) < 4 / np.sqrt(rows.sum())


def test_each_key_shuffles_in_its_own_way(shuffled):
    labels, z, found = shuffled
    again = adversarial.shuffled_within_class(jax.random.key(0), z, labels)
    other = adversarial.shuffled_within_class(jax.random.key(1), z, labels)
    np.testing.assert_array_equal(found, again)
    assert np.mean(np.asarray(found) == np.asarray(other)) < 0.1
    assert np.mean(np.asarray(found) == np.asarray(z)) < 0.1
