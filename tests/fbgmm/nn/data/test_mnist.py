"""MNIST: the idx format, and the real files where FBGMM_DATA has them."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from fbgmm.nn.data import mnist as digits
from fbgmm.nn.data.files import FileError

HERE = pytest.mark.skipif(
    not (Path(os.environ.get("FBGMM_DATA", "/nowhere")) / "mnist").is_dir(), reason="FBGMM_DATA names no MNIST"
)
VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
HEAD = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4])


def write(folder, data):
    path = folder / "values.gz"
    path.write_bytes(gzip.compress(data))
    return path


def test_an_idx_file_is_read_in_its_order(tmp_path):
    found = digits.read_idx(write(tmp_path, HEAD + VALUES.tobytes()))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, VALUES)


def test_a_dimension_is_four_bytes_the_highest_first(tmp_path):
    found = digits.read_idx(write(tmp_path, bytes([0, 0, 8, 1, 0, 0, 1, 2]) + bytes(258)))
    assert found.shape == (258,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must start with"),
        (b"\0\0\x08", "must start with"),
        (b"\0\0\x0d\x03" + HEAD[4:] + VALUES.tobytes(), "00 00 0d 03"),  # floats
        (b"\x89PNG" + HEAD[4:], "89 50 4e 47"),
        (b"\0\0\x08\0", "must start with"),
        (HEAD[:10], r"holds 10 bytes"),
        (HEAD + VALUES.tobytes()[:-1], r"holds 39 bytes.*\(2, 3, 4\).*asks for 40"),
        (HEAD + VALUES.tobytes() + b"\0", r"holds 41 bytes"),
    ],
)
def test_what_is_not_idx_is_refused(tmp_path, data, message):
    path = write(tmp_path, data)
    with pytest.raises(ValueError, match=message) as caught:
        digits.read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[1:], lambda data: data[:12] + data[16:]])
def test_a_damaged_gzip_file_is_refused(tmp_path, damage):
    path = write(tmp_path, HEAD + VALUES.tobytes())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="not a whole gzip file"):
        digits.read_idx(path)


@HERE
def test_the_real_digits():
    """Counts and mean inks as published with the data set."""
    found = digits.load_digits()
    assert [array.shape for array in found] == [(60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,)]
    assert {array.dtype for array in found} == {np.dtype(np.uint8)}
    assert found.train_images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert found.train_images.std() / 255 == pytest.approx(0.3081, abs=5e-5)
    assert np.bincount(found.train_labels)[[0, 1, 5]].tolist() == [5923, 6742, 5421]
    assert found.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert found.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@HERE
def test_altered_digits_are_refused(tmp_path, monkeypatch):
    source = Path(os.environ["FBGMM_DATA"]) / "mnist"
    (tmp_path / "mnist").mkdir()
    for path in source.iterdir():
        data = path.read_bytes()
        (tmp_path / "mnist" / path.name).write_bytes(data[:-1] if path.name.startswith("t10k-labels") else data)
    monkeypatch.setenv("FBGMM_DATA", str(tmp_path))
    with pytest.raises(FileError, match=r"t10k-labels-idx1-ubyte\.gz"):
        digits.load_digits()
