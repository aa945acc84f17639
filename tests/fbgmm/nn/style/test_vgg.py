"""VGG19: each layer against a convolution by loops in NumPy, and weights files of both kinds, good and bad."""

import os
from pathlib import Path

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from fbgmm.nn.data.files import FileError
from fbgmm.nn.style import vgg
from fbgmm.nn.style.vgg import CHANNELS, MEAN_BGR, NPZ, VGG19, load_vgg19, read_h5, read_npz

REAL = Path(os.environ.get("FBGMM_DATA", "")) / NPZ.path
needs_weights = pytest.mark.skipif(not REAL.is_file(), reason="FBGMM_DATA has no VGG19 weights")


def random_weights(seed=0):
    """Of a size that keeps activations of about one size through all layers."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(0, np.sqrt(2 / (9 * io[0])), (3, 3, *io)).astype(np.float32), np.full(io[1], 0.1, np.float32))
        for name, io in CHANNELS.items()
    }


def slow_layers(weights, image):
    """All layers of one image, shape (H, W, 3), place by place in float64."""
    h = image[..., ::-1].astype(np.float64) - np.array(MEAN_BGR)
    block = "1"
    for name, (kernel, bias) in weights.items():
        if name[4] != block:
            H, W = h.shape[0] // 2, h.shape[1] // 2
            h = np.array(
                [[np.mean(h[2 * i : 2 * i + 2, 2 * j : 2 * j + 2], axis=(0, 1)) for j in range(W)] for i in range(H)]
            )
            block = name[4]
        bordered = np.pad(h, ((1, 1), (1, 1), (0, 0)))
        out = np.zeros((*h.shape[:2], len(bias)))
        for i in range(h.shape[0]):
            for j in range(h.shape[1]):
                patch = bordered[i : i + 3, j : j + 3].reshape(-1)
                out[i, j] = patch @ kernel.reshape(-1, len(bias)).astype(np.float64) + bias
        h = np.maximum(out, 0)
        yield name, h


def check_layers(weights):
    image = np.random.default_rng(1).uniform(0, 255, (17, 22, 3)).astype(np.float32)
    features = VGG19(weights)(jnp.asarray(image)[None])
    assert list(features) == list(CHANNELS)
    for name, expected in slow_layers(weights, image):
        found = np.asarray(features[name])[0]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max(), err_msg=name)


def test_every_layer_is_that_of_a_slow_convolution():
    check_layers(random_weights())


@needs_weights
def test_every_layer_with_the_real_weights():
    weights = {name: tuple(a.astype(np.float32) for a in pair) for name, pair in read_npz(REAL).items()}
    check_layers(weights)


def test_only_the_layers_wanted_are_computed():
    assert list(VGG19(random_weights())(jnp.zeros((1, 16, 16, 3), jnp.float32), "conv2_1"))[-1] == "conv2_1"


def test_other_weights_are_refused():
    weights = random_weights()
    with pytest.raises(ValueError, match=r"no conv4_2; found conv1_1"):
        VGG19({name: pair for name, pair in weights.items() if name != "conv4_2"})
    with pytest.raises(ValueError, match=r"conv1_2 must have kernel \(3, 3, 64, 64\) .* found \(3, 3, 3, 64\)"):
        VGG19(weights | {"conv1_2": weights["conv1_1"]})


@pytest.fixture(scope="module")
def h5_file(tmp_path_factory):
    """In the layout of Keras: groups, the dataset names those of an old version."""
    path = tmp_path_factory.mktemp("weights") / "weights.h5"
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in random_weights().items():
            group = file.create_group(f"block{name[4]}_conv{name[6]}")
            group[f"{group.name[1:]}_W_1:0"], group[f"{group.name[1:]}_b_1:0"] = kernel, bias
        file.create_group("block5_conv2")
    return path


@pytest.mark.slow
def test_the_h5_file_of_keras_is_read(h5_file):
    for name, (kernel, bias) in read_h5(h5_file).items():
        np.testing.assert_array_equal(kernel, random_weights()[name][0])
        np.testing.assert_array_equal(bias, random_weights()[name][1])


def test_cut_and_other_files_are_refused_by_name(h5_file, tmp_path):
    cut = tmp_path / "cut.h5"
    cut.write_bytes(h5_file.read_bytes()[:1_000_000])
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file.create_group("block1_conv1")["only"] = np.zeros(3)
    for path in (cut, other):
        with pytest.raises(FileError, match=rf"{path} does not hold VGG19's weights as Keras"):
            read_h5(path)
    text = tmp_path / "text.npz"
    text.write_text("not weights")
    missing = tmp_path / "missing.npz"
    np.savez(missing, x=np.zeros(2))
    for path in (text, missing):
        with pytest.raises(FileError, match=rf"{path} does not hold VGG19's weights, convB_C/kernel"):
            read_npz(path)


def test_an_altered_file_of_the_folder_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("FBGMM_DATA", str(tmp_path))
    path = tmp_path / NPZ.path
    path.parent.mkdir()
    path.write_bytes(b"cut")
    with pytest.raises(FileError, match=r"f16\.npz \(3 bytes\) is truncated or altered"):
        load_vgg19()


def test_without_the_npz_file_the_published_one_is_taken(h5_file, tmp_path, monkeypatch):
    monkeypatch.setenv("FBGMM_DATA", str(tmp_path))
    asked = []
    monkeypatch.setattr(vgg, "local_path", lambda remote, progress: asked.append(remote) or h5_file)
    kernel, _ = read_h5(h5_file)["conv1_1"]
    np.testing.assert_array_equal(load_vgg19().conv1_1.kernel[...], kernel)
    assert asked == [vgg.H5]
