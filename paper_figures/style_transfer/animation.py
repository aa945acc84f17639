"""Animations of a sequence of images, as GIF and MP4."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fbgmm.atomic import whole
from fbgmm.nn.data.images import to_bytes

RATE = 8  # frames a second
STEPS = 4  # frames from one image to the next, the first of which is the image itself
_STRIP = 18  # pixels under the image, for the share


def frames(images: Mapping[float, np.ndarray]) -> list[np.ndarray]:
    """All images in order and, between them, what lies between; the share of the second style underneath.

    Args:
        images: share → images, shape (samples, H, W, 3), values from 0 to 255.

    Returns:
        Frames of shape (H', W', 3), uint8; H' and W' are even, as videos need.
    """
    shown = [(share, image) for share, row in images.items() for image in row]
    found = []
    for (share, image), (_, following) in zip(shown, shown[1:] + shown[-1:], strict=True):
        for step in range(STEPS):
            part = step / STEPS
            found.append(_framed((1 - part) * image + part * following, f"style 2: {100 * share:g} %"))
    return found


def _framed(image: np.ndarray, text: str) -> np.ndarray:
    H, W = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    frame = Image.new("RGB", (W, H + _STRIP), "white")
    frame.paste(Image.fromarray(to_bytes(image)[:H, :W]))
    ImageDraw.Draw(frame).text((4, H + 3), text, fill="black")
    return np.asarray(frame)


def write_gif(frames: Sequence[np.ndarray], path: Path) -> Path:
    """Writes an endless GIF, there whole or not at all."""
    first, *others = [Image.fromarray(frame).quantize(128) for frame in frames]
    with whole(path) as file:
        first.save(file, "GIF", save_all=True, append_images=others, duration=1000 // RATE, loop=0)
    return path


def write_mp4(frames: Sequence[np.ndarray], path: Path) -> Path:
    """Writes an MP4 (H.264), there whole or not at all.

    Raises:
        ModuleNotFoundError: without the package imageio-ffmpeg (extra `video`).
        OSError: a file that cannot be written.
    """
    try:
        import imageio_ffmpeg
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('MP4 needs imageio-ffmpeg; install with: pip install "fbgmm[video]"') from error
    height, width = frames[0].shape[:2]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(RATE), "-i", "-"]
    coded = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "20", "-f", "mp4"]
    # Started here: the package's own writer forks, which may hang a program that has JAX's threads.
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *raw, *coded]
    try:
        with whole(path) as file:  # its name is given: an MP4 is not written from front to back, as a pipe would want
            shown = b"".join(frame.tobytes() for frame in frames)
            subprocess.run([*command, str(file.name)], input=shown, check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        raise OSError(f"{path} cannot be written: {error.stderr.decode(errors='replace').strip()}") from error
    return path
