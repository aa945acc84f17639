"""Pictures of mixtures: against committed images, and what they say about themselves."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot, rc_context, rcParamsDefault
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images

import fbgmm

BASELINES = Path(__file__).parent / "baselines"
RNG = np.random.default_rng(0)
X = np.r_[RNG.normal(0, 1, 450), RNG.normal(5, 0.5, 150)].astype(np.float32)
ROWS = [RNG.normal(i / 2, 1 + 0.2 * i, 200).astype(np.float32) for i in range(6)]


@cache
def fitted():
    return fbgmm.fit(X, n=30, t=1.5)


@cache
def fitted_batch():
    return fbgmm.fit_batch(ROWS, n=50)


PICTURES = {
    "density": lambda ax: fbgmm.plot.density(fitted(), data=X, ax=ax),
    "components": lambda ax: fbgmm.plot.components(fitted(), ax=ax),
    "cdf": lambda ax: fbgmm.plot.cdf(fitted(), data=X, ax=ax),
    "qq": lambda ax: fbgmm.plot.qq(fitted(), X, ax=ax),
    "batch": lambda ax: fbgmm.plot.batch(fitted_batch(), labels=list("abcdef"), ax=ax),
}
LABELS = {
    "density": ("x", "density"),
    "components": ("x", "density"),
    "cdf": ("x", "probability"),
    "qq": ("quantile of the mixture", "quantile of the data"),
    "batch": ("x", "density, one row for each mixture"),
}


def drawn(name, path):
    """A small picture without text, whose rendering differs between versions of matplotlib and its fonts."""
    with rc_context(rcParamsDefault | {"backend": "Agg"}):
        figure = Figure(figsize=(3, 2))
        ax = figure.add_axes((0.02, 0.02, 0.96, 0.96))
        assert PICTURES[name](ax) is ax
        assert (ax.get_xlabel(), ax.get_ylabel()) == LABELS[name]
        if ax.get_legend():
            ax.get_legend().remove()
        ax.set(xlabel="", ylabel="", xticklabels=[], yticklabels=[])
        figure.savefig(path, dpi=60, metadata={"Software": None}, pil_kwargs={"optimize": True})


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_as_they_were(name, tmp_path):
    """To renew a baseline, look at the new picture that the message names, and copy it."""
    new, old = tmp_path / f"{name}.png", BASELINES / f"plot_{name}.png"
    drawn(name, new)
    assert old.exists(), f"no {old}; the new picture is {new}"
    difference = compare_images(old, new, tol=3.0)  # RMS of 255: other anti-aliasing passes, another curve does not
    assert difference is None, difference


@pytest.mark.parametrize("name", PICTURES)
def test_without_axes_pyplots_current_ones_are_taken(name):
    figure, ax = pyplot.subplots()
    assert PICTURES[name](None) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == LABELS[name]
    pyplot.close(figure)


def test_histogram_bars_have_the_share_of_all_points_as_their_area():
    ax = Figure().add_subplot()
    x = np.r_[X, 400.0]  # beyond the picture
    fbgmm.plot.density(fitted(), data=x, ax=ax)
    heights, edges, _ = ax.patches[0].get_data()
    inside = np.mean((x >= edges[0]) & (x <= edges[-1]))
    assert np.sum(heights * np.diff(edges)) == pytest.approx(inside)
    assert inside < 1


def test_the_steps_of_large_data_are_few_and_end_at_both_ends():
    x = np.random.default_rng(1).normal(size=100_000)
    ax = Figure().add_subplot()
    fbgmm.plot.qq(fitted(), x, ax=ax)
    shown = ax.lines[1].get_ydata()
    assert len(shown) == fbgmm.plot.MOST_STEPS
    assert (shown[0], shown[-1]) == (x.astype(shown.dtype).min(), x.astype(shown.dtype).max())


def test_one_point_is_enough():
    ax = Figure().add_subplot()
    fbgmm.plot.density(fitted(), [1], ax=ax)
    fbgmm.plot.cdf(fitted(), X[:1], ax=ax)
    assert fbgmm.plot.qq(fitted(), [1.0], ax=ax) is ax


GMM = fbgmm.Mixture(fbgmm.init_basis(0.0, 1.0, n=4), fbgmm.init_pi(fbgmm.init_basis(0.0, 1.0, n=4)))
GMMS = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), GMM)


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        (lambda: fbgmm.plot.density(GMMS), TypeError, r"one mixture; found batch shape \(2,\): take gmms\[i\]"),
        (lambda: fbgmm.plot.qq(GMM, [1.0, np.nan]), ValueError, "data must be finite .* nan at index 1"),
        (lambda: fbgmm.plot.cdf(GMM, [[1.0]]), ValueError, r"data has shape \(1, 1\); allowed"),
        (lambda: fbgmm.plot.density(GMM, []), ValueError, "data is empty; allowed: some points"),
        (lambda: fbgmm.plot.density(GMM, ["a"]), TypeError, "data has dtype"),
        (lambda: fbgmm.plot.batch(GMM), ValueError, r"one batch axis; found batch shape \(\)"),
        (lambda: fbgmm.plot.batch(GMMS, labels=["a"]), ValueError, "labels must hold 2 names.* found 1"),
    ],
)
def test_what_cannot_be_drawn(draw, error, words):
    with pytest.raises(error, match=words):
        draw()


def test_without_matplotlib_the_extra_is_named():
    program = """
import sys
sys.modules["matplotlib"] = None
import fbgmm
basis = fbgmm.init_basis(0.0, 1.0, n=4)
try:
    fbgmm.plot.density(fbgmm.Mixture(basis, fbgmm.init_pi(basis)))
except ModuleNotFoundError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert 'pip install "fbgmm[figures]"' in found
