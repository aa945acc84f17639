"""The parts of `fit(x)`: coordinate, bins and folds, blurs on all octaves, free mixtures."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from benchmarks.everyday.kinds import KINDS, draw
from fbgmm.auto import bins, octaves
from fbgmm.auto.coordinate import GRADES, coordinate, h_of, u_of, x_of
from fbgmm.auto.final_basis import cells_of
from fbgmm.auto.folded_counts import fold_counts
from fbgmm.auto.folds import draw_folds
from fbgmm.auto.free_mixtures import densities, fit_free_mixtures
from fbgmm.auto.read_sample import read_sample
from fbgmm.auto.report import NUMBERS
from fbgmm.auto.subsample import SIZE, drawn, sorted_sample
from tests.conftest import X64

HELD = [kind for kind in KINDS if kind != "offset 1e6"]  # float32 rounds that to few values, and `fit` says so
sample_of = jax.jit(sorted_sample)


def sample(x, dtype):
    room = np.zeros((2, SIZE), dtype)
    room[0, : x.size], room[1, : x.size] = x, 1
    return sample_of(room[0], room[1])


@jax.jit
def at_and_back(found, low, high, grade, x, u):
    at = coordinate(found, low, high, grade)
    return at, u_of(at, x), x_of(at, u_of(at, x)), h_of(at, u), x_of(at, u), cells_of(at).sigma


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("kind", HELD)
def test_the_coordinate_is_increasing_and_inverted_and_grows_slowly(kind, grade, dtype):
    x = np.sort(draw(kind, 480).astype(dtype))
    u = np.linspace(-0.45, 1.45, 480).astype(dtype)
    at, coordinates, back, h, points, sigma = at_and_back(sample(x, dtype), x[0], x[-1], dtype(grade), x, u)
    assert (np.diff(coordinates) >= 0).all()
    assert (np.diff(points) > 0).all()
    np.testing.assert_allclose(back, x, rtol=3e-5, atol=1e-6 * np.ptp(x))
    # dx/du against differences, where rounding leaves them digits.
    slopes = np.gradient(np.asarray(points, np.float64), u.astype(np.float64))
    inner = np.abs(slopes[1:-1] / np.asarray(h, np.float64)[1:-1] - 1)
    assert np.median(inner) < 0.05
    assert (
        np.abs(np.diff(np.log(np.asarray(sigma, np.float64)))).max() < 0.06
    )  # what `fbgmm.evaluation.local_sums` counts on
    assert float(at.u[0]) == -0.5
    assert float(at.u[-1]) == 1.5


def test_the_linear_coordinate_is_linear(dtype):
    x = np.sort(draw("Cauchy", 480).astype(dtype))
    _, u, *_ = at_and_back(sample(x, dtype), x[0], x[-1], dtype(0), x, x[:480])
    np.testing.assert_allclose(u, (x - x[0]) / (x[-1] - x[0]), atol=2e-6)


def test_ties_have_cells_and_atoms_narrow_ones(dtype):
    found = sample(np.array([0.0, 0, 0, 8, 9, 20, 20, 21, 21]), dtype)
    at = {float(v): i for i, v in reversed(list(enumerate(np.asarray(found.x))))}
    assert float(found.right[at[0]]) == 1  # an eighth of the way to a value of its own
    assert float(found.right[at[8]]) == 0
    assert float(found.right[at[20]]) == 0.5  # half of the way to a value that is tied too
    assert float(found.same[at[0]]) == 3


def test_the_sample_of_long_data_has_no_point_twice():
    for number in (SIZE + 1, 10_000, 10**6):
        i = drawn(number)
        assert (np.diff(i) > 0).all()
        assert 0 <= i[0] < i[-1] < number


def test_folds_are_whole_and_add_up(dtype):
    counts = jnp.asarray(np.random.default_rng(0).poisson(np.linspace(0, 60, octaves.BINS)), dtype)
    folds = np.asarray(draw_folds(counts))
    np.testing.assert_allclose(folds.sum(0), counts)
    np.testing.assert_array_equal(folds, np.round(folds))
    assert folds.min() >= 0
    np.testing.assert_allclose(folds.sum(1) / folds.sum(), 0.2, atol=0.01)
    many = np.asarray(counts) > 30  # of a multinomial law: variance n·p·(1 − p)
    z = (folds - 0.2 * np.asarray(counts))[:, many] / np.sqrt(0.16 * np.asarray(counts)[many])
    assert z.std() == pytest.approx(1, abs=0.06)


def test_what_is_not_resolved_is_spread_evenly(dtype):
    counts = np.zeros((2, octaves.BINS), dtype)
    counts[0, 10], counts[1, 13] = 6, 2
    at = np.ones(octaves.BINS + 1, bool)
    at[9:12] = at[13:15] = False
    found = np.asarray(bins.spread(jnp.asarray(counts), jnp.asarray(at)))
    np.testing.assert_allclose(found[0, 8:12], 1.5)
    np.testing.assert_allclose(found[1, 12:15], 2 / 3, rtol=1e-6)
    np.testing.assert_allclose(found.sum(1), [6, 2], rtol=1e-6)


blur = jax.jit(octaves.blur, static_argnames=("less", "ratios"))


@pytest.mark.parametrize("mirror", [0, 1, 2, 3])
def test_blurs_are_sums_over_the_data_and_their_images(mirror, dtype):
    p = [np.random.default_rng(size).dirichlet(np.ones(size)).astype(dtype) for size in octaves.SIZES]
    row = np.broadcast_to(np.concatenate(p), (2, 1, octaves.SIZES.sum()))
    parts = octaves.split(blur(row, mirror))
    for octave, (own, size) in enumerate(zip(p, octaves.SIZES, strict=True)):
        at = (np.arange(size) + 0.5) / size
        images = [(1, 0.0)] + [(-1, 0.0)] * (mirror % 2) + [(-1, 2.0)] * (mirror // 2)
        reach = octaves.BLOCK * octaves.BINS / size  # further out the blur is cut off
        for sigma, values in zip(octaves.SIGMAS[octave], np.asarray(parts[octave])[:, 0], strict=True):
            expected = sum(stats.norm.pdf(at[:, None], s * at + shift, sigma) @ own for s, shift in images) / size
            cut = stats.norm.sf(reach / octaves.BINS, scale=sigma) * 4
            np.testing.assert_allclose(
                values, expected, atol=cut * 8 / size + 2e-5 * stats.norm.pdf(0, 0, sigma) / size
            )


def test_octaves_are_interpolated_and_added(dtype):
    def density(size):
        return stats.norm.pdf((np.arange(size) + 0.5) / size, 0.5, 2 / 32).astype(dtype)

    fine = density(octaves.BINS)
    found = octaves.finer(jnp.asarray(density(32)), 6)
    np.testing.assert_allclose(found, fine, atol=2e-3 * fine.max())
    row = octaves.join([jnp.asarray(density(size) if size > 32 else 0 * density(size)) for size in octaves.SIZES])
    np.testing.assert_allclose(octaves.sum_finest(row), 6 * fine, atol=6 * 2e-3 * fine.max())
    counts = jnp.asarray(np.random.default_rng(0).poisson(3.0, octaves.BINS), dtype)
    for octave, part in enumerate(octaves.split(octaves.all_coarser(counts))[:-1]):
        np.testing.assert_array_equal(part, octaves.coarser(counts, octave))


@pytest.mark.parametrize("mirror", [0, 3])
def test_densities_on_the_finest_bins_are_plain_sums(mirror, dtype):
    rng = np.random.default_rng(0)
    parts = [rng.random((1, 2, size)).astype(dtype) / size for size in octaves.SIZES]
    found = octaves.densities(np.concatenate(parts, -1), np.int32(mirror), octaves.RATIOS[1:])
    fine = (np.arange(octaves.BINS) + 0.5) / octaves.BINS
    for octave, (size, p) in enumerate(zip(octaves.SIZES, parts, strict=True)):
        at, sigma = (np.arange(size) + 0.5) / size, octaves.SIGMAS[octave, 1]
        images = [at] + [-at, 2 - at] * (mirror == 3)
        expected = sum(p[0] @ stats.norm.pdf(fine, image[:, None], sigma) for image in images)
        # Further away than a block of its own bins, five widths or more, the blur is cut off.
        np.testing.assert_allclose(found[octave, 0], expected, rtol=1e-4, atol=1e-6 * expected.max())


def test_numpy_and_jax_do_the_same():
    x = np.random.default_rng(0).standard_t(2, 500).astype(np.float32)
    x = np.concatenate([x, np.round(x[:100]), np.zeros(30, np.float32)])
    arguments = x.min(), x.max(), np.int32(0), np.float32(x.size)
    sample = sorted_sample(x, np.ones_like(x))
    with np.errstate(all="ignore"):
        ours = read_sample(sample, *arguments)
        counts = bins.count_sample(ours.edges, sample)
        folds = fold_counts(counts, ours, np.int32(-1))
    theirs = jax.jit(read_sample)(jax.tree.map(jnp.asarray, sample), *arguments)
    assert ours.bend == theirs.bend == 1
    assert ours.mirror == theirs.mirror
    near = partial(np.testing.assert_allclose, rtol=2e-3 if not X64 else 1e-4, atol=1e-5)
    jax.tree.map(near, ours.at, theirs.at)
    jax.tree.map(near, ours.tails, theirs.tails)
    assert np.mean(ours.resolved != theirs.resolved) < 0.01
    jax.tree.map(near, folds, jax.jit(fold_counts)(jnp.asarray(counts), jax.tree.map(jnp.asarray, ours), np.int32(-1)))


@pytest.mark.parametrize("law", ["normal", "exponential", "standard_cauchy"])
@pytest.mark.parametrize("weighted", [False, True])
def test_points_of_any_number_are_counted_exactly(law, weighted, dtype):
    rng = np.random.default_rng(0)
    x = getattr(rng, law)(size=100_000).astype(dtype)
    x[:1000] = np.round(x[:1000])
    w = rng.integers(0, 4, x.size).astype(dtype) if weighted else None
    even = np.linspace(x.min(), x.max(), octaves.BINS + 1).astype(dtype)
    bent = np.sinh(np.linspace(np.arcsinh(x.min()), np.arcsinh(x.max()), octaves.BINS + 1)).astype(dtype)
    bent[octaves.BINS // 2] = 0  # an edge that is a point, and −0 beside 0
    for edges in (even, np.sort(bent)):
        expected = np.bincount(np.searchsorted(edges[1:-1], x, side="right"), w, octaves.BINS)
        np.testing.assert_array_equal(bins.count_points(edges, x, w), expected)


def test_free_mixtures_find_two_clumps(dtype):
    at = (np.arange(octaves.BINS) + 0.5) / octaves.BINS
    truth = 0.3 * stats.norm.pdf(at, 0.3, 0.05) + 0.7 * stats.norm.pdf(at, 0.7, 0.1)
    shares = jnp.asarray(np.stack([truth / truth.sum()] * 6), dtype)
    found = np.asarray(jax.jit(lambda s: densities(fit_free_mixtures(s)))(shares))
    error = np.abs(found[:, -1] - truth).mean(axis=-1)
    assert error[NUMBERS.index(2)] < 0.02
    assert error[NUMBERS.index(1)] > 0.2
