"""FixedBasisMixture: scikit-learn's own checks, and the same densities as fit, fit_rotated and fit_stream."""

import pickle

import jax
import numpy as np
import pytest
import scipy.stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fbgmm
from fbgmm.sklearn import FixedBasisMixture

rng = np.random.default_rng(0)
X = np.stack([rng.normal(size=400), rng.gamma(2.0, size=400)], axis=1)


def impossible(estimator):
    """Checks that no density of this kind can pass, with the reason."""
    reason = "27 points in 30 dimensions have no principal axes, and no density"
    return {"check_sample_weight_equivalence_on_dense_data": reason}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # scikit-learn warns of what it skips
@parametrize_with_checks([FixedBasisMixture(n=20)])
def test_scikit_learns_checks(estimator, check, unchecked_types):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@parametrize_with_checks([FixedBasisMixture(n=20, columns="rotated", rounds=1)], expected_failed_checks=impossible)
def test_scikit_learns_checks_with_rotated_columns(estimator, check, unchecked_types):
    check(estimator)


def test_independent_columns_are_those_of_fit(rounding):
    model = FixedBasisMixture(n=50, t=1.5).fit(X)
    for j in (0, 1):
        np.testing.assert_allclose(model.density_[j].pi, fbgmm.fit(X[:, j], 50, 1.5).pi, rtol=rounding)
    expected = sum(fbgmm.fit(X[:, j], 50, 1.5).log_prob(X[:, j]) for j in (0, 1))
    np.testing.assert_allclose(model.score_samples(X), expected, rtol=1e-5, atol=1e-5)
    assert model.score(X) == pytest.approx(model.score_samples(X).mean())
    assert model.score(X, sample_weight=np.arange(400) < 7) == pytest.approx(model.score_samples(X[:7]).mean())


@pytest.mark.slow
def test_alone_each_column_chooses():
    model = FixedBasisMixture().fit(X)
    np.testing.assert_allclose(model.density_[1].pi, fbgmm.fit(X[:, 1]).pi, atol=1e-5)
    assert model.effective_parameters() == pytest.approx(float(model.density_.choice.parameters.sum()))


@pytest.mark.slow
def test_rotated_columns_choose_where_nothing_is_given():
    correlated = X @ np.array([[1.0, 0.5], [0.0, 0.2]])
    model = FixedBasisMixture(columns="rotated").fit(correlated)
    np.testing.assert_allclose(
        model.score_samples(correlated), fbgmm.fit_rotated(correlated).log_prob(correlated), rtol=1e-5, atol=1e-5
    )


@pytest.mark.slow
def test_rotated_columns_have_the_exact_joint_density():
    correlated = X @ np.array([[1.0, 0.9], [0.0, 0.2]])
    model = FixedBasisMixture(n=50, columns="rotated", rounds=2).fit(correlated)
    expected = fbgmm.fit_rotated(correlated, 2, 50).log_prob(correlated)
    np.testing.assert_allclose(model.score_samples(correlated), expected, rtol=1e-5, atol=1e-5)
    assert model.score(correlated) > FixedBasisMixture(n=50).fit(correlated).score(correlated) + 0.5
    grid = np.stack(np.meshgrid(*(np.linspace(-9, 13, 160) for _ in range(2)), indexing="ij"), axis=-1).reshape(-1, 2)
    assert np.exp(model.score_samples(grid)).sum() * (22 / 159) ** 2 == pytest.approx(1, abs=0.01)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(ValueError, match="compare such fits by cross-validation"):
        model.bic(correlated)


@pytest.mark.slow
@pytest.mark.parametrize("outside", ["end", "drop"])
def test_a_stream_of_parts_ends_with_the_fit_of_all(outside):
    ends = {"n": 40, "low": [-2.0, 0.0], "high": [2.0, 5.0], "outside": outside}
    whole, parts = FixedBasisMixture(**ends).fit(X), FixedBasisMixture(**ends)
    for start in (0, 1, 37, 380):
        parts.partial_fit(X[start : {0: 1, 1: 37, 37: 380, 380: 400}[start]])
    np.testing.assert_array_equal(parts.density_.pi, whole.density_.pi)
    one = fbgmm.fit(X[:, 1], 40, 2.0, low=0.0, high=5.0, outside=outside)
    np.testing.assert_allclose(whole.density_[1].pi, one.pi, rtol=1e-6)
    assert parts.effective_parameters() == pytest.approx(whole.effective_parameters())


def test_a_range_of_the_first_part_is_kept_with_a_warning_and_fit_starts_anew():
    model = FixedBasisMixture(n=40).partial_fit(X[:100])
    with pytest.warns(UserWarning, match="lie outside the range of the first part; give low and high"):
        model.partial_fit(np.array([[0.0, 50.0], [0.0, 1.0]]))
    assert float(model.density_.basis.high[1]) == pytest.approx(X[:100, 1].max())
    again, fresh = model.fit(X), FixedBasisMixture(n=40).fit(X)
    np.testing.assert_array_equal(again.density_.pi, fresh.density_.pi)
    again.partial_fit(X)
    np.testing.assert_allclose(again.density_.pi, fbgmm.fit_batch(np.tile(X.T, 2), 40).pi, rtol=1e-5)


@pytest.mark.slow
def test_a_weight_of_two_is_two_and_of_zero_none():
    w = np.arange(400) % 3
    for options in ({"n": 40}, {"n": 40, "columns": "rotated", "rounds": 1}, {"algorithm": 1}):
        weighted = FixedBasisMixture(**options).fit(X, sample_weight=w)
        repeated = FixedBasisMixture(**options).fit(np.repeat(X, w, axis=0))
        np.testing.assert_allclose(weighted.score_samples(X), repeated.score_samples(X), rtol=1e-3, atol=1e-3)


def test_draws_obey_the_random_state():
    model = FixedBasisMixture(n=50, random_state=3).fit(X)
    draws = model.sample(3000)
    np.testing.assert_array_equal(draws, model.sample(3000))
    assert (draws != clone(model).set_params(random_state=4).fit(X).sample(3000)).any()
    for j in (0, 1):
        assert scipy.stats.kstest(np.asarray(draws[:, j], np.float64), model.density_[j].to_scipy().cdf).pvalue > 0.01


@pytest.mark.slow
def test_parameters_are_counted_and_bic_and_aic_use_them():
    narrow, wide = FixedBasisMixture(n=100, t=1.0).fit(X), FixedBasisMixture(n=100, t=8.0).fit(X)
    assert 2 < wide.effective_parameters() < narrow.effective_parameters() / 2
    p, total = wide.effective_parameters(), wide.score_samples(X).sum()
    assert wide.bic(X) == pytest.approx(-2 * total + p * np.log(400))
    assert wide.aic(X) == pytest.approx(-2 * total + 2 * p)
    normal = rng.normal(size=(2000, 1))
    by_t = [FixedBasisMixture(n=100, t=t).fit(normal) for t in (0.5, 6.0, 40.0)]
    for criterion in (FixedBasisMixture.aic, FixedBasisMixture.bic):
        assert np.argmin([criterion(model, normal) for model in by_t]) == 1


@pytest.mark.slow
def test_pipelines_searches_copies_and_workers():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), FixedBasisMixture(n=100)),
        {"fixedbasismixture__n": [30, 100], "fixedbasismixture__t": [0.3, 3.0]},
        cv=3,
    ).fit(X)
    assert search.best_params_["fixedbasismixture__t"] == 3.0
    model = search.best_estimator_
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).score_samples(X), model.score_samples(X))
    assert clone(model).get_params()["fixedbasismixture__t"] == 3.0


def test_bad_input_is_named(unchecked_types):
    with pytest.raises(ValueError, match=r"X is constant in column 1, 2.0 in 3 samples"):
        FixedBasisMixture(n=20).fit([[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]])
    with pytest.raises(ValueError, match="columns must be 'independent' or 'rotated'; found 'both'"):
        FixedBasisMixture(columns="both").fit(X)
    with pytest.raises(ValueError, match=r"some weight above 0|at least one non-zero"):
        FixedBasisMixture().fit(X, sample_weight=np.zeros(400))
    with pytest.raises(ValueError, match="n must be at least 1; found 0"):
        FixedBasisMixture(n=0).fit(X)
    with pytest.raises(ValueError, match="'rotated' takes none of algorithm, low and high"):
        FixedBasisMixture(columns="rotated", low=0.0).fit(X)
    with pytest.raises(ValueError, match="edges = 'both' is for fits that choose by themselves"):
        FixedBasisMixture(n=20, edges="both").fit(X)
    with pytest.raises(ValueError, match="all lie outside"):
        FixedBasisMixture(n=20, low=[50.0, 0.0], high=[60.0, 9.0], outside="drop").fit(X)
    if not jax.config.jax_enable_x64:
        with pytest.raises(ValueError, match=r"X must be within .* \(float32\)"):
            FixedBasisMixture(n=20).fit(X * 1e30)


@pytest.mark.parametrize("algorithm", [fbgmm.algorithm1(), fbgmm.least_squares(), fbgmm.maximum_likelihood(4)])
def test_any_algorithm_can_be_cloned_and_pickled(algorithm):
    """fairlearn#569: AttributeError."""
    model = pickle.loads(pickle.dumps(clone(FixedBasisMixture(n=20, algorithm=algorithm))))
    assert model.algorithm == algorithm
    fitted = pickle.loads(pickle.dumps(model.fit(X)))
    np.testing.assert_array_equal(fitted.score_samples(X), model.score_samples(X))


def test_masked_data_are_refused(unchecked_types):
    with pytest.raises(ValueError, match="X has 1 masked of 800 values"):
        FixedBasisMixture(n=20).fit(np.ma.masked_equal(X, X[3, 1]))
