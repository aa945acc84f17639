"""Test densities: published parameters, pdf, cdf and sampler agree with each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from benchmarks.accuracy.densities import (
    FAMILIES,
    HALVES,
    entries,
    generators,
    moved,
    of_laws,
    of_normals,
    paper_density,
    truncated,
)
from benchmarks.harness import environment
from benchmarks.paper import targets

NAMES = list(entries())


def density(name, seed=3):
    return entries()[name].make(seed)


def by_family(family):
    return [entry for entry in entries().values() if entry.family == family]


def test_the_families_are_whole_and_halved():
    assert [len(by_family(family)) for family in FAMILIES] == [15, 2, 23]
    for family in FAMILIES:
        numbers = [sum(entry.half == half for entry in by_family(family)) for half in HALVES]
        assert abs(numbers[0] - numbers[1]) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_the_cdf_is_the_integral_of_the_pdf(name):
    """Gauss's two points in each of many cells: they avoid the ends, where some densities jump or are infinite."""
    edges = density(name).nodes(16_000)
    cdf = density(name).cdf(edges)
    assert cdf[0] < 1e-13
    assert cdf[-1] > 1 - 1e-13
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    pdf = [density(name).pdf(middle + sign * half / np.sqrt(3)) for sign in (-1, 1)]
    wide = half > 1e-15 * np.max(np.abs(edges))  # in a cell of a last place both points may round to an infinite end
    assert np.all(np.isfinite(sum(pdf)[wide]))
    assert np.sum(np.abs(half * sum(pdf) - np.diff(cdf))[wide]) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_samples_follow_the_cdf(name):
    x = density(name).sample(generators(name, 20_000, 3, streams=1)[0], 20_000)
    assert np.unique(x).size == x.size
    assert stats.kstest(x, density(name).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_points_may_have_any_shape(name):
    points = density(name).nodes(64)[5:17].reshape(3, 4)
    for function in (density(name).pdf, density(name).cdf):
        np.testing.assert_array_equal(function(points).ravel(), function(points.ravel()))
    assert np.all(np.diff(density(name).nodes(1000)) > 0)


# Means and variances from Marron and Wand's Table 1, worked out by hand.
MOMENTS = {
    "gaussian": (0, 1),
    "skewed unimodal": (3 / 4, 0.2 + 0.2 * (4 / 9 + 1 / 4) + 0.6 * (25 / 81 + 169 / 144) - 9 / 16),
    "kurtotic unimodal": (0, (2 + 0.01) / 3),
    "outlier": (0, 0.1 + 0.009),
    "bimodal": (0, 4 / 9 + 1),
    "separated bimodal": (0, 1 / 4 + 9 / 4),
    "skewed bimodal": (3 / 8, 3 / 4 + (1 / 9 + 9 / 4) / 4 - 9 / 64),
    "trimodal": (0, 0.9 * (0.36 + 1.44) + 0.1 / 16),
    "claw": (0, 0.5 + 0.5 * (0.01 + 0.5)),
    "double claw": (0, 0.98 * (4 / 9 + 1) + 0.02 * (1e-4 + 1)),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_the_moments_of_the_normal_mixtures(name):
    parts = [(w, law.mean(), law.var()) for w, law in zip(density(name).weight, density(name).laws, strict=True)]
    mean = sum(w * m for w, m, _ in parts)
    assert mean == pytest.approx(MOMENTS[name][0], abs=1e-12)
    assert sum(w * (v + m * m) for w, m, v in parts) - mean**2 == pytest.approx(MOMENTS[name][1])


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("gaussian", 1),
        ("skewed unimodal", 1),
        ("strongly skewed", 1),
        ("kurtotic unimodal", 1),
        ("outlier", 1),
        ("bimodal", 2),
        ("separated bimodal", 2),
        ("skewed bimodal", 2),
        ("trimodal", 3),
        ("claw", 5),
        ("double claw", 7),
        ("asymmetric claw", 5),
        ("smooth comb", 6),
        ("discrete comb", 6),
    ],
)
def test_the_normal_mixtures_have_their_modes(name, modes):
    y = density(name).pdf(np.linspace(-3.2, 3.2, 200_001))
    assert np.count_nonzero((y[1:-1] > y[:-2]) & (y[1:-1] >= y[2:])) == modes


def test_components_of_the_involved_mixtures():
    """Entries of Marron and Wand's Table 1 at the ends of their series."""

    def part(name, i):
        law = density(name).laws[i]
        return density(name).weight[i], law.mean(), law.std()

    assert part("strongly skewed", 7) == pytest.approx((1 / 8, 3 * ((2 / 3) ** 7 - 1), (2 / 3) ** 7))
    assert part("asymmetric claw", 1) == pytest.approx((8 / 31, -1.5, 0.4))
    assert part("asymmetric claw", 5) == pytest.approx((1 / 62, 2.5, 0.025))
    assert part("asymmetric double claw", 4) == pytest.approx((1 / 300, -1.5, 0.01))
    assert part("asymmetric double claw", 7) == pytest.approx((7 / 300, 1.5, 0.07))
    assert part("smooth comb", 5) == pytest.approx((1 / 63, 62 / 21, 1 / 63))
    assert part("discrete comb", 2) == pytest.approx((2 / 7, 9 / 7, 2 / 7))
    assert part("discrete comb", 5) == pytest.approx((1 / 21, 20 / 7, 1 / 21))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("Maxwell", 0.7, 0.7 * np.exp(-0.245)),
        ("infinite peak", 0.25, 1.0),
        ("symmetric Pareto", -3.0, 1 / (4 * 8) / 0.9),
        ("Pareto", 4.0, 1 / 16 / 0.9),
        ("logarithmic peak", 0.1, -np.log(0.1)),
        ("normal cubed", -8.0, stats.norm.pdf(2) / 12),
        ("inverse exponential", 4.0, np.exp(-0.5) / 16 / np.exp(-(90**-0.5))),
        ("caliper", -0.1 - 0.125, 2 * (1 - 0.5)),
        ("trimodal uniform", 20.05, 2.5),
        ("uniform scale mixture", 0.3, 0.55),
        ("sawtooth", 8.75, 0.075),
        ("bilogarithmic peak", 0.9, -np.log(0.09) / 2),
    ],
)
def test_values_of_the_third_family(name, x, expected):
    assert density(name).pdf(np.array(x)) == pytest.approx(expected)


def test_laws_are_moved_mirrored_and_cut():
    mirrored = moved(stats.expon(), 1.0, -2.0)
    np.testing.assert_allclose(mirrored.pdf(np.array([0.0, 2.0])), [stats.expon.pdf(0.5) / 2, 0])
    np.testing.assert_allclose(mirrored.cdf(np.array([0.0, 2.0])), [1 - stats.expon.cdf(0.5), 1])
    np.testing.assert_allclose(mirrored.cdf(mirrored.ppf(np.array([0.1, 0.8]))), [0.1, 0.8])
    cut = truncated(stats.norm(), -1.0, 2.0)
    assert integrate.quad(cut.pdf, -1, 2)[0] == pytest.approx(1)
    np.testing.assert_array_equal(cut.pdf(np.array([-1.1, 2.1])), 0)
    np.testing.assert_allclose(cut.cdf(cut.ppf(np.array([0.0, 0.3, 1.0]))), [0, 0.3, 1], atol=1e-12)


def test_weights_are_scaled():
    assert of_normals((2, 0, 1), (6, 1, 1)).weight == (0.25, 0.75)
    assert of_laws((3, stats.norm())).weight == (1.0,)


@pytest.mark.parametrize("kind", targets.KINDS)
def test_the_papers_targets_are_those_of_the_tables(kind):
    with environment.use_precision("float32"):
        key, _ = jax.random.split(jax.random.key(0))
        target = targets.random_target(jax.random.fold_in(key, 5), kind)
        x = jnp.linspace(-15, 15, 101)
        pdf, cdf = np.asarray(target.pdf(x)), np.asarray(target.cdf(x))
    x = np.asarray(x, np.float64)
    np.testing.assert_allclose(paper_density(kind, 5).cdf(x), cdf, atol=1e-5)
    np.testing.assert_allclose(paper_density(kind, 5).pdf(x), pdf, atol=1e-5)
    assert paper_density(kind, 4).weight != paper_density(kind, 5).weight


def test_generators_follow_from_the_task_alone():
    first = generators("claw", 200, 0, streams=2)
    again = generators("claw", 200, 0, streams=2)
    draws = [g.random() for g in (*first, *again)]
    assert draws[:2] == draws[2:]
    others = [
        generators(*task, streams=1)[0].random() for task in (("claw", 200, 1), ("claw", 201, 0), ("gaussian", 200, 0))
    ]
    assert len({*draws[:2], *others}) == 5
