"""Measures of generated samples, on cases with known answers and against slow oracles."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from benchmarks.mnist import sample_quality
from benchmarks.mnist.sample_quality import confusion, diversity, frechet_distance, manifold


def draws(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def standardised(x):
    """Mean 0 and covariance 1 exactly."""
    x = x - x.mean(0)
    return np.linalg.solve(np.linalg.cholesky(np.cov(x, rowvar=False)), x.T).T


def test_frechet_distance_is_zero_for_the_same_and_known_for_scaled_and_moved_ones():
    x = standardised(draws(0, 400, 5))
    assert frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 3) == pytest.approx(45)
    assert frechet_distance(x, 2 * x) == pytest.approx(5)  # (2 − 1)² in each of 5 directions
    assert frechet_distance(x, x * [1, 1, 1, 1, 0]) == pytest.approx(1)


def test_frechet_distance_does_not_depend_on_the_axes():
    x, y = draws(0, 300, 4), draws(1, 200, 4) @ draws(2, 4, 4)
    turned = np.linalg.qr(draws(3, 4, 4))[0]
    assert frechet_distance(x @ turned, y @ turned) == pytest.approx(frechet_distance(x, y))
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x))


def slow_manifold(real, generated, k):
    def distance(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=2)

    real_radius = np.sort(distance(real, real), axis=1)[:, k]
    generated_radius = np.sort(distance(generated, generated), axis=1)[:, k]
    between = distance(real, generated)
    inside = between <= real_radius[:, None]
    recall = (between <= generated_radius[None]).any(1).mean()
    return inside.any(0).mean(), recall, inside.sum(0).mean() / k, inside.any(1).mean()


@pytest.mark.parametrize("k", [1, 5])
def test_manifold_agrees_with_the_definition_in_blocks_too(k, monkeypatch):
    monkeypatch.setattr(sample_quality, "_AT_ONCE", 17)
    real, generated = draws(0, 90, 3), 0.7 * draws(1, 120, 3) + 0.5
    np.testing.assert_allclose(manifold(real, generated, k), slow_manifold(real, generated, k))


def test_manifold_tells_lost_modes_from_strange_samples():
    real = np.concatenate([draws(0, 300, 2), draws(1, 300, 2) + 50])
    one_mode = manifold(real, draws(2, 600, 2))
    assert one_mode.precision > 0.9
    assert one_mode.recall < 0.55
    assert one_mode.coverage < 0.55
    strange = manifold(real, np.concatenate([real + 0.01, draws(3, 600, 2) - 200]))
    assert strange.precision == pytest.approx(0.5, abs=0.02)
    assert strange.coverage == 1
    assert manifold(real, real).density == pytest.approx(6 / 5, rel=0.2)


def test_diversity_is_the_mean_distance_over_pairs(monkeypatch):
    monkeypatch.setattr(sample_quality, "_AT_ONCE", 2)
    assert diversity(np.array([[0.0], [3.0], [3.0]])) == pytest.approx(2)
    assert diversity(np.ones((4, 2, 2))) == 0
    assert diversity(draws(0, 30, 4, 4)) == pytest.approx(diversity(draws(0, 30, 16)))


def test_confusion_has_the_shares_recognised_on_its_diagonal():
    taken = np.eye(3)[[0, 0, 1, 1, 2, 0]]
    expected = [[1, 0, 0], [0, 1, 0], [0.5, 0, 0.5]]
    np.testing.assert_allclose(confusion(taken, np.array([0, 0, 1, 1, 2, 2], np.uint8)), expected)


def test_what_cannot_be_measured_is_refused():
    x = draws(0, 10, 3)
    with pytest.raises(ValueError, match="at least 2 rows"):
        frechet_distance(x, x[:1])
    with pytest.raises(ValueError, match=r"\(10, 3\) and \(10, 2\)"):
        frechet_distance(x, x[:, :2])
    with pytest.raises(ValueError, match="finite"):
        manifold(x, np.where(x == x[0, 0], np.nan, x))
    with pytest.raises(ValueError, match="at least 6 rows"):
        manifold(x, x[:5])
    with pytest.raises(ValueError, match=r"none of \[2\]"):
        confusion(np.eye(3)[[0, 1]], np.array([0, 1]))
    with pytest.raises(ValueError, match="from 0 to 2"):
        confusion(np.eye(3)[[0, 1]], np.array([0, 3]))
