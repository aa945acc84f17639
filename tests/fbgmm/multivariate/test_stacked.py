"""fit_rotated(x) alone: density of new points, tails, map and inverse, samples, batches, weights, files."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fbgmm
from fbgmm.multivariate import stacked
from fbgmm.multivariate.normal_mixtures import log_density
from fbgmm.multivariate.stacked import FLOOR, _folds

TRUE_COVARIANCE = 0.5 * np.eye(3) + 0.5
T4 = stats.multivariate_t(np.zeros(3), TRUE_COVARIANCE, df=4)


def draw(name, seed, N):
    rng = np.random.default_rng(seed)
    if name == "heavy":
        return rng.normal(size=(N, 3)) @ np.linalg.cholesky(TRUE_COVARIANCE).T / np.sqrt(rng.chisquare(4, (N, 1)) / 4)
    x = rng.normal(size=(N, 3 if name == "normal" else 2))
    if name == "normal":
        return x @ np.array([[3.0, 0, 0], [2, 1, 0], [1, 1, 0.1]]).T + 10
    if name == "banana":
        x[:, 1] += x[:, 0] ** 2
        return x
    return x + 4 * rng.choice([-1, 1], (N, 2))


def true_log(name, x):
    if name == "heavy":
        return T4.logpdf(x)
    if name == "normal":
        root = np.array([[3.0, 0, 0], [2, 1, 0], [1, 1, 0.1]])
        return stats.multivariate_normal(np.full(3, 10.0), root @ root.T).logpdf(x)
    if name == "banana":
        return stats.norm.logpdf(x[:, 0]) + stats.norm.logpdf(x[:, 1] - x[:, 0] ** 2)
    return np.log(np.mean([stats.norm.pdf(x - 4 * s) for s in (-1, 1)], axis=0)).sum(axis=1)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("banana", 0.08), ("clusters", 0.05), pytest.param("heavy", 0.1, marks=pytest.mark.slow), ("normal", 0.03)],
)
def test_what_new_points_lose_beside_the_truth(name, allowed):
    """Nothing clipped: one point without density would spoil the mean."""
    density, new = fbgmm.fit_rotated(draw(name, 0, 500)), draw(name, 1, 5000)
    lost = np.mean(true_log(name, new) - np.asarray(density.log_prob(new)))
    assert -0.02 < lost < allowed


@pytest.fixture(scope="module")
def banana():
    return fbgmm.fit_rotated(draw("banana", 0, 500))


def test_rows_in_blocks_give_what_all_at_once_give(monkeypatch):
    x = jnp.asarray(draw("clusters", 0, 300))
    new, w = jnp.asarray(draw("clusters", 1, 50), x.dtype), jnp.ones(300, x.dtype)
    once = stacked.fit_stacked(x, w)
    monkeypatch.setattr(stacked, "_BLOCK", 80)
    stacked.fit_stacked.clear_cache()
    in_blocks = stacked.fit_stacked(x, w)
    np.testing.assert_allclose(log_density(in_blocks, new), log_density(once, new), atol=2e-3)


def test_of_many_rows_some_are_drawn_evenly_over_their_order(monkeypatch):
    monkeypatch.setattr(stacked, "MOST_ROWS", 50)
    x, w = stacked.in_order(jnp.asarray(draw("normal", 0, 400)), jnp.arange(400) % 4.0)
    some, weights = stacked.drawn(x, w)
    place = np.array([int(np.flatnonzero((np.asarray(x) == row).all(axis=1))[0]) for row in np.asarray(some)])
    assert (np.asarray(weights) > 0).all()
    np.testing.assert_array_equal(place // 6, np.arange(50))  # 300 rows are present, one of each six is drawn
    assert len(set(place % 6)) > 3
    few, _ = stacked.drawn(x, jnp.where(jnp.arange(400) < 20, w, 0))
    np.testing.assert_array_equal(few[:20], x[:20])


def test_the_map_is_exact_and_can_be_undone(banana, dtype):
    x = jnp.asarray(draw("banana", 1, 200), banana.mean.dtype)
    z = banana.to_normal(x)
    jacobian = jax.vmap(jax.jacfwd(banana.to_normal))(x[:20])
    expected = jnp.sum(jax.scipy.stats.norm.logpdf(z[:20]), axis=1) + jnp.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(banana.log_prob(x[:20]), expected, atol=5e-3)
    atol = 1e-8 if banana.mean.dtype == np.float64 else 1e-3
    np.testing.assert_allclose(banana.from_normal(z), x, atol=atol)


def test_tails_are_finite_and_fall(banana):
    ray = jnp.asarray([1.0, 0.3])[None] * jnp.geomspace(8, 1e4, 20)[:, None]
    for scores in (banana.log_prob(ray), -jnp.sum(jnp.square(banana.to_normal(ray)), axis=1)):
        assert np.isfinite(scores).all()
        assert (np.diff(scores) < 0).all()


def test_samples_follow_the_density(banana):
    x = np.asarray(banana.sample(jax.random.key(0), (50, 40)))
    assert x.shape == (50, 40, 2)
    z = np.asarray(banana.to_normal(x)).reshape(-1, 2)
    assert min(stats.kstest(z[:, d], "norm").pvalue for d in (0, 1)) > 1e-3
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.1


def test_a_normal_density_is_one_component():
    """The stack finds nothing worth a second component; what it keeps is the sample's own normal density."""
    x = draw("normal", 0, 500)
    ours = np.asarray(fbgmm.fit_rotated(x).log_prob(x))
    own = stats.multivariate_normal(x.mean(axis=0), np.cov(x.T, bias=True)).logpdf(x)
    assert np.sqrt(np.mean((ours - own) ** 2)) < 0.15


def test_the_order_of_the_rows_changes_nothing(banana):
    """Sorted data once had their own tails left out as folds. Weights go with their rows, and rows occur twice."""
    x, w = draw("banana", 0, 500), np.arange(500) % 3
    tied = np.concatenate([x[:250], x[:250].round(1)])
    new = jnp.asarray(draw("banana", 1, 500), banana.mean.dtype)
    shuffled = np.random.default_rng(2).permutation(500)
    same = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(fbgmm.fit_rotated(x[shuffled]).log_prob(new), banana.log_prob(new), **same)
    expected = fbgmm.fit_rotated(tied, weights=w).log_prob(new)
    for order in (shuffled, np.lexsort(tied.T), np.arange(500)[::-1]):
        np.testing.assert_allclose(fbgmm.fit_rotated(tied[order], weights=w[order]).log_prob(new), expected, **same)


def test_ties_are_narrow_where_new_points_gain_by_it_and_no_narrower_than_the_floor():
    """A column of three whole numbers beside a normal one: at best a third of its density in each peak."""

    def rows(seed):
        rng = np.random.default_rng(seed)
        return np.stack([rng.normal(size=500), rng.integers(0, 3, 500)], axis=1)

    x, new = rows(0), rows(1)
    density = fbgmm.fit_rotated(x)
    at_peaks = stats.norm.logpdf(0, scale=np.sqrt(FLOOR) * x[:, 1].std()) - np.log(3)
    best = stats.norm.logpdf(new[:, 0]).mean() + at_peaks
    assert best - 0.2 < density.log_prob(new).mean() < best + 0.02
    assert np.isfinite(density.log_prob(new + np.array([0, 0.3]))).all()


@pytest.mark.slow
def test_no_needles_stand_on_single_points():
    """Their shares are too small for cross-validation to see, but the data's own log density would tell."""
    for seed in range(3):
        x = draw("normal", seed, 500)
        own = stats.multivariate_normal(x.mean(axis=0), np.cov(x.T, bias=True)).logpdf(x)
        assert (fbgmm.fit_rotated(x).log_prob(x) - own).max() < 2


def test_data_with_the_period_of_the_folds_have_them_all():
    fold = np.asarray(_folds(5000))
    np.testing.assert_array_equal(np.bincount(fold), 1000)
    for period in (2, 3, 5, 10, 25):
        for part in range(period):
            share = np.bincount(fold[part::period], minlength=5) * period / 5000
            assert abs(share - 0.2).max() < 0.06, (period, part)


@pytest.mark.slow
def test_batches_weights_and_jit_agree_with_one_fit(banana, tmp_path):
    x, new = draw("banana", 0, 500), jnp.asarray(draw("banana", 1, 50), banana.mean.dtype)
    expected = banana.log_prob(new)
    padding = np.pad(x, [(0, 12), (0, 0)], constant_values=1e6), np.pad(np.ones(500), (0, 12))
    batch = fbgmm.fit_rotated(np.stack([padding[0], padding[0] * 2]), weights=np.stack([padding[1]] * 2))
    assert batch.batch_shape == (2,)
    np.testing.assert_allclose(batch.log_prob(new[:, None])[:, 0], expected, atol=2e-3)
    np.testing.assert_allclose(batch[1].log_prob(2 * new) + 2 * np.log(2), expected, atol=0.05)
    assert batch.sample(jax.random.key(0), (3,)).shape == (3, 2, 2)
    both = jnp.asarray(np.stack([x, 2 * x]), new.dtype)
    for fits in (jax.jit(fbgmm.fit_rotated)(both), jax.vmap(fbgmm.fit_rotated)(both)):
        assert fits.batch_shape == (2,)
        np.testing.assert_allclose(fits.log_prob(new[:, None])[:, 0], expected, atol=5e-3)
        np.testing.assert_allclose(fits[1].log_prob(2 * new) + 2 * np.log(2), expected, atol=0.05)
    fbgmm.save(tmp_path / "a.npz", banana)
    np.testing.assert_array_equal(fbgmm.load(tmp_path / "a.npz").log_prob(new), expected)
