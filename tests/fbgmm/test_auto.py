"""`fit(x)` alone: the choice by cross-validation, on easy and on awkward data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fbgmm
from fbgmm import auto, free, pyramid, scales
from fbgmm.choice import NUMBERS, SCALE_STEPS
from fbgmm.coordinate import coordinate, summary


def draw(law, size, seed=0):
    return law.rvs(size=size, random_state=np.random.default_rng(seed))


def l1(gmm, pdf, low, high):
    grid = np.linspace(low, high, 20_001)
    return np.trapezoid(np.abs(np.asarray(gmm.prob(grid)) - pdf(grid)), grid)


NORMAL = draw(stats.norm, 2000)


@pytest.fixture(scope="module")
def normal():
    return fbgmm.fit(NORMAL)


def test_the_answer_is_a_density_of_the_papers_class(normal):
    assert normal.basis.batch_shape == ()
    assert normal.basis.sigma.shape == ()
    assert float(normal.pi.min()) >= 0
    assert float(normal.pi.sum()) == pytest.approx(1, abs=1e-5)


def test_a_normal_sample_beats_the_paper_and_a_kernel_density_estimate(normal):
    found = l1(normal, stats.norm.pdf, -6, 6)
    assert found < 0.8 * l1(fbgmm.fit(NORMAL, 200, 3.0), stats.norm.pdf, -6, 6)
    silverman = stats.gaussian_kde(NORMAL, "silverman")
    grid = np.linspace(-6, 6, 2001)
    assert found < np.trapezoid(np.abs(silverman(grid) - stats.norm.pdf(grid)), grid)


def test_the_report_says_why(normal):
    text = normal.report()
    for part in ("2000 points", "n = 4096", "nats a point", "effective number of parameters", "sigma ="):
        assert part in text
    assert "warning" not in text
    assert float(normal.choice.score) == pytest.approx(-1.42, abs=0.1)
    expected = np.std(stats.norm.logpdf(NORMAL)) / np.sqrt(2000)
    assert float(normal.choice.score_error) == pytest.approx(expected, rel=0.1)
    assert 0 < float(normal.choice.parameters) < 20


@pytest.mark.slow
def test_no_report_where_nothing_was_chosen():
    with pytest.raises(ValueError, match="nothing was chosen"):
        fbgmm.fit(NORMAL, 50).report()
    with pytest.raises(TypeError, match="report is for one mixture"):
        fbgmm.fit_batch([NORMAL, NORMAL]).report()


def test_any_of_the_three_arguments_ends_the_choice():
    for options in ({"n": 200}, {"t": 2.0}, {"algorithm": 2}):
        gmm = fbgmm.fit(NORMAL, **options)
        assert gmm.choice is None
        np.testing.assert_array_equal(gmm.pi, fbgmm.fit(NORMAL, 200, 2.0, 2).pi)


def test_the_order_of_the_data_and_absent_points_change_nothing(normal):
    shuffled = np.random.default_rng(1).permutation(NORMAL)
    np.testing.assert_allclose(fbgmm.fit(shuffled).pi, normal.pi, atol=1e-6)
    padded, weights = np.concatenate([NORMAL, [50.0, -50.0]]), np.r_[np.ones(2000), 0, 0]
    np.testing.assert_allclose(fbgmm.fit(padded, weights=weights).pi, normal.pi, atol=1e-5)


@pytest.mark.slow
def test_batches_and_jit_are_single_fits(normal):
    rows = [NORMAL, draw(stats.expon, 700), draw(stats.uniform, 300)]
    gmms = fbgmm.fit_batch(rows)
    assert gmms.choice.score.shape == (3,)
    for i, row in enumerate(rows):
        single = fbgmm.fit(row)
        np.testing.assert_allclose(gmms[i].pi, single.pi, atol=2e-5)
        assert int(gmms[i].choice.mirror) == int(single.choice.mirror)
    table = jnp.asarray(np.stack([NORMAL, NORMAL[::-1]]))
    inside = jax.jit(fbgmm.fit_batch)(table)
    np.testing.assert_allclose(inside.pi[1], normal.pi, atol=2e-5)


def test_a_bad_row_keeps_its_place_and_finite_weights():
    gmms = fbgmm.fit_batch([NORMAL, np.full(5, np.nan)], on_error="status")
    assert [int(status) != 0 for status in gmms.status] == [False, True]
    assert np.isfinite(gmms.pi).all()


def test_heavy_tails_leave_room_for_the_middle():
    x = draw(stats.cauchy, 4000)
    gmm = fbgmm.fit(x)
    assert float(gmm.choice.kappa) > 0
    assert "heavy tails" in gmm.report()
    assert l1(gmm, stats.cauchy.pdf, -20, 20) < 0.15
    assert l1(fbgmm.fit(x, 200, 3.0), stats.cauchy.pdf, -20, 20) > 0.5


@pytest.mark.parametrize(("law", "mirror"), [(stats.uniform, 3), (stats.expon, 1), (stats.norm, 0)])
def test_edges_are_seen_where_there_are_some(law, mirror):
    gmm = fbgmm.fit(draw(law, 3000))
    assert int(gmm.choice.mirror) == mirror
    assert ("an edge" in gmm.report()) == (mirror > 0)
    if mirror:
        assert float(gmm.prob(-0.05)) < 1e-3
        assert float(gmm.prob(0.03)) == pytest.approx(law.pdf(0.03), rel=0.15)


def test_a_spike_on_a_broad_density_keeps_its_height():
    x = np.concatenate([draw(stats.norm, 5000), draw(stats.norm(0, 0.02), 5000, 1)])
    truth = 0.5 * stats.norm.pdf(0) + 0.5 * stats.norm(0, 0.02).pdf(0)
    assert float(fbgmm.fit(x).prob(0.0)) == pytest.approx(truth, rel=0.2)


def test_rounded_data_make_no_spikes():
    gmm = fbgmm.fit(np.round(draw(stats.norm, 5000), 1))
    assert "rounded" in gmm.report()
    assert l1(gmm, stats.norm.pdf, -6, 6) < 0.1


def test_few_points_fall_back_on_silvermans_rule():
    gmm = fbgmm.fit(NORMAL[:10])
    assert "Silverman" in gmm.report()
    assert l1(gmm, stats.norm.pdf, -6, 6) < 0.7
    two = fbgmm.fit([0.0, 1.0])
    assert np.isfinite(two.pi).all()
    with pytest.raises(ValueError, match="x has no width"):
        fbgmm.fit([1.0, 1.0, 1.0])


def test_weights_below_one_point_fall_back_too():
    gmm = fbgmm.fit(NORMAL, weights=np.full(2000, 1e-4))
    assert np.isfinite(gmm.pi).all()
    assert "Silverman" in gmm.report()


def test_folds_are_whole_and_add_up(dtype):
    counts = jnp.asarray(np.random.default_rng(0).poisson(3.0, pyramid.BINS), dtype)
    folds = auto.thin(counts)
    np.testing.assert_allclose(folds.sum(0), counts)
    assert float(folds.min()) >= 0
    np.testing.assert_array_equal(folds, np.round(folds))
    np.testing.assert_allclose(folds.sum(1) / counts.sum(), 0.2, atol=0.02)


@pytest.mark.parametrize("octave", [0, 2, 5, 7, 8])
@pytest.mark.parametrize("mirror", [0, 1, 2, 3])
def test_a_blur_is_the_sum_over_the_data_and_their_images(octave, mirror, dtype):
    bins = pyramid.BINS >> octave
    p = np.random.default_rng(0).dirichlet(np.ones(bins)).astype(dtype)
    rows = [jnp.zeros((2, 1, pyramid.BINS >> o), dtype) for o in range(pyramid.OCTAVES)]
    rows[octave] = jnp.stack([p, p])[:, None]
    parts = pyramid.split(pyramid.blur(pyramid.join(rows), jnp.asarray(mirror)))
    found = np.asarray(parts[octave])[:, 0]
    assert sum(float(jnp.abs(part).max()) for i, part in enumerate(parts) if i != octave) == 0
    at = (np.arange(bins) + 0.5) / bins
    images = [(1, 0.0)]
    if mirror in (1, 3):
        images.append((-1, 0.0))
    if mirror in (2, 3):
        images.append((-1, 2.0))
    if mirror == 3:
        images = [(sign, 2.0 * k) for sign in (1, -1) for k in range(-4, 5)]
    for sigma, values in zip(pyramid.SIGMAS[octave], found, strict=True):
        expected = sum(stats.norm.pdf(at[:, None], s * at + shift, sigma) @ p for s, shift in images) / bins
        np.testing.assert_allclose(values, expected, atol=2e-5 * stats.norm.pdf(0, 0, sigma) / bins)


@pytest.mark.slow
def test_interpolation_between_octaves(dtype):
    def density(bins):
        return stats.norm.pdf((np.arange(bins) + 0.5) / bins, 0.5, 2 / 32).astype(dtype)

    found = pyramid.finer(jnp.asarray(density(32)), 3)
    np.testing.assert_allclose(found, density(256), atol=2e-3 * density(256).max())
    sizes = [pyramid.BINS >> octave for octave in range(pyramid.OCTAVES)]
    row = pyramid.join([jnp.asarray(density(size) if size > 32 else 0 * density(size)) for size in sizes])
    every = pyramid.all_finest(row)
    assert every.shape == (pyramid.OCTAVES, pyramid.BINS)
    fine = density(pyramid.BINS)
    np.testing.assert_allclose(every[:5], np.broadcast_to(fine, (5, fine.size)), atol=2e-3 * fine.max())
    np.testing.assert_allclose(pyramid.sum_finest(row), every.sum(0), atol=1e-4 * fine.max())


def test_rows_are_taken_apart_as_they_were_joined(dtype):
    counts = jnp.asarray(np.random.default_rng(0).poisson(3.0, pyramid.BINS), dtype)
    row = pyramid.all_coarser(counts)
    assert row.shape == pyramid.PER_BIN.shape
    for octave, part in enumerate(pyramid.split(row)):
        np.testing.assert_array_equal(part, pyramid.coarser(counts, octave))


def test_free_mixtures_find_two_clumps(dtype):
    at = (np.arange(pyramid.BINS) + 0.5) / pyramid.BINS
    shares = 0.3 * stats.norm.pdf(at, 0.3, 0.05) + 0.7 * stats.norm.pdf(at, 0.7, 0.04)
    shares = jnp.asarray(shares / shares.sum(), dtype)[None]
    found = free.fit_free(shares)
    for start in (1, 1 + sum(NUMBERS)):  # the mixture of two, from either start
        two = jax.tree.map(lambda a, i=start: np.asarray(a[0, i : i + 2]), found)
        np.testing.assert_allclose(two.mean, [0.3, 0.7], atol=0.01)
        np.testing.assert_allclose(two.width, [0.05, 0.04], rtol=0.05)
        np.testing.assert_allclose(two.weight, [0.3, 0.7], atol=0.02)
    for mixture in (1, 1 + len(NUMBERS)):
        density = np.asarray(free.densities(found))[mixture, 0]
        np.testing.assert_allclose(density / pyramid.BINS, shares[0], atol=5e-2 * float(shares.max()))


@pytest.mark.slow
def test_all_widths_at_once_share_the_data_by_their_likelihood(dtype):
    """From a broad and a narrow clump: mass near both widths, a density that integrates to one, and no overfit."""
    at = (np.arange(pyramid.BINS) + 0.5) / pyramid.BINS
    truth = 0.5 * stats.norm.pdf(at, 0.4, 0.12) + 0.5 * stats.norm.pdf(at, 0.75, 0.006)
    counts = np.random.default_rng(0).multinomial(20_000, truth / truth.sum())
    shares = jnp.asarray(counts / counts.sum(), dtype)[None]
    every = jnp.ones(pyramid.OCTAVES, bool)
    given = shares, jnp.asarray(truth, dtype)[None], jnp.asarray(20_000, dtype), jnp.asarray(0)
    p, density = scales.fit_scales(*given, every)
    assert p.shape == (len(SCALE_STEPS), 1, pyramid.PER_BIN.size)
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-5)
    errors = np.abs(np.asarray(density)[:, 0] - truth).mean(-1)
    assert errors[-1] < 0.06
    assert errors[-1] < 0.6 * np.abs(np.asarray(shares)[0] * pyramid.BINS - truth).mean()
    assert (np.diff(errors) < 0).all()
    only = every & (jnp.arange(pyramid.OCTAVES) > 4)
    p, _ = scales.fit_scales(*given, only)
    assert [float(part[-1].sum()) > 0 for part in pyramid.split(p)] == only.tolist()


def test_known_edges_are_mirrored_and_others_not(unchecked_types):
    x = np.abs(draw(stats.norm, 60))  # too few for the data to show that the density ends at 0
    both = {edges: fbgmm.fit(x, low=0.0, edges=edges) for edges in ("low", "none")}
    assert [int(gmm.choice.mirror) for gmm in both.values()] == [1, 0]
    assert float(both["low"].cdf(-0.02)) < 1e-3
    assert float(both["none"].cdf(-0.02)) > 0.01
    errors = {edges: l1(gmm, stats.halfnorm.pdf, -3, 5) for edges, gmm in both.items()}
    assert errors["low"] < errors["none"]
    rows = fbgmm.fit_batch([x, x], low=0.0, edges="low")
    assert rows.choice.mirror.tolist() == [1, 1]
    with pytest.raises(ValueError, match="edges must be one of 'find', 'none', 'low', 'high', 'both'; found 'left'"):
        fbgmm.fit(x, edges="left")
    with pytest.raises(ValueError, match="edges = 'low' is for fits that choose by themselves"):
        fbgmm.fit(x, 200, edges="low")


@pytest.mark.slow
def test_beyond_an_edge_that_was_found_lies_what_the_next_point_may_bring(unchecked_types):
    """Whatever the density, the next of N + 1 points is the least with probability 1/(N + 1), the greatest as well."""
    x = draw(stats.uniform, 200)
    gmm = fbgmm.fit(x)
    assert int(gmm.choice.mirror) == 3
    assert 0.5 / 201 < float(gmm.cdf(x.min())) < 2.5 / 201
    assert 0.5 / 201 < 1 - float(gmm.cdf(x.max())) < 2.5 / 201
    assert np.asarray(gmm.log_prob(draw(stats.uniform, 20_000, seed=1))).mean() > -0.05  # 0: the truth
    for given in ({"edges": "both"}, {"edges": "find"}):  # nothing beyond an end that was not read from the data
        known = fbgmm.fit(x, low=0.0, high=1.0, **given)
        assert int(known.choice.mirror) == 3
        assert float(known.cdf(-0.01)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("mirror", [0, 1, 2, 3])
def test_mass_beyond_an_edge_falls_off_as_fast_as_the_density_there_is_high(mirror):
    quarter = auto.COMPONENTS // 4
    total = jnp.concatenate([jnp.zeros(quarter), jnp.ones(2 * quarter), jnp.zeros(quarter)]) / (2 * quarter)
    found = np.asarray(auto._beyond(total, jnp.asarray(mirror), jnp.asarray(0.01)), np.float64)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    for bit, cells in ((1, found[:quarter][::-1]), (2, found[-quarter:])):
        if mirror & bit:
            assert cells.sum() == pytest.approx(0.01, rel=1e-4)
            mean = (np.arange(quarter) + 0.5) @ cells / cells.sum()
            assert mean == pytest.approx(0.01 * 2 * quarter, rel=0.02)  # 1/(N f), in cells
        else:
            assert cells.sum() == 0
    already = auto._beyond(jnp.roll(total, -quarter // 2), jnp.asarray(1), jnp.asarray(0.01))
    np.testing.assert_allclose(already, jnp.roll(total, -quarter // 2), rtol=1e-5)  # more than enough lies there


@pytest.mark.slow
def test_the_coordinate_is_linear_for_light_tails_and_monotone_for_heavy_ones(dtype):
    light, heavy = jnp.asarray(NORMAL, dtype), jnp.asarray(draw(stats.cauchy, 4000), dtype)
    at = coordinate(light.min(), light.max(), summary([(light, None)]))
    assert float(at.kappa) == 0
    np.testing.assert_allclose(at.u(light), (light - light.min()) / jnp.ptp(light), atol=1e-6)
    at = coordinate(heavy.min(), heavy.max(), summary([(heavy, None)]))
    x = jnp.sort(heavy)
    u = np.asarray(at.u(x))
    assert (np.diff(u) >= 0).all()
    assert u[0] == pytest.approx(0, abs=1e-5)
    assert u[-1] == pytest.approx(1, abs=1e-5)
    assert 0.9 / 16 < np.subtract(*np.quantile(u, [0.75, 0.25])) < 1.2 / 16
    middle = x[1000:3000:50]
    step = np.asarray(1e-2, dtype)
    np.testing.assert_allclose(at.slope(middle), (at.u(middle + step) - at.u(middle - step)) / (2 * step), rtol=2e-2)
    np.testing.assert_allclose(auto.inverse(at, at.u(middle)), middle, rtol=1e-3, atol=1e-2)


@pytest.mark.slow
def test_the_collapse_keeps_the_density_of_the_candidates():
    """One candidate's weights on one octave, as the answer's weights: the same density."""
    bins = pyramid.BINS >> 3
    p = np.random.default_rng(0).dirichlet(np.ones(bins))
    parts = [jnp.zeros((2, pyramid.BINS >> o)) for o in range(pyramid.OCTAVES)]
    parts[3] = parts[3].at[1].set(p)
    x = jnp.asarray(np.linspace(0.0, 1.0, 4000))
    found = summary([(x, None)])
    at = coordinate(jnp.zeros(()), jnp.ones(()), found)
    basis, pi = auto._collapse(
        pyramid.join(parts), jnp.zeros(auto.COMPONENTS), at, jnp.asarray(0), found, (jnp.asarray(0), jnp.asarray(0.01))
    )
    grid = np.linspace(-0.2, 1.2, 500)
    centres = (np.arange(bins) + 0.5) / bins
    expected = stats.norm.pdf(grid[:, None], centres, pyramid.SIGMAS[3, 1]) @ p
    np.testing.assert_allclose(fbgmm.Mixture(basis, pi).prob(grid), expected, atol=5e-3 * expected.max())
