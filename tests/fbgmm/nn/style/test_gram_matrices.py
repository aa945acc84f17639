"""Gram matrices against a sum over places, packing there and back, and the distance to positive semi-definite."""

import jax.numpy as jnp
import numpy as np
import pytest

from fbgmm.nn.style import gram_matrices as gram


def symmetric(C, count=3, seed=0):
    matrices = np.random.default_rng(seed).normal(size=(count, C, C))
    return jnp.asarray(matrices + np.swapaxes(matrices, 1, 2), jnp.float32)


def test_eq_11_is_a_sum_over_places():
    features = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)
    expected = np.zeros((2, 3, 3))
    for place in np.ndindex(4, 5):
        F = features[:, *place].astype(np.float64)
        expected += F[:, :, None] * F[:, None, :]
    F = jnp.asarray(features)
    np.testing.assert_allclose(gram.gram(F), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gram.mean_gram(F), expected / 20, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("C", [1, 2, 7])
def test_packing_keeps_each_distinct_entry_once(C):
    matrices = symmetric(C)
    entries = gram.pack(matrices)
    assert entries.shape == (3, gram.distinct(C)) == (3, C * (C + 1) // 2)
    np.testing.assert_array_equal(entries, [m[np.triu_indices(C)] for m in np.asarray(matrices)])
    np.testing.assert_array_equal(gram.unpack(entries, C), matrices)


def test_layers_go_one_after_the_other():
    layers = [symmetric(2), symmetric(4)]
    entries = gram.pack_all(layers)
    assert entries.shape == (3, 3 + 10)
    for found, layer in zip(gram.unpack_all(entries, (2, 4)), layers, strict=True):
        np.testing.assert_array_equal(found, layer)


def test_the_paper_s_layers_have_about_305_000_entries():
    assert sum(map(gram.distinct, gram.STYLE_CHANNELS)) == 305_888


def test_the_projection_is_the_nearest_semi_definite_matrix():
    matrices = symmetric(6)
    nearest = np.asarray(gram.nearest_psd(matrices), np.float64)
    assert np.linalg.eigvalsh(nearest).min() > -1e-5
    values = np.linalg.eigvalsh(np.asarray(matrices, np.float64))
    expected = np.sqrt((np.minimum(values, 0) ** 2).sum(1))
    np.testing.assert_allclose(np.linalg.norm(nearest - matrices, axis=(1, 2)), expected, rtol=1e-4)
    np.testing.assert_allclose(gram.psd_gap(matrices), expected / np.linalg.norm(matrices, axis=(1, 2)), rtol=1e-4)


def test_gram_matrices_have_no_gap_and_are_their_own_projection():
    features = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 3, 3, 5)), jnp.float32)
    matrices = gram.gram(features)
    np.testing.assert_allclose(gram.psd_gap(matrices), 0, atol=1e-6)
    np.testing.assert_allclose(gram.nearest_psd(matrices), matrices, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gram.psd_gap(jnp.zeros((1, 2, 2))), [0])
    np.testing.assert_allclose(gram.psd_gap(-jnp.eye(2)[None]), [1])
