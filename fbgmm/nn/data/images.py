"""Pictures: reading any format into red, green and blue, resizing, random crops, writing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from PIL import Image, ImageOps

from ..._typing import Key
from ...atomic import whole

LEAST = 32
"""Pixels that the shorter side must have: five poolings of VGG19 halve it to 1."""


class ImageError(OSError):
    """A picture that cannot be used; the message says which, what was found, and what is allowed."""


def load_image(path: str | Path, size: int | None = None) -> np.ndarray:
    """A picture as red, green and blue from 0 to 255, shape (H, W, 3), float32.

    It is turned upright as its EXIF data say. Transparent parts are put on white; grey, CMYK, palettes and 16 bits
    become three channels of 8 bits; of several frames the first is read.

    Args:
        path: a file of any format that pillow reads.
        size: pixels of the longer side, enlarged or reduced to that; None: as it is.

    Raises:
        ImageError: no such file, not a picture, cut short, or a shorter side below 32 pixels, before or after resizing.
    """
    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            picture = _rgb(upright)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path} cannot be read as a picture: {error}") from error
    _long_enough(path, picture.size, "")
    if size is not None:
        scale = size / max(picture.size)
        sides = [max(round(side * scale), 1) for side in picture.size]
        _long_enough(path, sides, f" at size {size}")
        picture = picture.resize((sides[0], sides[1]), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.float32)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, which convert() would cut off at 255
        values = np.asarray(image, np.float64) / (65535 if image.mode != "I" or np.asarray(image).max() > 255 else 255)
        return Image.fromarray((255 * values.clip(0, 1)).round().astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    return image.convert("RGB")


def _long_enough(path: str | Path, sides: Sequence[int], where: str) -> None:
    if min(sides) < LEAST:
        raise ImageError(
            f"{path} has {sides[0]} × {sides[1]} pixels{where}; allowed: {LEAST} or more on the shorter side, for the "
            "five poolings of VGG19"
        )


def crops(key: Key, image: np.ndarray, side: int, count: int) -> np.ndarray:
    """Square parts of a picture at random places, shape (count, side, side, 3).

    Args:
        key: for the places.
        image: shape (H, W, 3).
        side: of a crop, in pixels.
        count: how many.

    Raises:
        ValueError: a side below 32 or beyond the picture.

    Example:
        >>> import jax, numpy as np
        >>> from fbgmm.nn.data import crops
        >>> crops(jax.random.key(0), np.zeros((64, 80, 3), np.float32), side=40, count=3).shape
        (3, 40, 40, 3)
    """
    H, W = image.shape[:2]
    if not LEAST <= side <= min(H, W):
        raise ValueError(f"side must be from {LEAST} to {min(H, W)}, the picture's shorter side; found {side}")
    key_top, key_left = jax.random.split(key)
    tops = np.asarray(jax.random.randint(key_top, (count,), 0, H - side + 1))
    lefts = np.asarray(jax.random.randint(key_left, (count,), 0, W - side + 1))
    return np.stack([image[t : t + side, u : u + side] for t, u in zip(tops, lefts, strict=True)])


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Values rounded to bytes, those outside 0 to 255 cut off; uint8."""
    return np.asarray(image).clip(0, 255).round().astype(np.uint8)


def save_image(path: Path, image: np.ndarray) -> Path:
    """Writes a PNG file atomically.

    Args:
        path: its name; the folder must be there.
        image: shape (H, W, 3), values from 0 to 255; others are cut off.
    """
    with whole(path) as file:
        Image.fromarray(to_bytes(image)).save(file, format="PNG")
    return path
