"""Data: files by checksum, MNIST, the UCI regression sets, and pictures."""

from .files import FileError as FileError
from .files import Remote as Remote
from .files import local_path as local_path
from .images import ImageError as ImageError
from .images import crops as crops
from .images import load_image as load_image
from .images import save_image as save_image
from .images import to_bytes as to_bytes
from .mnist import Digits as Digits
from .mnist import load_digits as load_digits
from .mnist import read_idx as read_idx
from .uci import Regression as Regression
from .uci import load_uci as load_uci
