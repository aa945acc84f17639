"""The rivals: they find known mixtures, choose K, report seconds, refuse what they cannot fit."""

import jax
import numpy as np
import pytest

pytest.importorskip("optax")
pytest.importorskip("sklearn")

from benchmarks.mnist.rivals import em_gmm, sw_gmm
from benchmarks.mnist.sliced_wasserstein import Descent
from benchmarks.mnist.unsupervised import em, ours, purity, sw


def two_classes(seed=0):
    """Class 0: three far clusters; class 1: one normal density with dependence."""
    rng = np.random.default_rng(seed)
    three = rng.normal(size=(600, 2)) + 12 * rng.integers(0, 3, 600)[:, None]
    u, v = rng.normal(size=(2, 500))
    one = np.stack([u, 0.9 * u + 0.3 * v], axis=1)
    return np.concatenate([three, one]).astype(np.float32), np.repeat([0, 1], [600, 500])


Z, LABELS = two_classes()


@pytest.mark.slow
@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_em_takes_the_number_of_components_with_the_least_bic(covariance):
    told = []
    rival = em_gmm(
        Z, LABELS, covariance, classes=2, components=(1, 2, 3, 4, 5), progress=lambda *what: told.append(what)
    )
    assert rival.components[0] == 3
    assert (rival.components[1] == 1) == (covariance == "full")
    assert 0 < rival.seconds_chosen < rival.seconds
    assert told[-1] == (f"EM, {covariance}", 2, 2)
    new = np.asarray(rival.sample(jax.random.key(0), 0, 3000))
    np.testing.assert_allclose(new.mean(axis=0), Z[LABELS == 0].mean(axis=0), atol=0.7)
    held_out, labels = two_classes(1)
    inside = rival.log_prob(held_out[labels == 1], 1).mean()
    assert inside > rival.log_prob(held_out[labels == 0], 1).mean() + 5


@pytest.mark.slow
def test_sw_fits_each_class():
    rival = sw_gmm(jax.random.key(0), Z, LABELS, classes=2, components=5, descent=Descent(steps=400))
    assert rival.components == (5, 5)
    assert rival.seconds > 0
    new = np.asarray(rival.sample(jax.random.key(1), 1, 3000))
    assert np.corrcoef(new.T)[0, 1] > 0.75
    np.testing.assert_allclose(new.std(axis=0), Z[LABELS == 1].std(axis=0), rtol=0.15)
    np.testing.assert_allclose(rival.sample(jax.random.key(2), 0, 3000).mean(axis=0), 12, atol=1.5)


def test_what_cannot_be_fitted_is_refused():
    for fit in (em_gmm, lambda *given, **named: sw_gmm(jax.random.key(0), *given, **named)):
        with pytest.raises(ValueError, match="class 2 has 0 codes; at least 3"):
            fit(Z, LABELS, classes=3)
        with pytest.raises(ValueError, match="finite"):
            fit(np.where(Z[0, 0] == Z, np.nan, Z), LABELS, classes=2)
        with pytest.raises(ValueError, match=r"\(1100, 2\) and \(2,\)"):
            fit(Z, LABELS[:2], classes=2)


@pytest.mark.slow
def test_groups_without_labels_are_found():
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 900, p=[0.5, 0.3, 0.2])
    z = (rng.normal(size=(900, 2)) + np.array([[0, 0], [9, 0], [0, 9]])[truth]).astype(np.float32)
    fits = {
        "ours": ours(jax.random.key(0), z, groups=3, steps=3),
        "em": em(z, seed=0, groups=3),
        "sw": sw(jax.random.key(1), z, groups=3, descent=Descent(steps=300)),
    }
    for name, found in fits.items():
        assert found.shares.sum() == pytest.approx(1, abs=1e-4)
        assert found.seconds > 0
        assert np.isfinite(found.log_prob(z)).all()
        if name != "sw":  # which is a heuristic descent from one random start
            np.testing.assert_allclose(np.sort(found.shares), [0.2, 0.3, 0.5], atol=0.05)
            means = np.stack([np.asarray(found.sample(jax.random.key(2), k, 500)).mean(axis=0) for k in range(3)])
            np.testing.assert_allclose(sorted(means.sum(axis=1)), [0, 9, 9], atol=0.5)


def test_purity_is_the_share_of_the_most_frequent_digit():
    taken = np.array([1, 1, 1, 2, 5, 5, 5, 5])
    groups = np.repeat([0, 1], 4)
    assert purity(taken, groups, np.array([0.5, 0.5])) == (pytest.approx(0.875), 2)
    assert purity(taken, groups, np.array([1.0, 0.0])) == (pytest.approx(0.75), 2)
