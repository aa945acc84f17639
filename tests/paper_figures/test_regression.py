"""Figures of predicted densities: what they show is what they were given. No training but for one short one."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from fbgmm.nn.conditional.density import Density
from fbgmm.nn.data.files import FileError
from fbgmm.nn.train.progress import silent
from paper_figures import regression, style
from paper_figures.__main__ import main
from paper_figures.request import Request, RequestError


@pytest.fixture(autouse=True)
def settings():
    with style.settings():
        yield


def normal(mu, sigma):
    mu = jnp.asarray(mu, jnp.float32)[:, None]
    return Density.of(jnp.zeros_like(mu), mu, jnp.full_like(mu, sigma))


def test_the_curve_is_bishops():
    x, y = regression.curve(0, 2000)
    np.testing.assert_array_less(np.abs(x - y - 0.3 * np.sin(2 * np.pi * y)), 0.1 + 1e-9)
    branches = y[np.abs(x - 0.5) < 0.02]
    assert (branches < 0.3).any()
    assert (branches > 0.7).any()


def test_ridges_stand_at_their_x_and_point_where_the_density_is():
    x, y = regression.curve(0, 300)
    at = np.array([0.2, 0.5, 0.8])
    figure = regression.draw_inverse(x, y, at, {"one": normal([0.1, 0.5, 0.9], 0.1), "two": normal([0.5] * 3, 0.1)})
    left, right = figure.axes
    assert (left.get_title("left"), right.get_title("left")) == ("one", "two")
    _, *ridges = left.get_lines()
    grid = np.linspace(-0.2, 1.2, 400)
    for place, peak, ridge in zip(at, (0.1, 0.5, 0.9), ridges, strict=True):
        across, along = map(np.asarray, ridge.get_data())
        assert along[np.nanargmax(across)] == pytest.approx(peak, abs=0.01)
        assert np.isnan(along[abs(grid - peak) > 0.35]).all()  # nothing is drawn where there is no density
        assert across.min() == pytest.approx(place, abs=1e-3)


def test_fans_are_the_quantiles_in_the_order_of_the_medians():
    y = np.array([3.0, 1.0, 2.0], np.float32)
    figure = regression.draw_fans(
        {"set": (normal([3.5, 1.5, 2.5], 0.5), y), "other": (normal([1.0, 2.0, 3.0], 1.0), y)}
    )
    median, targets = figure.axes[0].get_lines()
    np.testing.assert_allclose(median.get_ydata(), [1.5, 2.5, 3.5], atol=1e-5)
    np.testing.assert_array_equal(targets.get_ydata(), [1, 2, 3])
    widest = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert widest.max() == pytest.approx(3.5 + 0.5 * stats.norm.ppf(0.975), abs=1e-3)


def test_transforms_are_histograms_of_area_one():
    u = np.random.default_rng(0).random(200)
    figure = regression.draw_pit({("a", "one"): u, ("b", "one"): u**2})
    heights = [[bar.get_height() for bar in ax.patches if bar.get_width() == pytest.approx(0.1)] for ax in figure.axes]
    assert [sum(h) for h in heights] == pytest.approx([10, 10])
    assert heights[1][0] > 2 * heights[0][0]


@pytest.mark.slow
def test_the_fixed_basis_shows_both_branches_and_nothing_between(tmp_path, monkeypatch):
    monkeypatch.setattr(regression, "INVERSE", {})
    x, y, at, found = regression.inverse(Request(quick=True), tmp_path, silent)
    edges = np.linspace(0, 1, 11)
    below = np.array([found["fixed basis"].cdf(edge) for edge in edges])
    for place, gap in (
        (4, slice(3, 5)),
        (8, slice(5, 7)),
    ):  # x = 0.34: y is near 0.15 or 0.65; x = 0.66: the same from 1
        shares = np.diff(below[:, place])
        near = y[np.abs(x - at[place]) < 0.03]
        assert np.abs(shares - np.histogram(near, edges)[0] / near.size).sum() / 2 < 0.15
        assert shares[gap].sum() < 0.02
        assert min(shares[: gap.start].sum(), shares[gap.stop :].sum()) > 0.25


@pytest.mark.slow
def test_bad_requests_are_refused(tmp_path, monkeypatch, capsys):
    def other(*_):
        raise ValueError("holds checkpoints of another training")

    monkeypatch.setattr(regression, "train_variant", other)
    with pytest.raises(RequestError, match="another training"):
        next(regression.draw(Request(), tmp_path, silent))

    def missing(*_):
        raise FileError("data.txt is not there")

    monkeypatch.setattr(regression, "inverse", missing)
    assert main(["regression", "--out", str(tmp_path)]) == 2
    assert "data.txt is not there" in capsys.readouterr().err
