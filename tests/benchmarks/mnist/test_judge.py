"""The judge: it learns, what it says is what it was trained to say, and it is trained once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.mnist import judge as digits_judge
from fbgmm.nn.data.mnist import Digits

EPOCHS = 6


def squares(count, seed):
    """A bright square at a place that the class says, on noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    images = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = 7 * (label // 4) + 2, 7 * (label % 4) + 1
        image[row : row + 6, column : column + 6] = 230
    return images, labels


DIGITS = Digits(*squares(1280, 0), *squares(200, 1))
TEST = DIGITS.test_images / 255


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("judge")


@pytest.fixture(scope="module")
def judge(folder):
    return digits_judge.judge(folder, DIGITS, epochs=EPOCHS)


@pytest.mark.slow
def test_it_knows_what_it_was_taught(judge):
    assert judge.accuracy(TEST, DIGITS.test_labels) > 0.95
    assert judge.accuracy(TEST, (DIGITS.test_labels + 1) % 10) < 0.1


@pytest.mark.slow
def test_probabilities_and_features_belong_together(judge):
    p, features = judge.probabilities(TEST), judge.features(TEST)
    assert p.shape == (200, 10)
    assert features.shape == (200, digits_judge.FEATURES)
    assert p.min() >= 0
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert features.min() == 0  # after a rectifier
    # The last layer is linear in the features: log-odds are an affine function of them.
    design = np.column_stack([features.astype(np.float64), np.ones(len(features))])
    odds = np.log(np.maximum(p[:, 1:], 1e-30)) - np.log(np.maximum(p[:, :1], 1e-30))
    moderate = (np.abs(odds) < 12).all(axis=1)
    _, residual, *_ = np.linalg.lstsq(design[moderate], odds[moderate], rcond=None)
    assert moderate.sum() < 97 or np.all(residual < 1e-2)


@pytest.mark.slow
def test_it_is_trained_once(judge, folder):
    told = []
    again = digits_judge.judge(folder, DIGITS, lambda *news: told.append(news), epochs=EPOCHS)
    assert not told
    np.testing.assert_array_equal(again.probabilities(TEST), judge.probabilities(TEST))


@pytest.mark.slow
def test_other_digits_are_another_judge(judge, folder):
    other = DIGITS._replace(train_labels=(DIGITS.train_labels + 1) % 10)
    with pytest.raises(ValueError, match="another training: data is"):
        digits_judge.judge(folder, other, epochs=EPOCHS)


def test_shifts_move_each_image_by_up_to_two_pixels_along_both_axes():
    image = np.zeros((28, 28), np.uint8)
    image[10, 15] = 7
    moved = np.asarray(digits_judge._shifted(jax.random.key(0), jnp.asarray(np.stack([image] * 400))))
    where = np.argwhere(moved == 7)
    assert len(where) == 400
    assert moved.sum() == 7 * 400
    offsets = where[:, 1:] - [10, 15]
    assert {tuple(offset) for offset in offsets} == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}
