"""`fit(x)` alone: the choice by cross-validation, on easy and on awkward data."""

from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fbgmm
from fbgmm.auto.all_widths import fit_all_widths
from fbgmm.auto.octaves import BINS, SIGMAS


def draw(law, size, seed=0):
    return law.rvs(size=size, random_state=np.random.default_rng(seed))


def l1(gmm, pdf, low, high):
    grid = np.linspace(low, high, 20_001)
    return np.trapezoid(np.abs(np.asarray(gmm.prob(grid)) - pdf(grid)), grid)


@contextmanager
def count_compilations():
    """The names of what is compiled inside."""
    found = []

    def compiled(name, *_, **details):
        if name == "/jax/core/compile/backend_compile_duration":
            found.append(details)

    jax.monitoring.register_event_duration_secs_listener(compiled)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(compiled)


NORMAL = draw(stats.norm, 2000)


@pytest.fixture(scope="module")
def normal():
    return fbgmm.fit(NORMAL)


def test_the_answer_is_a_density_of_the_papers_class(normal):
    assert normal.basis.batch_shape == ()
    assert normal.basis.sigma.shape == normal.basis.mu.shape == (4096,)
    assert float(normal.basis.sigma.min()) > 0
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
    for part in (
        "2000 points",
        "n = 4096",
        "nats a point",
        "beyond the data: 1/2001",
        "effective number of parameters",
        "sigma =",
    ):
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
    assert float(gmm.choice.bend) > 0
    assert "heavy tails" in gmm.report()
    assert float(gmm.choice.shape.min()) > 0.5
    assert l1(gmm, stats.cauchy.pdf, -20, 20) < 0.15
    with pytest.warns(fbgmm.MisfitWarning, match="in one cell"):
        assert l1(fbgmm.fit(x, 200, 3.0), stats.cauchy.pdf, -20, 20) > 0.5


@pytest.mark.parametrize(("law", "mirror"), [(stats.uniform, 3), (stats.expon, 1), (stats.norm, 0)])
def test_edges_are_seen_where_there_are_some(law, mirror):
    gmm = fbgmm.fit(draw(law, 3000))
    assert int(gmm.choice.mirror) == mirror
    assert ("an edge" in gmm.report()) == (mirror > 0)
    if mirror:
        assert float(gmm.prob(-0.05)) < 3e-3
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


def test_known_edges_are_mirrored_and_others_not(unchecked_types):
    x = np.abs(draw(stats.norm, 60))  # too few for the data to show that the density ends at 0
    both = {edges: fbgmm.fit(x, low=0.0, edges=edges) for edges in ("low", "none")}
    assert [int(gmm.choice.mirror) for gmm in both.values()] == [1, 0]
    assert float(both["low"].cdf(-0.02)) < 1e-3
    assert float(both["none"].cdf(0.0)) > 0.005
    errors = {edges: l1(gmm, stats.halfnorm.pdf, -3, 5) for edges, gmm in both.items()}
    assert errors["low"] < errors["none"]
    with pytest.raises(ValueError, match="edges must be one of 'find', 'none', 'low', 'high', 'both'; found 'left'"):
        fbgmm.fit(x, edges="left")
    with pytest.raises(ValueError, match="edges = 'low' is for fits that choose by themselves"):
        fbgmm.fit(x, 200, edges="low")


def test_beyond_an_edge_lies_what_the_next_point_may_bring():
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


def test_points_outside_a_given_range_are_counted_and_kept_or_left_out():
    x = np.concatenate([NORMAL, [50.0, -50.0, 60.0]])
    dropped = fbgmm.fit(x, low=-4.0, high=4.0, outside="drop")
    assert int(dropped.outside) == 3
    assert float(dropped.mean()) == pytest.approx(NORMAL.mean(), abs=0.02)
    kept = fbgmm.fit(x, low=-4.0, high=4.0)
    assert int(kept.outside) == 3
    assert float(kept.choice.points) == 2003


def test_other_lengths_and_values_compile_nothing(normal):
    """The choice is compiled once; counts of long data are, too."""
    lengths = (25, 100, 777, 5000)
    fbgmm.fit(draw(stats.norm, 9000))
    with count_compilations() as found:
        for length in lengths:
            fbgmm.fit(draw(stats.expon, length))
        fbgmm.fit(draw(stats.norm, 70_000))
    assert found == []


def test_all_widths_at_once_keep_a_spike_and_a_slab(dtype):
    at = (np.arange(BINS) + 0.5) / BINS
    truth = 0.5 * stats.norm.pdf(at, 0.5, 0.15) + 0.5 * stats.norm.pdf(at, 0.5, 0.004)
    shares = jnp.asarray(np.stack([truth / truth.sum()] * 2), dtype)
    run = jax.jit(fit_all_widths)
    weights, found = run(shares, shares * BINS, jnp.asarray(1e5, dtype), jnp.asarray(0))
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-4)
    assert np.abs(np.asarray(found)[-1, -1] - truth).mean() < 0.1
    assert SIGMAS.min() < 0.004 / 3
