"""The figures: all are drawn and nothing else is written, and what they show is true."""

import io
import json
import re

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.integrate import simpson

import fbgmm
from paper_figures import overview, style
from paper_figures.__main__ import DRAWINGS, main
from paper_figures.density import densities, local_picture, loss_curves
from paper_figures.request import Request


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All figures of a quick run, with few widths."""
    here = tmp_path_factory.mktemp("figures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss_curves, "WIDTHS", (0.5, 1.0, 2.0, 3.0))
        assert main(["--quick", "--out", str(here / "new" / "figures")]) == 0
    return here


@pytest.fixture(scope="module", params=range(len(local_picture.T)), ids=["figure1", "figure2"])
def picture(request):
    return local_picture.local_pictures(0)[request.param]


def test_all_that_the_paper_has_can_be_drawn():
    assert list(DRAWINGS) == [*(f"figure{i}" for i in range(1, 8)), "loss_n", "loss_t"]


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWINGS)
def test_pdf_and_png_are_drawn(folder, name):
    pdf = (folder / "new" / "figures" / f"{name}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 5_000
    assert b"/FontFile2" in pdf  # TrueType, embedded
    assert b"/Type3" not in pdf
    png = folder / "new" / "figures" / f"{name}.png"
    assert png.stat().st_size < 150_000  # for the README
    with Image.open(png) as image:
        grey = np.asarray(image.convert("L"))
        assert min(image.size) > 300
    ink = np.mean(grey < 250)
    assert 0.01 < ink < 0.5
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    assert np.mean(border < 250) < 0.05  # nothing is cut off at the sides


@pytest.mark.slow
def test_nothing_else_is_written(folder):
    expected = {f"{name}.{extension}" for name in DRAWINGS for extension in ("pdf", "png")}
    assert {path.name for path in folder.rglob("*") if path.is_file()} == expected


@pytest.mark.slow
def test_only_what_is_asked_for_is_drawn_and_named(tmp_path, capsys):
    assert main(["figure4", "figure3", "figure4", "--out", str(tmp_path)]) == 0
    expected = [str(tmp_path / f"figure{i}.{extension}") for i in (4, 3) for extension in ("pdf", "png")]
    assert sorted(map(str, tmp_path.iterdir())) == sorted(expected)
    assert capsys.readouterr().out.split() == expected


@pytest.mark.slow
def test_the_same_figure_gives_the_same_bytes(folder, tmp_path):
    main(["figure5", "--out", str(tmp_path)])
    for name in ("figure5.pdf", "figure5.png"):
        assert (tmp_path / name).read_bytes() == (folder / "new" / "figures" / name).read_bytes()


def test_an_unknown_name_is_refused(tmp_path, capsys):
    assert main(["figure1", "figur2", "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "figur2" in message
    assert all(name in message for name in DRAWINGS)
    assert not (tmp_path / "out").exists()


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    def fail(source, destination):
        raise OSError("no space")

    path = tmp_path / "figure3.pdf"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.replace", fail)
    with style.settings(), pytest.raises(OSError, match="no space"):
        style.write(style.new_figure(2, 2), tmp_path, "figure3")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


@pytest.mark.slow
def test_condition_1_the_cell_has_the_same_probability(picture, rounding):
    mass_f, mass_g = _mass(picture.x, picture.f), _mass(picture.x, picture.g)
    assert mass_g == pytest.approx(mass_f, rel=10 * rounding)
    assert float(jnp.min(picture.gmm.pi)) >= 0
    assert float(jnp.sum(picture.gmm.pi)) == pytest.approx(1, abs=10 * rounding)


@pytest.mark.slow
def test_condition_2_the_target_falls_in_a_line(picture):
    assert np.all(np.diff(picture.f) < 0)
    chord = np.linspace(picture.f[0], picture.f[-1], picture.f.size)
    assert np.max(np.abs(picture.f - chord)) < 0.03 * (picture.f[0] - picture.f[-1])


@pytest.mark.slow
def test_condition_3_the_mixture_crosses_the_target_twice(picture):
    a, b = picture.crossings
    assert picture.x[0] < a < picture.mu - picture.r / 8 < picture.mu + picture.r / 8 < b < picture.x[-1]
    inside = (picture.x > a) & (picture.x < b)
    assert np.all((picture.g > picture.f) == inside)


@pytest.mark.slow
def test_the_bound_holds(picture):
    fine = np.linspace(picture.x[0], picture.x[-1], 4 * 400 + 1)
    f, g = np.asarray(picture.target.pdf(jnp.asarray(fine))), np.asarray(picture.gmm.prob(fine))
    parts = [slice(j * 400, (j + 1) * 400 + 1) for j in range(4)]
    differences = [_mass(fine[part], (g - f)[part]) for part in parts]
    scale = np.max(np.abs(picture.differences))
    np.testing.assert_allclose(picture.differences, differences, atol=max(0.01 * scale, 1e-6 * _mass(fine, f)))
    assert np.all(np.abs(picture.differences) <= picture.bound)


@pytest.mark.slow
def test_the_bound_is_that_of_the_library(picture, dtype):
    bound = fbgmm.local_loss_bound(picture.gmm, picture.r / 4).decreasing[picture.cell]
    # The library takes differences of a cdf near 1; the picture integrates a density on its grid.
    assert picture.bound == pytest.approx(float(bound), rel=1e-5, abs=8 * float(np.finfo(dtype).eps))


@pytest.mark.slow
def test_a_larger_sigma_comes_closer():
    narrow, wide = local_picture.local_pictures(0)
    assert (narrow.cell, narrow.mu) == (wide.cell, wide.mu)
    assert np.max(np.abs(wide.differences)) < 0.5 * np.max(np.abs(narrow.differences))


@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_curves_of_figures_5_and_6_are_densities(number):
    figure = densities.draw_comparison(Request(), number)
    curves = figure.axes[0].get_lines()
    assert [curve.get_label().split(",")[0] for curve in curves] == ["Algorithm 1", "Algorithm 2", "target"]
    for curve in curves:
        x, y = curve.get_data()
        assert np.min(y) >= 0
        assert _mass(np.asarray(x), np.asarray(y)) == pytest.approx(1, abs=0.01)


def test_figure_4_shows_equal_weights():
    figure = densities.draw_initial(Request())
    mixture, one, _ = figure.axes[0].get_lines()
    assert _mass(*map(np.asarray, mixture.get_data())) == pytest.approx(1, abs=1e-3)
    assert _mass(*map(np.asarray, one.get_data())) == pytest.approx(1 / densities.N, rel=1e-3)
    assert len(figure.axes[0].collections[0].get_paths()) == densities.N


def test_loss_n_draws_the_results_it_is_given(tmp_path):
    rows = [
        {
            "kind": "normal",
            "algorithm": 2,
            "n": n,
            "t": 3.0,
            "data_size": data_size,
            "experiments": 7,
            "mean": 1 / n,
            "ci95": [0.9 / n, 1.1 / n],
            "paper": None if n == 50 else 2 / n,
        }
        for data_size in (1000, 2000)
        for n in (10, 50)
    ]
    (tmp_path / "table3.json").write_text(json.dumps({"rows": rows, "seed": 0}))
    figure = loss_curves.draw_over_n(Request(results=tmp_path))
    drawn = [curve.get_ydata() for curve in figure.axes[0].get_lines()]
    assert any(np.array_equal(values, [0.1, 0.02]) for values in drawn)
    assert any(np.array_equal(values, [0.2]) for values in drawn)
    with style.settings():
        figure.savefig(io.BytesIO())


@pytest.mark.parametrize("content", [None, "{", "[]", '{"rows": [{"n": 1}]}'])
def test_results_that_cannot_be_read_are_refused(tmp_path, capsys, content):
    if content is not None:
        (tmp_path / "table3.json").write_text(content)
    assert main(["loss_n", "--results", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "table3.json" in capsys.readouterr().err


def _mass(x: np.ndarray, density: np.ndarray) -> float:
    return float(simpson(np.asarray(density, np.float64), x))


@pytest.mark.slow
def test_the_overview_shows_the_data_s_own_median_and_interval():
    figure = overview.overview(Request())
    left, right = figure.axes
    x = overview.tumours()[0][0]
    texts = [text.get_text() for text in left.get_legend().get_texts()]
    low, high = map(float, re.findall(r"[\d.]+", texts[2])[1:])
    assert np.mean((low < x) & (x < high)) == pytest.approx(0.9, abs=0.02)
    assert float(texts[3].removeprefix("median: ")) == pytest.approx(np.median(x), abs=0.2)
    assert len(right.get_yticklabels()) == overview.MEASUREMENTS
