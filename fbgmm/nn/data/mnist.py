"""MNIST: 70,000 handwritten digits, from the four original idx files (LeCun, Cortes and Burges 1998)."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..train.progress import Progress, silent
from .files import Remote, local_path

_ADDRESSES = "https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"

_HASHES = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}

REMOTES = tuple(
    Remote(f"mnist/{name}", tuple(address + name for address in _ADDRESSES), f"sha256:{digest}")
    for name, digest in _HASHES.items()
)
"""The four files, in the order of the fields of `Digits`."""

_BYTE = 8  # idx code of unsigned bytes


class Digits(NamedTuple):
    """Images of 28 × 28 pixels, 0 (paper) to 255 (ink), and the digits they show.

    Attributes:
        train_images: shape (60000, 28, 28), uint8.
        train_labels: shape (60000,), uint8, 0 to 9.
        test_images: shape (10000, 28, 28), uint8.
        test_labels: shape (10000,), uint8, 0 to 9.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_digits(progress: Progress = silent) -> Digits:
    """MNIST from the folder that FBGMM_DATA names, from the cache, or downloaded (11.6 MB).

    Raises:
        fbgmm.nn.data.FileError: a file is truncated or altered, or is nowhere.
    """
    return Digits(*(read_idx(local_path(remote, progress)) for remote in REMOTES))


def read_idx(path: str | Path) -> np.ndarray:
    """An array of unsigned bytes from a gzipped idx file.

    The file starts with two zero bytes, the code of the type, and the number of dimensions; then each dimension as four
    bytes, the highest first; then the values, the last index fastest.

    Raises:
        OSError: no such file.
        ValueError: not gzip, cut short, not idx, or not of unsigned bytes; the message says what was found.
    """
    try:
        data = gzip.decompress(Path(path).read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}") from error
    head = data[:4]
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] != _BYTE or not head[3]:
        raise ValueError(
            f"{path} must start with 00 00 08 and its dimensions, as idx files of bytes do; found {head.hex(' ')}"
        )
    start = 4 + 4 * head[3]
    shape = tuple(int.from_bytes(data[i : i + 4]) for i in range(4, start, 4))
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(data) != expected:
        raise ValueError(f"{path} holds {len(data)} bytes; its header, of shape {shape}, asks for {expected}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
