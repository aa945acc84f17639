"""The style benchmark's bookkeeping with a network of random weights; its figures are for docs, never for tests."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.style import measures as style_measures
from benchmarks.style import pictures as style_pictures
from benchmarks.style import run as style_run
from benchmarks.style.run import QUICK, as_sheet
from fbgmm.nn.style.vgg import CHANNELS, VGG19

RNG = np.random.default_rng(0)


@pytest.fixture
def command(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    vgg = VGG19(
        {n: (rng.normal(0, (2 / (9 * io[0])) ** 0.5, (3, 3, *io)), np.zeros(io[1])) for n, io in CHANNELS.items()}
    )
    monkeypatch.setattr(style_pictures, "load_vgg19", lambda progress: vgg)
    for name, colour in (("red", (200, 60, 40)), ("blue", (40, 60, 200))):
        image = RNG.normal(colour, 30, (40, 40, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    pictures = ["--style1", str(tmp_path / "red.png"), "--style2", str(tmp_path / "blue.png")]
    small = ["--size", "32", "--crops", "4", "--images", "2", "--steps", "2"]
    return ["style", "--quick", "--out", str(tmp_path / "out"), *pictures, *small]


@pytest.mark.slow
def test_parts_are_measured_once_and_written(command, tmp_path, monkeypatch):
    monkeypatch.setattr(style_run, "QUICK", QUICK._replace(shares=(0.5,)))
    monkeypatch.setattr(style_measures, "_WEIGHTS", (1.0,))
    assert main([*command, "--parts", "diversity", "blending", "samplers"]) == 0
    out = tmp_path / "out"
    names = [f"style-{part}.{kind}" for part in ("blending", "diversity", "samplers") for kind in ("json", "md")]
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == names
    found = {
        part: json.loads((out / f"style-{part}.json").read_text()) for part in ("blending", "diversity", "samplers")
    }
    assert found["blending"]["size"] == 32
    assert [row["share"] for row in found["blending"]["rows"]] == [0.5]
    for row in found["blending"]["rows"]:
        assert 0 < row["copula"]["mean"] < 1
    gaps = {row["sampler"]: row["conv4_1"] for row in found["samplers"]["rows"]}
    assert gaps["projected"] < 1e-3 < gaps["independent"]
    rows = {row["images"]: row for row in found["diversity"]["rows"]}
    assert len(rows) == 5
    assert all(row["pixel_distance"] >= 0 for row in rows.values())
    monkeypatch.setattr(style_pictures, "stylise", None)
    monkeypatch.setattr(style_pictures, "load_vgg19", None)
    assert main([*command, "--parts", "diversity", "samplers"]) == 0  # nothing is measured again
    assert json.loads((out / "style-diversity.json").read_text()) == found["diversity"]


def test_times_of_loops_are_extrapolated():
    row = style_measures._fit_row("loop", 20, 0.5, 200, "-")
    assert row["seconds_for_all"] == 5.0
    text = as_sheet("fits", [row], QUICK).markdown()
    assert "| loop | 20 | 0.5000 | 5 | - |" in text
    assert "extrapolated" in text


def test_gatys_images_are_compared_at_equal_content():
    rows = [{"images": str(c), "content_loss": c, "pixel_distance": 10 * c} for c in (3.0, 1.0, 2.0)]
    assert style_measures._at_content(rows, 1.5)["pixel_distance"] == pytest.approx(15)
    assert style_measures._at_content(rows, 9.0)["content_loss"] == 3.0


def test_distances_are_relative():
    a = jax.numpy.ones((1, 2, 2, 3))
    assert style_measures._apart(a, a) == 0
    assert style_measures._apart(a, -a) == pytest.approx(2)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--parts", "fit"], "unknown parts fit; allowed: fits, samplers, blending, diversity"),
        (["--images", "1"], "images must be 2 or more; found 1"),
        (["--size", "31"], "size must be 32 or more; found 31"),
        (["--style1", "absent.png"], "there is no picture absent.png; name one with --style1"),
    ],
)
def test_bad_requests_are_refused(command, capsys, extra, message):
    assert main([*command, *extra]) == 2
    assert message in capsys.readouterr().err
