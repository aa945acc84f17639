"""Data sets of two styles at a share, and how near images are to either."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fbgmm.nn.data.images import crops
from fbgmm.nn.style.blending import blended, blending_ratio, crop_grams, fit_blend
from fbgmm.nn.style.transfer import grams_of
from fbgmm.nn.style.vgg import CHANNELS, VGG19

E = 305_888


@pytest.mark.parametrize(("share", "of_two"), [(0.0, 0), (0.1, 1), (0.25, 2), (0.8, 8), (1.0, 10)])
def test_a_share_of_the_crops_is_of_the_second_style(share, of_two):
    one, two = np.arange(20).reshape(10, 2), 100 + np.arange(20).reshape(10, 2)
    data = blended(one, two, share)
    assert data.shape == (10, 2)
    np.testing.assert_array_equal(data, np.concatenate([one[: 10 - of_two], two[:of_two]]))


def test_shares_and_shapes_that_cannot_be():
    with pytest.raises(ValueError, match=r"share must be from 0 to 1; found 1\.2"):
        blended(np.zeros((2, 3)), np.zeros((2, 3)), 1.2)
    with pytest.raises(ValueError, match=r"same shape; found \(2, 3\) and \(3, 3\)"):
        blended(np.zeros((2, 3)), np.zeros((3, 3)), 0.5)


def test_crops_become_entries_in_their_order():
    rng = np.random.default_rng(1)
    vgg = VGG19(
        {n: (rng.normal(0, (2 / (9 * io[0])) ** 0.5, (3, 3, *io)), np.zeros(io[1])) for n, io in CHANNELS.items()}
    )
    image = rng.uniform(0, 255, (36, 40, 3)).astype(np.float32)
    told = []
    found = crop_grams(jax.random.key(0), vgg, image, 5, 99, lambda *news: told.append(news))
    assert found.shape == (5, E)
    assert told == [("crops", 4, 5), ("crops", 5, 5)]
    expected = grams_of(vgg, crops(jax.random.key(0), image, 36, 5)[4:])  # a side beyond the picture is its own
    np.testing.assert_allclose(found[4:], expected, rtol=1e-4, atol=1e-3)


def test_blending_is_0_at_one_style_1_at_the_other_and_half_between():
    rng = np.random.default_rng(0)
    one, two = jnp.asarray(rng.uniform(0, 1, (2, E)), jnp.float32)
    found = blending_ratio(jnp.stack([one, two, (one + two) / 2, 0.75 * one + 0.25 * two]), one, two)
    np.testing.assert_allclose(found, [0, 1, 0.5, 0.25], atol=1e-5)


def test_a_blend_is_fitted_to_its_data():
    rng = np.random.default_rng(0)
    one, two = rng.uniform(1, 2, (2, 4, E)).astype(np.float32)
    blend = fit_blend(one, two, 0.5, n=8)
    np.testing.assert_array_equal(blend.mixture.data, blended(one, two, 0.5))
    assert blend.mixture.mixture.pi.shape == (E, 8)
    assert blend.weights.shape == (5,)
