"""FixedBasisNB: scikit-learn's own checks, a slow oracle for leaving one out, and data that are hard for others."""

import pickle

import jax
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.estimator_checks import parametrize_with_checks

from fbgmm.sklearn import FixedBasisNB, naive_bayes

X, Y = load_iris(return_X_y=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@parametrize_with_checks([FixedBasisNB(n=20, t=2.0)])
def test_scikit_learns_checks(estimator, check, unchecked_types):
    check(estimator)


def test_probabilities_are_those_of_bayes_rule():
    model = FixedBasisNB(n=60, t=4.0, strength=1.0, power=0.7).fit(X, Y)
    z = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    joint = (
        np.log(model.class_prior_)
        + 0.7
        * np.sum([[np.asarray(model.mixtures_[k, d].log_prob(z[:, d])) for d in range(4)] for k in range(3)], axis=1).T
    )
    expected = np.exp(joint - joint.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=2e-5)
    np.testing.assert_array_equal(model.predict(X), expected.argmax(axis=1))
    assert model.mixtures_.batch_shape == (3, 4)


@pytest.mark.parametrize("strength", [1.0, pytest.param(10.0, marks=pytest.mark.slow)])
def test_the_loss_is_that_of_refits_without_one_point(strength):
    """The bases are those of all data in both: a column of extremes, of weight near zero, holds them."""
    keep = np.r_[0:20, 50:70, 100:120]
    x, y = X[keep], Y[keep]
    model = FixedBasisNB(n=100, t=6.0, strength=strength, power=1.0).fit(x, y)
    ends, labels = np.stack([x.min(axis=0), x.max(axis=0)]), np.zeros(2, int)
    losses = []
    for i in range(len(x)):
        w = np.r_[np.ones(len(x)), 1e-6, 1e-6]
        w[i] = 0
        other = FixedBasisNB(n=100, t=6.0, strength=strength, power=1.0, priors=np.ones(3) / 3)
        other.fit(np.r_[x, ends], np.r_[y, labels], sample_weight=w)
        losses.append(-other.predict_log_proba(x[i : i + 1])[0, y[i]])
    assert model.loss_ == pytest.approx(np.mean(losses), rel=0.05)  # it takes the densities at the cells' centres


def test_a_weight_of_two_is_two_and_of_zero_none():
    w = np.random.default_rng(0).integers(0, 3, len(X))
    weighted, repeated = FixedBasisNB().fit(X, Y, sample_weight=w), FixedBasisNB().fit(X.repeat(w, 0), Y.repeat(w))
    assert (weighted.t_, weighted.strength_, weighted.power_) == (repeated.t_, repeated.strength_, repeated.power_)
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-4)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)


@pytest.mark.slow
def test_copies_of_a_feature_count_less_and_do_not_make_it_too_sure():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 600)
    one = (y + rng.normal(size=600))[:, None]
    copies = np.repeat(one, 16, axis=1)
    single, many = FixedBasisNB(t=8.0, strength=10.0).fit(one, y), FixedBasisNB(t=8.0, strength=10.0).fit(copies, y)
    assert single.power_ >= 0.5
    assert single.power_ / 16 <= many.power_ <= single.power_ / 8  # more than 1 is not tried for the single one
    assert many.loss_ == pytest.approx(single.loss_, abs=0.01)
    assert many.loss_ < FixedBasisNB(t=8.0, strength=10.0, power=1.0).fit(copies, y).loss_ / 2


@pytest.mark.slow
def test_discrete_and_constant_features_and_densities_that_are_not_normal():
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 900)
    where = np.abs(rng.normal(size=900)) * (1 + y)  # the classes differ in spread only
    pixels = rng.binomial(16, np.array([0.1, 0.5, 0.5])[y])
    always = np.where(y == 0, 0.0, rng.integers(0, 3, 900))  # constant in one class
    x = np.stack([where, pixels, always, np.full(900, 3.0)], axis=1)
    model = FixedBasisNB().fit(x[:600], y[:600])
    np.testing.assert_array_equal(model.used_, [True, True, True, False])
    ours = log_loss(y[600:], model.predict_proba(x[600:]))
    assert ours < log_loss(y[600:], GaussianNB().fit(x[:600], y[:600]).predict_proba(x[600:]))
    assert model.loss_ == pytest.approx(ours, abs=0.1)
    far = model.predict_proba([[1e30, -1e30, 0.0, 0.0], [1e30, -1e30, 1e5, 9.0]])
    assert np.isfinite(far).all()


def test_large_offsets_lose_no_digits():
    model, shifted = FixedBasisNB(t=4.0).fit(X, Y), FixedBasisNB(t=4.0).fit(X + 1e8, Y)
    assert (model.predict(X) == shifted.predict(X + 1e8)).mean() > 0.99


def test_priors_labels_and_pickles():
    names = np.array(["b", "a", "c"])[Y]
    model = FixedBasisNB(t=4.0, priors=[0.0, 0.5, 0.5]).fit(X, names)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert set(model.predict(X)) == {"b", "c"}
    assert (model.predict_proba(X)[:, 0] == 0).all()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))


def test_all_classes_and_features_are_fitted_in_one_call(monkeypatch):
    calls = []
    fit_batch = naive_bayes.fit_batch
    monkeypatch.setattr(naive_bayes, "fit_batch", lambda *a, **k: calls.append(a[0].shape) or fit_batch(*a, **k))
    FixedBasisNB(strength=1.0).fit(X, Y)
    assert calls == [(12, 64)]


def test_bad_input_is_named(unchecked_types):
    for name in ("t", "strength", "power"):
        with pytest.raises(ValueError, match=f"{name} must be finite and above 0; found -1"):
            FixedBasisNB(**{name: -1}).fit(X, Y)
    with pytest.raises(ValueError, match="priors must be 3 numbers"):
        FixedBasisNB(priors=[0.5, 0.5]).fit(X, Y)
    with pytest.raises(ValueError, match="X must differ, by a finite range, in some feature"):
        FixedBasisNB().fit(np.ones((4, 2)), [0, 1, 0, 1])
    assert jax.config.jax_numpy_rank_promotion == "raise"
