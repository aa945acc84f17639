"""Training of the autoencoder: it learns, survives a kill with the same result, and refuses bad input."""

import jax
import numpy as np
import pytest
from flax import nnx

from fbgmm.nn.digits import AutoencoderSettings, TrainedAutoencoder, decode, encode, train
from tests.kills import KillError, kill_at

SETTINGS = AutoencoderSettings(latent=4, epochs=8, batch=32, alpha=1.0)


def blobs(count):
    """Images of a bright patch, at a place that depends on the class."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    images = np.zeros((count, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = 4 * (label // 4) + rng.integers(0, 4), 3 * (label % 4) + rng.integers(0, 4)
        image[row : row + 14, column : column + 14] = rng.integers(120, 256)
    return images, labels


IMAGES, LABELS = blobs(320)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("blobs")


@pytest.fixture(scope="module")
def trained(folder):
    """Trained in two goes: killed in the sixth of eight epochs, then to the end."""
    with pytest.raises(KillError):
        train(jax.random.key(0), IMAGES, LABELS, folder, SETTINGS, kill_at(55))
    return train(jax.random.key(0), IMAGES, LABELS, folder, SETTINGS)


def weights(trained: TrainedAutoencoder):
    return jax.tree.leaves([nnx.state(network) for network in trained[:3]])


@pytest.mark.slow
def test_it_learns_to_reconstruct(trained):
    error = trained.history.error
    assert error.shape == (8,)
    assert error[-1] < 0.5 * error[0]
    z = encode(trained.encoder, IMAGES)
    assert z.shape == (320, 4)
    made = decode(trained.decoder, z)
    assert made.shape == (320, 28, 28)
    blank = np.mean(np.sum(np.square(IMAGES / 255 - (IMAGES / 255).mean(axis=0)), axis=(1, 2)))
    assert np.mean(np.sum(np.square(made - IMAGES / 255), axis=(1, 2))) < 0.4 * blank


@pytest.mark.slow
def test_all_is_in_single_precision(trained):
    assert {leaf.dtype for leaf in weights(trained)} == {np.dtype(np.float32)}
    z = encode(trained.encoder, IMAGES[:3])
    assert {z.dtype, decode(trained.decoder, z.astype(np.float64)).dtype} == {np.dtype(np.float32)}


@pytest.mark.slow
def test_many_images_are_coded_in_parts(trained):
    many = np.concatenate([IMAGES] * 4)  # 1280: more than one part
    np.testing.assert_allclose(
        encode(trained.encoder, many)[-320:], encode(trained.encoder, IMAGES), rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_a_killed_training_went_on_to_the_same_networks(tmp_path, trained):
    found = train(jax.random.key(0), IMAGES, LABELS, tmp_path, SETTINGS)
    for a, b in zip(weights(trained), weights(found), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(trained.history, found.history)


@pytest.mark.slow
def test_other_settings_are_another_training(folder, trained):
    with pytest.raises(ValueError, match=r"another training: alpha is 1\.0 there, 2\.0 here"):
        train(jax.random.key(0), IMAGES, LABELS, folder, SETTINGS._replace(alpha=2.0))
    with pytest.raises(ValueError, match="another training: latent is 4 there"):
        train(jax.random.key(0), IMAGES, LABELS, folder, SETTINGS._replace(latent=5))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES[:, :27], LABELS, r"images has shape \(320, 27, 28\).*allowed: \(N, 28, 28\), uint8"),
        (IMAGES[0], LABELS[:1], r"images has shape \(28, 28\)"),
        (IMAGES / 255, LABELS, "type float64"),
        (IMAGES, LABELS[:-1], r"labels has shape \(319,\).*\(320,\)"),
        (IMAGES, LABELS + 3, "labels has values from 3 to 12; allowed: 0 to 9"),
        (IMAGES[:31], LABELS[:31], "found 31 examples"),
    ],
)
def test_wrong_images_are_refused(tmp_path, images, labels, message):
    with pytest.raises(ValueError, match=message):
        train(jax.random.key(0), images, labels, tmp_path, SETTINGS)
