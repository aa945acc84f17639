"""The distribution of Gram matrices: each entry has its own fit, and the samplers keep what they promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fbgmm
from fbgmm.nn.style import gram_matrices as gram
from fbgmm.nn.style.gram_mixture import SAMPLERS, GramMixture, normal_scores

CHANNELS = 4, 6


def grams(N=60, seed=0, dtype=np.float32):
    """Entries of Gram matrices of random features, which hang together; the last channel of each layer never fires."""
    rng = np.random.default_rng(seed)
    layers = []
    for C in CHANNELS:
        features = np.maximum(rng.normal(1, 1, (N, 5, 5, C)) * rng.uniform(0.5, 2, (N, 1, 1, 1)), 0)
        features[..., -1] = 0
        layers.append(gram.mean_gram(jnp.asarray(features, dtype)))
    return np.asarray(gram.pack_all(layers))


@pytest.fixture(scope="module")
def data():
    return grams()


@pytest.fixture(scope="module")
def gmm(data):
    return GramMixture.fit(data, CHANNELS, n=30)


@pytest.mark.slow
def test_each_entry_has_the_mixture_of_a_fit_alone(gmm, data):
    assert gmm.mixture.batch_shape == (10 + 21,)
    for e in (0, 5, 12):
        np.testing.assert_allclose(gmm.mixture[e].pi, fbgmm.fit(data[:, e], n=30, t=2.0).pi, rtol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_whole_symmetric_matrices_are_drawn(gmm, sampler):
    layers = gmm.sample(jax.random.key(0), 5, sampler)
    assert [layer.shape for layer in layers] == [(5, 4, 4), (5, 6, 6)]
    for layer in layers:
        np.testing.assert_allclose(layer, np.swapaxes(layer, 1, 2), atol=1e-6)
        assert np.ptp(np.asarray(layer)[:, 0, 0]) > 0
        assert layer.dtype == np.float32


@pytest.mark.parametrize("sampler", ["independent", "copula"])
def test_each_entry_is_drawn_from_its_mixture(gmm, sampler):
    drawn = np.asarray(gram.pack_all(gmm.sample(jax.random.key(1), 4000, sampler)))
    wide = np.asarray(gmm.mixture.status) == 0
    for e in np.flatnonzero(wide):
        places = np.sort(np.asarray(gmm.mixture[int(e)].cdf(drawn[:, e])))
        # Normal scores of 60 crops are not quite normal, hence the wider bound for the copula.
        assert np.abs(places - (np.arange(4000) + 0.5) / 4000).max() < 0.03, e


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_entries_that_never_change_are_drawn_as_they_are(gmm, sampler):
    for layer in gmm.sample(jax.random.key(0), 3, sampler):
        np.testing.assert_allclose(np.asarray(layer)[:, -1], 0, atol=1e-6)


def test_the_copula_keeps_the_dependence_and_independent_entries_lose_it(gmm, data):
    wide = np.asarray(gmm.mixture.status) == 0
    expected = np.corrcoef(data[:, wide].T)
    found = {
        sampler: np.corrcoef(np.asarray(gram.pack_all(gmm.sample(jax.random.key(2), 4000, sampler)))[:, wide].T)
        for sampler in ("independent", "copula")
    }
    off = ~np.eye(wide.sum(), dtype=bool)
    assert expected[off].mean() > 0.3
    assert np.abs(found["independent"][off]).max() < 0.1
    assert np.abs(found["copula"] - expected)[off].mean() < 0.12


@pytest.mark.slow
def test_distance_from_semi_definite_falls_from_sampler_to_sampler(gmm):
    gaps = {s: max(float(gram.psd_gap(m).mean()) for m in gmm.sample(jax.random.key(3), 200, s)) for s in SAMPLERS}
    assert gaps["independent"] > 2 * gaps["copula"] > 0
    assert gaps["projected"] < 1e-5


def test_scores_are_standard_and_in_the_order_of_the_data(gmm, data):
    scores = np.asarray(normal_scores(gmm.mixture, jnp.asarray(data)))
    wide = np.asarray(gmm.mixture.status) == 0
    np.testing.assert_allclose(scores.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose((scores**2).mean(0), wide, atol=1e-4)
    for e in np.flatnonzero(wide):
        assert (np.diff(scores[np.argsort(data[:, e]), e]) >= -1e-6).all()


@pytest.mark.slow
def test_shares_of_two_styles_are_shares_of_the_draws():
    one, two = grams(100, 1), grams(100, 2) + 50
    gmm = GramMixture.fit(np.concatenate([one[:75], two[:25]]), CHANNELS, of_second=25)
    wide = np.asarray(gmm.mixture.status) == 0
    for sampler in ("independent", "copula"):
        drawn = np.asarray(gram.pack_all(gmm.sample(jax.random.key(0), 3000, sampler)))
        assert (drawn[:, wide] > 30).mean() == pytest.approx(0.25, abs=0.03)


def test_with_the_copula_a_matrix_has_values_of_both_styles_and_a_channel_keeps_to_one():
    one, two = grams(100, 1), grams(100, 2) + 50
    data = np.concatenate([one[:50], two[:50]])
    known, unknown = (GramMixture.fit(data, CHANNELS, of_second=of_second) for of_second in (50, 0))
    wide = np.asarray(known.mixture.status) == 0

    def of_two(gmm):
        return np.asarray(gram.pack_all(gmm.sample(jax.random.key(0), 2000, "copula")))[:, wide] > 30

    # Styles told apart: the share of each matrix is near a half. Not told: a matrix is of one style or of the other.
    assert of_two(known).mean(axis=1).std() < 0.75 * of_two(unknown).mean(axis=1).std()
    together = np.corrcoef(of_two(known)[:, :3].T)  # entries 11, 12, 13 of the first layer share a channel
    assert together[0, 1] > 0.3
    assert together[1, 2] > 0.2


def test_the_mean_is_that_of_the_crops(gmm, data):
    np.testing.assert_allclose(gram.pack_all(gmm.mean())[0], data.mean(0), rtol=1e-5, atol=1e-6)


def test_bad_data_are_refused(data, gmm):
    with pytest.raises(ValueError, match=r"shape \(N, 31\) for channels \(4, 6\), N ≥ 1; found \(60, 30\)"):
        GramMixture.fit(data[:, 1:], CHANNELS)
    with pytest.raises(ValueError, match="of_second must be from 0 to the 60 crops; found 61"):
        GramMixture.fit(data, CHANNELS, of_second=61)
    with pytest.raises(ValueError, match="data must be finite"):
        GramMixture.fit(np.where(np.arange(31)[None, :] == 3, np.nan, data), CHANNELS)


def test_another_sampler_is_refused(gmm, unchecked_types):
    with pytest.raises(ValueError, match="sampler must be one of independent, projected, copula; found 'crop'"):
        gmm.sample(jax.random.key(0), 1, "crop")
