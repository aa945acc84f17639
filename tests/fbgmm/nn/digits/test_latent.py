"""Latent mixtures: all classes in one call, sampling, mixing, parts, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fbgmm
from fbgmm.nn.digits import LatentMixture, latent
from fbgmm.nn.digits.k_means import k_means
from fbgmm.nn.digits.normal_clusters import normal_clusters
from tests import oracle


def codes(seed=0, counts=(700, 400, 600)):
    """Class 0 along a diagonal, class 1 a ball far away, class 2 in two clusters."""
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=(2, counts[0]))
    two = rng.normal(size=(counts[2], 2)) * 0.3 + np.where(rng.random(counts[2]) < 0.5, -4, 4)[:, None]
    rows = np.stack([u, u + 0.2 * v], axis=1), rng.normal(size=(counts[1], 2)) + 20, two
    order = rng.permutation(sum(counts))
    return np.concatenate(rows)[order], np.repeat(np.arange(3), counts)[order]


Z, LABELS = codes()
HELD_OUT, HELD_OUT_LABELS = codes(1)


@pytest.fixture(scope="module")
def paper():
    return LatentMixture.fit(Z, LABELS, classes=3, independent=True)


@pytest.fixture(scope="module")
def ours():
    with pytest.MonkeyPatch.context() as patch:  # four clusters: the smallest class has 400 codes
        patch.setattr(latent, "CLUSTER_SIZE", 100)
        return LatentMixture.fit(Z, LABELS, classes=3)


@pytest.mark.slow
def test_the_papers_model_is_a_fit_of_each_class_and_dimension(paper, dtype):
    x = np.linspace(-5, 22, 40)
    for label in range(3):
        for d in range(2):
            alone = fbgmm.fit(Z[label == LABELS, d], n=200, t=2.0)
            found = paper.marginal(label)[d].log_prob(x)
            np.testing.assert_allclose(found, alone.log_prob(x), rtol=1e-3 if dtype == np.float32 else 1e-9)
        points = HELD_OUT[label == HELD_OUT_LABELS]
        expected = sum(paper.marginal(label)[d].log_prob(points[:, d]) for d in range(2))
        np.testing.assert_allclose(paper.log_prob(points, label), expected, rtol=1e-4)


@pytest.mark.slow
def test_samples_have_the_classes_moments(paper, ours):
    for label in range(3):
        z = Z[label == LABELS]
        for density in (paper, ours):
            new = np.asarray(density.sample(jax.random.key(label), label, 4000))
            assert new.shape == (4000, 2)
            np.testing.assert_allclose(new.mean(axis=0), z.mean(axis=0), atol=0.3)
            np.testing.assert_allclose(new.std(axis=0), z.std(axis=0), rtol=0.1)


@pytest.mark.slow
def test_parts_keep_what_independent_dimensions_lose(paper, ours):
    def diagonal(density):
        new = np.asarray(density.sample(jax.random.key(0), 0, 2000))
        return np.corrcoef(new.T)[0, 1]

    assert abs(diagonal(paper)) < 0.1
    assert diagonal(ours) > 0.95
    # Independent dimensions put half of class 2 where there is nothing, in the corners off the diagonal.
    shares = [(np.prod(np.sign(d.sample(jax.random.key(1), 2, 2000)), axis=1) < 0).mean() for d in (paper, ours)]
    assert shares[0] > 0.4
    assert shares[1] < 0.02
    for label in (0, 2):
        points = HELD_OUT[label == HELD_OUT_LABELS]
        assert ours.log_prob(points, label).mean() > paper.log_prob(points, label).mean() + 0.5


@pytest.mark.slow
def test_the_density_of_the_parts_integrates_to_one(ours, dtype):
    grid = jnp.linspace(-7, 7, 161, dtype=dtype)
    points = jnp.stack(jnp.meshgrid(grid, grid, indexing="ij"), axis=-1)
    mass = float(jnp.exp(ours.log_prob(points, 2)).sum()) * float(grid[1] - grid[0]) ** 2
    assert mass == pytest.approx(1, abs=0.01)
    assert np.exp(ours.log_shares).sum(axis=1) == pytest.approx(1, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["paper", "ours"])
def test_mixing_takes_each_dimension_from_one_of_the_classes(which, request):
    density = request.getfixturevalue(which)
    mixed = np.asarray(density.mix(jax.random.key(3), [0, 1], [0.25, 0.75], count=4000))
    far = mixed > 10  # from class 1
    assert far.mean(axis=0) == pytest.approx([0.75, 0.75], abs=0.03)
    assert (far[:, 0] & far[:, 1]).mean() == pytest.approx(0.75**2, abs=0.03)  # chosen for each dimension by itself
    equal = np.asarray(density.mix(jax.random.key(4), [0, 1], count=2000)) > 10
    assert equal.mean() == pytest.approx(0.5, abs=0.03)
    only = np.asarray(density.mix(jax.random.key(5), [0, 1], [0, 2], count=50))
    assert (only > 10).all()


@pytest.mark.slow
def test_keys_give_the_same_again_and_others_others(ours):
    first, again, other = (np.asarray(ours.sample(jax.random.key(k), 1, 5)) for k in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.isin(first, other).any()


def test_k_means_finds_clusters_and_dissolves_small_ones():
    centres = np.array([[0.0, 0], [10, 0], [0, 10]])
    x = np.repeat(centres, [300, 300, 5], axis=0) + np.random.default_rng(0).normal(size=(605, 2)) * 0.1
    table, weights = jnp.asarray(np.stack([x, x[::-1]])), jnp.ones((2, 605))
    for part, order in zip(k_means(jax.random.key(0), table, weights.astype(table.dtype), 3, 20), (1, -1), strict=True):
        groups = np.split(np.asarray(part)[::order], [300, 600])
        assert all(len(set(group.tolist())) == 1 for group in groups[:2])
        assert len(np.unique(part)) == 2
        assert set(groups[2].tolist()) <= set(np.concatenate(groups[:2]).tolist())


def test_points_of_weight_zero_do_not_matter_to_k_means(dtype):
    x = np.random.default_rng(0).normal(size=(1, 200, 2))
    far = np.concatenate([x, np.full((1, 50, 2), 1e3)], axis=1).astype(dtype)
    weights = jnp.asarray((np.arange(250) < 200)[None], far.dtype)
    part = np.asarray(k_means(jax.random.key(1), jnp.asarray(far), weights, 4, 5))
    assert np.bincount(part[0, :200], minlength=4).min() >= 5


def crossing(dtype):
    """Two long clusters of 500 points that cross, and 250 rows that are absent; labels of the 1000 that are not."""
    rng = np.random.default_rng(0)
    long = rng.normal(size=(500, 2)) * [10, 0.1]
    x = np.concatenate([long, rng.normal(size=(500, 2)) * [0.1, 10], np.full((250, 2), 1e3)])
    weights = np.arange(1250) < 1000
    return jnp.asarray(x[None], dtype), jnp.asarray(weights[None], dtype), np.arange(1000) // 500


def test_normal_clusters_may_cross(dtype):
    x, weights, truth = crossing(dtype)
    found = [
        abs(np.corrcoef(np.asarray(way(jax.random.key(0), x, weights, 2, 6))[0, :1000], truth)[0, 1])
        for way in (k_means, normal_clusters)
    ]
    assert found[1] > 0.95 > 0.6 > found[0]


def test_normal_clusters_that_are_flat_or_small(dtype):
    x, weights, _ = crossing(dtype)
    line = x.at[:, :500, 1].set(0)
    for flat in (line, x.at[:, :, 1].set(3 * x[:, :, 0])):  # one cluster, both
        found = np.asarray(normal_clusters(jax.random.key(0), flat, weights, 2, 6))[0, :1000]
        assert np.bincount(found, minlength=2).min() >= 6
    few = np.asarray(normal_clusters(jax.random.key(0), x, weights, 3, 400))[0, :1000]
    assert min(np.unique(few, return_counts=True)[1]) >= 400


@pytest.mark.slow
def test_few_codes_have_one_cluster_and_classes_of_one_cluster_work():
    density = LatentMixture.fit(Z, LABELS, classes=3)
    np.testing.assert_array_equal(density.log_shares, np.zeros((3, 1)))
    for label in range(3):
        z = Z[label == LABELS]
        points = HELD_OUT[label == HELD_OUT_LABELS]
        points = points[np.all((points > z.min(axis=0)) & (points < z.max(axis=0)), axis=1)]
        np.testing.assert_allclose(density.log_prob(points, label), along_axes(z, points), atol=5e-3)


def along_axes(z, points):
    """log density of one cluster, in NumPy: Algorithm 2 along the principal axes, each code counted 100 times."""
    mean, scale = z.mean(axis=0), z.std(axis=0)
    data, points = (z - mean) / scale, (points - mean) / scale
    total = -np.log(scale).sum()
    for axis in np.linalg.eigh(data.T @ data / len(data))[1].T:
        column = data @ axis
        low, high = column.min(), column.max()
        mu, _, sigma = oracle.grid(low, high, 200, 9.0)
        dL = oracle.algorithm2([mu[0]], low, high, 200, 9.0)[0] - 1 / 200
        pi = 1 / 200 + 100 * dL * np.histogram(column, 200, (low, high))[0]
        total = total + np.log(stats.norm.pdf((points @ axis)[:, None], mu, sigma) @ (pi / pi.sum()))
    return total


def test_it_is_a_pytree(ours):
    z = jnp.asarray(HELD_OUT[:10])
    expected = ours.log_prob(z, 1)
    np.testing.assert_allclose(jax.jit(lambda d: d.log_prob(z, 1))(ours), expected, rtol=1e-4)


def test_bad_codes_are_named():
    with pytest.raises(ValueError, match="class 3 has 0 codes; at least 3"):
        LatentMixture.fit(Z, LABELS, classes=4)
    with pytest.raises(ValueError, match="labels must be from 0 to 1; found 0 to 2"):
        LatentMixture.fit(Z, LABELS, classes=2)
    with pytest.raises(TypeError, match="labels must be integers; found float64"):
        LatentMixture.fit(Z, LABELS.astype(float), classes=3)
    with pytest.raises(ValueError, match=r"found \(1700, 2\) and \(3,\)"):
        LatentMixture.fit(Z, LABELS[:3], classes=3)
    with pytest.raises(ValueError, match="z must be finite"):
        LatentMixture.fit(np.where(Z[0, 0] == Z, np.inf, Z), LABELS, classes=3)
    with pytest.raises(ValueError, match="constant in dimension 1 of class 0"):
        LatentMixture.fit(np.where((LABELS == 0)[:, None] & (np.arange(2) == 1), 3.0, Z), LABELS, 3, independent=True)


def test_bad_requests_are_named(paper):
    with pytest.raises(ValueError, match="class from 0 to 2; found 3"):
        paper.sample(jax.random.key(0), 3, 1)
    with pytest.raises(ValueError, match="shares must be 2 numbers"):
        paper.mix(jax.random.key(0), [0, 1], [1.0], count=1)
    with pytest.raises(ValueError, match="not all 0"):
        paper.mix(jax.random.key(0), [0, 1], [0.0, 0.0], count=1)
