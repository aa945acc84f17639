"""Data: files by checksum, MNIST, the UCI regression sets, and pictures."""

from .files import FileError, Remote, local_path
from .images import ImageError, crops, load_image, save_image, to_bytes
from .mnist import Digits, load_digits, read_idx
from .uci import Regression, load_uci

__all__ = [
    "Digits",
    "FileError",
    "ImageError",
    "Regression",
    "Remote",
    "crops",
    "load_digits",
    "load_image",
    "load_uci",
    "local_path",
    "read_idx",
    "save_image",
    "to_bytes",
]
