"""Figures 11 to 13 and the animation: a whole run of a few steps with a network of random weights, and bad requests."""

import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

from benchmarks.style import pictures as style_pictures
from fbgmm.nn.data.images import load_image
from fbgmm.nn.style.vgg import CHANNELS, VGG19
from paper_figures import style
from paper_figures.__main__ import main
from paper_figures.request import Request
from paper_figures.style_transfer import (
    animation as style_transfer_animation,
)
from paper_figures.style_transfer import draw as style_transfer_draw
from paper_figures.style_transfer import (
    figures as style_transfer_figures,
)
from paper_figures.style_transfer.images import make, planned
from paper_figures.style_transfer.options import of_words

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def vgg():
    rng = np.random.default_rng(1)
    return VGG19(
        {n: (rng.normal(0, (2 / (9 * io[0])) ** 0.5, (3, 3, *io)), np.zeros(io[1])) for n, io in CHANNELS.items()}
    )


@pytest.fixture
def pictures(tmp_path, monkeypatch, vgg):
    """Two pictures, one red and one blue, and the network in the place of VGG19."""
    monkeypatch.setattr(style_pictures, "load_vgg19", lambda progress: vgg)
    paths = []
    for name, colour in (("red", (200, 60, 40)), ("blue", (40, 60, 200))):
        image = RNG.normal(colour, 30, (44, 52, 3)).clip(0, 255).astype(np.uint8)
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(image).save(paths[-1])
    return paths


def named(red, blue):
    return ["--target", str(red), "--style1", str(red), "--style2", str(blue)]


def options(pictures):
    return [*named(*pictures), "--size", "40", "--steps", "2"]


@pytest.mark.slow
def test_a_whole_run_writes_all_figures_and_keeps_finished_images(pictures, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    command = ["style", "--quick", "--out", str(out), "--shares", "0", "1", "--samples", "2", *options(pictures)]
    assert main(command) == 0
    named = capsys.readouterr().out.split()
    figures = [f"figure{i}.{kind}" for i in (11, 12, 13) for kind in ("pdf", "png")]
    assert named == [str(out / name) for name in ("figure13.gif", "figure13.mp4", *figures)]
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    images = sorted(folder.iterdir())
    assert [path.name for path in images] == [f"share{share}-0{k}.png" for share in (0, 100) for k in (0, 1)]
    assert not list(out.rglob(".*"))
    before = {path: path.read_bytes() for path in images}
    images[1].unlink()
    asked = []
    real = style_pictures.stylise
    monkeypatch.setattr(style_pictures, "stylise", lambda *a: asked.append(a[-1]) or real(*a))
    assert main(command) == 0
    assert asked == ["share 0 %, from image 1 of 1"]
    assert {path: path.read_bytes() for path in images if path != images[1]} == {
        path: data for path, data in before.items() if path != images[1]
    }
    assert np.abs(load_image(images[0]) - load_image(images[1])).mean() > 0.1


@pytest.mark.slow
def test_figures_show_what_they_were_given(pictures, tmp_path):
    red, blue = pictures
    words = ["--shares", "0.5", "--size", "40", "--samples", "3", "--steps", "1", "--sampler", "independent"]
    asked = of_words([*named(red, blue), *words])
    study = make(planned(Request(quick=True, style=asked)), tmp_path, lambda *_: None)
    assert study.images[0.5].shape == (3, 34, 40, 3)
    np.testing.assert_allclose(study.images[0.5][0], study.pictures.target.round(), atol=1)  # one step leaves the start
    with style.settings():
        grams = style_transfer_figures.draw_grams(study)
        titles = [ax.get_title() for ax in grams.axes]
        assert "conv1_1\n80 × 68 × 64" not in titles  # the second style: 80 pixels on its longer side
        assert "conv1_1\n68 × 80 × 64" in titles
        assert "Gram matrix\n512 × 512" in titles
        process = style_transfer_figures.draw_process(jax.random.key(0), study)
        texts = [ax.get_title() + ax.get_title(loc="left") for ax in process.axes]
        assert texts.count("crop of style 1") == texts.count("crop of style 2") == 3
        assert "one of 305,888 entries" in texts
        assert "image, style 2: 50 %" in texts
        sheet = style_transfer_figures.draw_blends(study)
        assert len(sheet.axes) == 3
        assert "40 × 34 pixels, 1 steps" in sheet.get_suptitle()
        shown = np.asarray(sheet.axes[2].images[0].get_array())
        np.testing.assert_array_equal(shown, study.images[0.5][2].astype(np.uint8))


def test_the_animation_runs_through_all_images_and_ends_on_the_last(tmp_path):
    images = {0.0: RNG.uniform(0, 255, (2, 33, 41, 3)), 0.8: RNG.uniform(0, 255, (2, 33, 41, 3))}
    frames = style_transfer_animation.frames(images)
    assert len(frames) == 4 * style_transfer_animation.STEPS
    assert {frame.shape for frame in frames} == {(32 + 18, 40, 3)}
    for i, image in enumerate([*images[0.0], *images[0.8]]):
        found = frames[i * style_transfer_animation.STEPS][:32]
        np.testing.assert_array_equal(found, image[:32, :40].round().astype(np.uint8))
    path = style_transfer_animation.write_gif(frames, tmp_path / "made.gif")
    with Image.open(path) as gif:
        assert gif.n_frames == len(frames) - style_transfer_animation.STEPS + 1  # the last stands still
        assert gif.size == (40, 50)
    video = style_transfer_animation.write_mp4(frames, tmp_path / "made.mp4").read_bytes()
    assert video[4:8] == b"ftyp"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.gif", "made.mp4"]


def test_without_the_package_for_videos_the_gif_is_all(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    study = SimpleNamespace(images={0.0: RNG.uniform(0, 255, (1, 33, 41, 3))})
    monkeypatch.setattr(style_transfer_draw, "make", lambda plan, out, progress: study)
    monkeypatch.setattr(style_transfer_figures, "draw_grams", lambda study: None)
    request = Request(style=of_words(named(*pictures)))
    assert next(style_transfer_draw.draw(request, tmp_path, lambda *_: None)) == ("figure11", None)
    printed = capsys.readouterr()
    assert 'no MP4: MP4 needs imageio-ffmpeg; install with: pip install "fbgmm[video]"' in printed.err
    assert "figure13.gif" in printed.out
    assert ".mp4" not in printed.out


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--shares", "0.5", "1.5"], "shares must be from 0 to 1; found 0.5, 1.5"),
        (["--shares", "nan"], "shares must be from 0 to 1; found nan"),
        (["--size", "31"], "size must be 32 or more; found 31"),
        (["--samples", "0"], "samples must be 1 or more; found 0"),
        (["--steps", "0"], "steps must be 1 or more; found 0"),
        (["--target", "absent.png"], "there is no picture absent.png; name one with --target"),
        (["--size", "33"], "pixels at size 33; allowed: 32 or more on the shorter side"),
    ],
)
def test_bad_requests_are_refused_before_any_work(pictures, tmp_path, monkeypatch, capsys, extra, message):
    monkeypatch.setattr(style_pictures, "load_vgg19", None)
    assert main(["style", "--quick", "--out", str(tmp_path / "out"), *options(pictures), *extra]) == 2
    assert message in capsys.readouterr().err


def test_without_pictures_it_says_which_are_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("FBGMM_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no picture .*sunflowers\.jpg; name one with --style2, or a folder"):
        planned(Request())


def test_the_plan_is_that_of_the_paper_unless_asked_otherwise(pictures):
    red, blue = pictures
    plan = planned(Request(style=of_words(named(red, blue))))
    assert (plan.shares, plan.samples) == ((0.0, 0.1, 0.2, 0.8), 10)
    quick = planned(Request(quick=True, style=of_words(named(red, blue))))
    assert (quick.size, len(quick.shares), quick.samples) == (128, 2, 2)
