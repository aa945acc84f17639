"""Style transfer: the losses are Gatys', and L-BFGS lowers them, for each image by itself."""

import jax.numpy as jnp
import numpy as np
import pytest

from fbgmm.nn.style import transfer as style
from fbgmm.nn.style.gram_matrices import STYLE_CHANNELS, STYLE_LAYERS, gram, pack_all, unpack_all
from fbgmm.nn.style.transfer import TransferSettings, content_loss, grams_of, layer_weights, style_loss, stylise
from fbgmm.nn.style.vgg import CHANNELS, VGG19

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (3, 32, 40, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def vgg():
    rng = np.random.default_rng(1)
    return VGG19(
        {n: (rng.normal(0, (2 / (9 * io[0])) ** 0.5, (3, 3, *io)), np.zeros(io[1])) for n, io in CHANNELS.items()}
    )


@pytest.fixture(scope="module")
def entries(vgg):
    return grams_of(vgg, IMAGES)


@pytest.fixture(scope="module")
def wanted(entries):
    return unpack_all(entries[1:], STYLE_CHANNELS), layer_weights(entries, STYLE_CHANNELS)


def test_the_content_s_loss_is_half_the_squared_distance():
    F, P = jnp.asarray(RNG.normal(size=(2, 3, 4, 5, 6)), jnp.float32)
    np.testing.assert_allclose(content_loss(F, P), 0.5 * ((F - P) ** 2).sum((1, 2, 3)), rtol=1e-5)


def test_the_style_s_loss_is_gatys_with_places_divided_out():
    F, S = jnp.asarray(RNG.normal(size=(2, 3, 4, 5, 6)), jnp.float32)
    N, M = 6, 20
    expected = ((np.asarray(gram(F)) - np.asarray(gram(S))) ** 2).sum((1, 2)) / (4 * N**2 * M**2)
    layer = [gram(F) / M], [gram(S) / M]
    weights = jnp.array([0.2], jnp.float32)
    np.testing.assert_allclose(style_loss(*layer, weights), 0.2 * expected, rtol=1e-4)


@pytest.mark.slow
def test_gram_matrices_of_images_in_batches_are_those_of_each(vgg, entries):
    features = vgg(jnp.asarray(IMAGES[2:]))
    expected = pack_all([gram(features[n]) / features[n][0, ..., 0].size for n in STYLE_LAYERS])
    assert entries.shape == (3, 305_888)
    np.testing.assert_allclose(entries[2:], expected, rtol=1e-3, atol=1e-5 * float(jnp.abs(expected).max()))


def test_all_layers_weigh_alike(entries):
    weights = layer_weights(entries, STYLE_CHANNELS)
    matrices = unpack_all(entries, STYLE_CHANNELS)
    for weight, layer in zip(weights, matrices, strict=True):
        nothing = [jnp.zeros_like(layer)]
        loss = style_loss(nothing, [layer], weight[None])
        np.testing.assert_allclose(loss.mean(), 0.2, rtol=1e-4)


@pytest.mark.slow
def test_the_losses_fall_and_are_those_of_the_images(vgg, wanted):
    grams, weights = wanted
    start = np.stack([IMAGES[0]] * 2)
    told = []
    settings = TransferSettings(steps=8)
    made = stylise(vgg, IMAGES[0], grams, weights, start, settings, lambda *news: told.append(news), "two")
    assert made.images.shape == start.shape
    assert made.images.min() >= 0
    assert made.images.max() <= 255
    assert made.history.shape == (8, 2)
    assert (made.history[-1] < 0.8 * made.history[0]).all()
    assert (np.diff(made.history, axis=0) <= 0).all()
    np.testing.assert_allclose(made.content + settings.style_weight * made.style, made.history[-1], rtol=1e-4)
    assert told[-1] == (f"two: loss {made.history[-1].mean():.4f}", 8, 8)


def test_the_first_losses_are_those_of_the_start(vgg, wanted, entries):
    grams, weights = wanted
    made = stylise(vgg, IMAGES[0], grams, weights, np.stack([IMAGES[0]] * 2), TransferSettings(steps=1))
    np.testing.assert_allclose(made.content, 0, atol=1e-6)
    own = [jnp.broadcast_to(g, (2, *g.shape[1:])) for g in unpack_all(entries[:1], STYLE_CHANNELS)]
    np.testing.assert_allclose(made.style, style_loss(own, grams, weights), rtol=1e-3)
    np.testing.assert_allclose(made.images, [IMAGES[0]] * 2)


@pytest.mark.slow
def test_each_image_goes_its_own_way(vgg, wanted):
    grams, weights = wanted
    start = np.stack([IMAGES[0]] * 2)
    both = stylise(vgg, IMAGES[0], grams, weights, start, TransferSettings(steps=5))
    alone = stylise(vgg, IMAGES[0], [g[1:] for g in grams], weights, start[1:], TransferSettings(steps=5))
    np.testing.assert_allclose(both.history[:, 1], alone.history[:, 0], rtol=2e-3)
    assert np.abs(both.images[0] - both.images[1]).mean() > 1


@pytest.mark.slow
def test_a_trial_that_goes_too_far_is_halved_and_not_taken(vgg, wanted):
    grams, weights = wanted
    start = np.stack([IMAGES[0]] * 2)
    far = stylise(vgg, IMAGES[0], grams, weights, start, TransferSettings(steps=2, rate=1e4))
    np.testing.assert_array_equal(far.images, start)
    later = stylise(vgg, IMAGES[0], grams, weights, start, TransferSettings(steps=20, rate=1e4))
    assert (later.history[-1] < later.history[0]).all()


def test_settings_and_losses_that_cannot_be(vgg, wanted):
    grams, weights = wanted
    start = np.stack([IMAGES[0]] * 2)
    with pytest.raises(ValueError, match="steps ≥ 1; found"):
        stylise(vgg, IMAGES[0], grams, weights, start, TransferSettings(steps=0))
    with pytest.raises(ValueError, match="images diverged at step 1: found losses"):
        stylise(vgg, IMAGES[0], grams, weights, np.full_like(start, np.nan), TransferSettings(steps=2))


@pytest.mark.slow
def test_memory_is_emptied_where_the_loss_is_not_convex():
    x = jnp.zeros((2, 2, 3), jnp.float32)
    slope = jnp.ones_like(x)
    settings = TransferSettings()
    _, memory = style._LBFGS.update(slope, style._empty_memory(x), x)
    one = jnp.ones((), jnp.float32)
    losses = jnp.zeros(2, jnp.float32)
    search = style._Search(x, losses, one, slope, -slope, one, memory)
    moved = style._after_trial(settings, search, x - slope, losses, one - 12, 2 * slope)  # steeper after going downhill
    np.testing.assert_allclose(moved.direction, -settings.rate, rtol=1e-6)
    assert int(moved.memory.count) == 1
    assert not np.asarray(moved.memory.weights_memory).any()
    np.testing.assert_array_equal(moved.memory.updates, 2 * slope)
