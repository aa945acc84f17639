"""Inputs of style transfer (pictures, VGG19, Gram matrices of crops), and images made from them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from fbgmm.nn.data.files import VARIABLE
from fbgmm.nn.data.images import load_image
from fbgmm.nn.style.blending import Blend, crop_grams
from fbgmm.nn.style.transfer import Stylised, TransferSettings, stylise
from fbgmm.nn.style.vgg import VGG19, load_vgg19
from fbgmm.nn.train.progress import Progress

_TOGETHER = 2  # images made at once: more gain nothing on few cores, and lose more when killed
_SEEN = 2  # longer side of a style picture over that of the target: strokes stay visible in small images


class Paths(NamedTuple):
    """Files of the pictures."""

    target: Path
    style1: Path
    style2: Path

    def digests(self) -> list[str]:
        """What is in the files."""
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in self]


class Pictures(NamedTuple):
    """What images are made from.

    Attributes:
        target: shape (H, W, 3), as all pictures here, values from 0 to 255.
        styles: the two style pictures.
        grams: entries of the Gram matrices of the crops of each style, shape (crops, E).
    """

    vgg: VGG19
    target: np.ndarray
    styles: tuple[np.ndarray, np.ndarray]
    grams: tuple[np.ndarray, np.ndarray]


def paths_of(target: Path | None, style1: Path | None, style2: Path | None) -> Paths:
    """The files asked for; where none is, The Starry Night as target and first style, Sunflowers as the second.

    Raises:
        FileNotFoundError: one that is not there.
    """
    stars, flowers = (
        Path(os.environ.get(VARIABLE, ".")) / "paintings" / f"{name}.jpg" for name in ("starry_night", "sunflowers")
    )
    paths = Paths(target or stars, style1 or stars, style2 or flowers)
    for name, path in reversed(paths._asdict().items()):
        if not path.is_file():
            raise FileNotFoundError(
                f"there is no picture {path}; name one with --{name}, or a folder that has paintings/ with {VARIABLE}"
            )
    return paths


def prepare(keys: Sequence[jax.Array], paths: Paths, size: int, crops: int, progress: Progress) -> Pictures:
    """Reads the pictures and the network, and takes crops.

    Args:
        keys: of the crops of each style.
        size: pixels of an image's longer side.
        crops: of each style.

    Raises:
        OSError: a picture that cannot be used, weights that cannot be had.
    """
    target = load_image(paths.target, size)
    one, two = (load_image(path, _SEEN * size) for path in paths[1:])
    vgg = load_vgg19(progress=progress)
    grams = [
        crop_grams(key, vgg, style, crops, size, progress, f"crops of style {i}")
        for i, (key, style) in enumerate(zip(keys, (one, two), strict=True), 1)
    ]
    return Pictures(vgg, target, (one, two), (grams[0], grams[1]))


def made_of(
    pictures: Pictures,
    blend: Blend,
    wanted: Sequence[jax.Array],
    start: np.ndarray,
    settings: TransferSettings,
    progress: Progress,
    what: str,
    finished: Callable[[slice, Stylised], None] = lambda part, made: None,
) -> Stylised:
    """Images, made a few at a time.

    Args:
        wanted: Gram matrices of each layer, one for each image.
        start: what each image begins with, shape (images, H, W, 3).
        progress, what: told of each step, under that name.
        finished: told of each few, and which of the images they are.

    Raises:
        ValueError: losses that are not finite.
    """
    parts = []
    for first in range(0, len(start), _TOGETHER):
        part = slice(first, first + _TOGETHER)
        grams, name = [layer[part] for layer in wanted], f"{what}, from image {first + 1} of {len(start)}"
        made = stylise(pictures.vgg, pictures.target, grams, blend.weights, start[part], settings, progress, name)
        finished(part, made)
        parts.append(made)
    images, content, style = (np.concatenate([made[i] for made in parts]) for i in range(3))
    return Stylised(images, content, style, np.concatenate([made.history for made in parts], axis=1))
