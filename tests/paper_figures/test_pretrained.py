"""Trained networks of the repository: small, described, and as good as what they were made from."""

import shutil

import jax
import numpy as np
import pytest
from flax import nnx

from benchmarks.harness.arrays import halved, read_arrays, write_arrays
from benchmarks.mnist.case import QUICK
from fbgmm.nn.digits.autoencoder import Encoder
from fbgmm.nn.digits.training import decode
from fbgmm.nn.train.progress import silent
from paper_figures.mnist import pretrained
from paper_figures.request import RequestError

NAMES = "encoder", "decoder", "judge", "em", "sw"


def test_they_take_at_most_two_megabytes_and_say_what_made_them():
    files = {name: pretrained.FOLDER / f"{name}.npz" for name in NAMES}
    assert sum(files[name].stat().st_size for name in NAMES[:3]) <= 2_000_000
    for path in files.values():
        made, arrays = read_arrays(path)
        assert made.keys() >= {"command", "seed", "identity", "versions", "device"}
        assert made["command"] == "python -m paper_figures.mnist.pretrained"
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}


@pytest.mark.slow
def test_codes_of_the_rivals_become_the_digits_asked_for(monkeypatch):
    monkeypatch.setattr(pretrained, "digits_of", lambda *_: None)
    case, rivals = pretrained.load(0, QUICK, silent)
    for rival in rivals:
        codes = np.concatenate([np.asarray(rival.sample(jax.random.key(d), d, 50)) for d in range(10)])
        seen = case.judge.probabilities(decode(case.decoder, codes)).argmax(axis=1)
        assert np.mean(seen == np.repeat(np.arange(10), 50)) > 0.93


def test_a_network_that_is_stored_gives_the_same_codes(tmp_path):
    network = Encoder(rngs=nnx.Rngs(0))
    write_arrays(tmp_path / "encoder.npz", {}, pretrained._weights(network))
    again = pretrained._network(Encoder, read_arrays(tmp_path / "encoder.npz")[1])
    x = jax.random.uniform(jax.random.key(0), (5, 28, 28, 1))
    np.testing.assert_allclose(again(x), network(x), atol=0.02 * float(np.abs(network(x)).max()))


def test_a_half_is_as_exact_as_it_says_and_shorter():
    x = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    np.testing.assert_allclose(halved(x), x, rtol=2**-8 + 2**-11, atol=1e-6)
    assert not (halved(x).view(np.uint16) & 7).any()


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:1000])])
def test_a_missing_or_damaged_file_is_named(tmp_path, spoil):
    shutil.copytree(pretrained.FOLDER, tmp_path / "networks")
    spoil(tmp_path / "networks" / "decoder.npz")
    with pytest.raises(RequestError, match=r"decoder\.npz is missing or damaged; restore it, or make it with: python"):
        pretrained.load(0, QUICK, silent, tmp_path / "networks")
