"""Figures 8 to 10: what they show is what they were given. Networks without training, a stand-in for the densities."""

import argparse

import jax
import numpy as np
import pytest
from flax import nnx
from matplotlib.patches import Rectangle

import fbgmm
from benchmarks.mnist.case import folder_of
from benchmarks.paper.config import ConfigError
from fbgmm.nn.data.mnist import Digits
from fbgmm.nn.digits.autoencoder import Decoder, Discriminator, Encoder
from fbgmm.nn.digits.latent import LatentMixture
from fbgmm.nn.digits.training import History, TrainedAutoencoder, decode
from fbgmm.nn.train.progress import silent
from paper_figures import style
from paper_figures.__main__ import main
from paper_figures.mnist import (
    densities as mnist_densities,
)
from paper_figures.mnist import (
    draw as mnist,
)
from paper_figures.mnist import (
    samples as mnist_samples,
)
from paper_figures.mnist import (
    structure as mnist_structure,
)
from paper_figures.request import Request

RNG = np.random.default_rng(0)
LABELS = (np.arange(600) % 10).astype(np.uint8)
Z = RNG.normal(size=(600, 16)).astype(np.float32) + LABELS[:, None]


@pytest.fixture(scope="module")
def trained():
    keys = jax.random.split(jax.random.key(0), 3)
    networks = [kind(rngs=nnx.Rngs(key)) for kind, key in zip((Encoder, Decoder, Discriminator), keys, strict=True)]
    return TrainedAutoencoder(*networks, History(*np.zeros((3, 2))))


@pytest.fixture(scope="module")
def latent():
    return LatentMixture.fit(Z, LABELS.astype(np.int32), n=50, independent=True)


class Judge:
    """Takes an image for the digit that its upper left pixel says, in tenths."""

    def probabilities(self, images):
        return np.eye(10)[np.round(10 * images[:, 0, 0]).astype(int)]


@pytest.fixture
def study(trained, latent):
    images = RNG.integers(0, 256, (600, 28, 28)).astype(np.uint8)
    asked = []

    def sampler(key, digit, count):
        asked.append((jax.random.key_data(key).tolist(), digit))
        return np.full((count, 16), digit, np.float32)

    digits = Digits(images, LABELS, images[:10], LABELS[:10])
    case = argparse.Namespace(z=Z, labels=LABELS, digits=digits, decoder=trained.decoder, judge=Judge())
    return mnist.Study(case, trained, latent, {"one": sampler, "two": sampler}), asked


@pytest.fixture(autouse=True)
def settings():
    with style.settings():
        yield


def test_rows_are_digits_and_frames_mark_what_the_judge_sees_otherwise():
    images = np.zeros((10, 3, 28, 28))
    images[:, :, 0, 0] = np.arange(10)[:, None] / 10
    other = images.copy()
    other[7, 1, 0, 0], other[2, 0, 0, 0] = 0.9, 0.1
    figure = mnist_samples.draw_rows({"right": images, "wrong": other}, Judge())
    right, wrong = figure.axes
    assert (right.get_title(), wrong.get_title()) == ("right", "wrong")
    assert [patch for patch in right.patches if isinstance(patch, Rectangle)] == []
    assert {patch.get_xy() for patch in wrong.patches} == {(1, 7), (0, 2)}


def test_a_sheet_holds_each_image_at_its_place():
    images = RNG.uniform(size=(2, 3, 28, 28))
    figure = style.new_figure(2, 2)
    ax = figure.subplots()
    mnist_samples.tile(ax, images)
    sheet = np.asarray(ax.images[0].get_array())
    np.testing.assert_array_equal(sheet[28:, 56:], images[1, 2])
    np.testing.assert_array_equal(sheet[:28, 28:56], images[0, 1])
    assert ax.images[0].cmap(ax.images[0].norm(1.0))[:3] == (0, 0, 0)  # ink is black


def test_mixed_pairs_are_named_and_all_shown():
    samples = {pair: RNG.uniform(size=(mnist.MIXED, 28, 28)) for pair in mnist.PAIRS}
    figure = mnist_samples.draw_mixed(samples)
    assert [ax.get_title() for ax in figure.axes] == ["0 + 4", "0 + 3", "1 + 7", "3 + 8", "4 + 9", "5 + 6"]
    for ax, images in zip(figure.axes, samples.values(), strict=True):
        assert np.asarray(ax.images[0].get_array()).sum() == pytest.approx(images.sum())


@pytest.mark.slow
def test_the_densities_drawn_are_the_mixtures_over_their_codes(latent):
    figure = mnist_densities.draw(Z, LABELS, latent)
    panels = figure.axes
    assert len(panels) == 16
    for j in (0, 15):
        lines = dict(zip(mnist_densities.DIGITS, panels[j].get_lines(), strict=True))
        for digit, line in lines.items():
            x, y = map(np.asarray, line.get_data())
            alone = fbgmm.fit(Z[digit == LABELS, j], n=50, t=2.0)
            np.testing.assert_allclose(y, alone.prob(x.astype(np.float32)), rtol=1e-3, atol=1e-5)
        bars = [patch.get_height() * patch.get_width() for patch in panels[j].patches]
        assert sum(bars) == pytest.approx(len(mnist_densities.DIGITS), rel=1e-6)


@pytest.mark.slow
def test_figure_8_shows_the_real_shapes_and_images(trained, latent, tmp_path):
    image = RNG.integers(0, 256, (28, 28)).astype(np.uint8)
    figure = mnist_structure.draw(jax.random.key(0), image, 3, trained, latent)
    (ax,) = figure.axes
    texts = [text.get_text() for text in ax.texts]
    for shape in ("14 × 14\n× 32", "7 × 7\n× 64", "14 × 14\n× 16", "7 × 7\n× 32", "128", "64", "16"):
        assert shape in texts
    assert "latent mixture of digit 3" in texts
    pictures = [np.asarray(shown.get_array()) for shown in ax.images]
    np.testing.assert_allclose(pictures[0], image / 255, rtol=1e-6)
    z = mnist_structure.passed(trained.encoder, image[None, ..., None].astype(np.float32) / 255)[-1]
    np.testing.assert_allclose(pictures[1][:, 0], z[0], rtol=1e-5, atol=1e-6)
    made = decode(trained.decoder, z)[0]
    np.testing.assert_allclose(pictures[2], made, rtol=1e-4, atol=1e-5)
    assert len(pictures) == 3 + mnist_structure.GENERATED
    pdf, _ = style.write(figure, tmp_path, "figure")
    assert b"/Type3" not in pdf.read_bytes()


def test_samples_of_every_digit_are_asked_for_with_keys_of_their_own(study):
    given, asked = study
    images = mnist.sampled(jax.random.key(0), given)
    assert {name: found.shape for name, found in images.items()} == dict.fromkeys(("one", "two"), (10, 8, 28, 28))
    assert [digit for _, digit in asked] == [*range(10), *range(10)]
    assert len({tuple(key) for key, _ in asked}) == 20
    assert np.ptp(images["one"], axis=1).max() == 0  # the stand-in's codes do not differ within a row
    assert np.abs(images["one"][0] - images["one"][1]).max() > 0


def test_pairs_are_mixed_from_the_codes_of_both(study):
    given, _ = study
    mixed = mnist.mixed(jax.random.key(0), given)
    assert list(mixed) == list(mnist.PAIRS)
    assert {images.shape for images in mixed.values()} == {(mnist.MIXED, 28, 28)}


@pytest.mark.slow
def test_all_figures_are_written_by_name(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mnist, "studied", lambda *_: study[0])
    assert main(["mnist", "--out", str(tmp_path)]) == 0
    names = "figure8", "figure9", "figure10", "mnist_densities"
    expected = [str(tmp_path / f"{name}.{extension}") for name in names for extension in ("pdf", "png")]
    assert capsys.readouterr().out.split() == expected
    assert sorted(map(str, tmp_path.iterdir())) == sorted(expected)


def test_it_is_not_drawn_unless_asked_for_and_is_named_among_what_is_allowed(tmp_path, capsys):
    assert main(["mnis", "--out", str(tmp_path)]) == 2
    assert "overview, mnist" in capsys.readouterr().err


def test_no_digits_are_an_error_that_says_what_to_do(tmp_path, monkeypatch, capsys):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"not these")
    monkeypatch.setenv("FBGMM_DATA", str(tmp_path))
    assert main(["mnist", "--out", str(tmp_path / "out")]) == 2
    assert "train-images-idx3-ubyte.gz (9 bytes) is truncated or altered" in capsys.readouterr().err


def test_a_folder_of_another_training_is_refused(tmp_path, monkeypatch):
    def other(*_):
        raise ConfigError("holds checkpoints of another training")

    monkeypatch.setattr(mnist, "prepare", other)
    with pytest.raises(mnist.RequestError, match="another training"):
        mnist.studied(Request(), tmp_path, silent)


def test_what_the_benchmark_has_made_is_drawn(tmp_path):
    results, out = tmp_path / "results", tmp_path / "out"
    assert Request(results=results).kept(folder_of, out) == folder_of(out, False)
    folder_of(results, False).mkdir(parents=True)
    assert Request(results=results).kept(folder_of, out) == folder_of(results, False)
    assert Request(results=results, quick=True).kept(folder_of, out) == folder_of(out, True)
