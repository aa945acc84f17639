"""VGG19 (Simonyan and Zisserman 2014) up to conv5_1, with ImageNet weights."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..._typing import Array, Float
from ..data.files import VARIABLE, FileError, Remote, local_path
from ..train.progress import Progress, silent

CHANNELS = {
    "conv1_1": (3, 64),
    "conv1_2": (64, 64),
    "conv2_1": (64, 128),
    "conv2_2": (128, 128),
    "conv3_1": (128, 256),
    "conv3_2": (256, 256),
    "conv3_3": (256, 256),
    "conv3_4": (256, 256),
    "conv4_1": (256, 512),
    "conv4_2": (512, 512),
    "conv4_3": (512, 512),
    "conv4_4": (512, 512),
    "conv5_1": (512, 512),
}
"""Input and output channels of each convolution, in order; all kernels are 3 × 3."""

MEAN_BGR = 103.939, 116.779, 123.68
"""Means of blue, green and red, from 0 to 255, that the network was trained to have subtracted."""

ADDRESS = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
)

H5 = Remote(
    "vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", (ADDRESS,), "md5:253f8cb515780f3b799900260a226db6"
)
"""The weights as Keras publishes them: 80 MB; Oxford VGG, CC BY 4.0."""

NPZ = Remote(
    "vgg19/vgg19_conv1_1-conv5_1_f16.npz",
    (ADDRESS,),
    "sha256:01dd874c4818c4c7f5b1bfd490cb62975830a672738dc4171fae070b253bebd2",
)
"""The same up to conv5_1, kernels in half precision. It is not published: only the folder of FBGMM_DATA may have it."""

Weights = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Name of each convolution → kernel, shape (3, 3, in, out), and bias, shape (out,)."""


class VGG19(nnx.Module):
    """The convolutions conv1_1 … conv5_1, a rectifier after each, a pooling of 2 × 2 before each new first digit.

    Places are averaged, as Gatys et al. recommend for pictures; the network was trained with their maximum.

    Args:
        weights: of each convolution of `CHANNELS`; taken as float32.

    Raises:
        ValueError: a convolution that is missing or has another shape.

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> from fbgmm.nn.style import VGG19
        >>> from fbgmm.nn.style.vgg import CHANNELS
        >>> vgg = VGG19({name: (np.zeros((3, 3, *io)), np.ones(io[1])) for name, io in CHANNELS.items()})
        >>> vgg(jnp.zeros((1, 32, 48, 3), "float32"))["conv5_1"].shape
        (1, 2, 3, 512)
    """

    def __init__(self, weights: Weights):
        for name, (inputs, outputs) in CHANNELS.items():
            if name not in weights:
                raise ValueError(f"the weights have no {name}; found {', '.join(weights) or 'none'}")
            kernel, bias = weights[name]
            if kernel.shape != (3, 3, inputs, outputs) or bias.shape != (outputs,):
                raise ValueError(
                    f"{name} must have kernel (3, 3, {inputs}, {outputs}) and bias ({outputs},); "
                    f"found {kernel.shape} and {bias.shape}"
                )
            setattr(self, name, _Convolution(kernel, bias))

    def __call__(self, images: Float[Array, "B H W 3"], last: str = "conv5_1") -> dict[str, Float[Array, "B h w C"]]:
        """The output of each convolution up to `last`, after its rectifier.

        Args:
            images: red, green, blue, each from 0 to 255; 16 pixels or more on each side.
            last: name of the last convolution wanted.
        """
        h = images[..., ::-1] - jnp.asarray(MEAN_BGR, images.dtype)[None, None, None, :]
        features, block = {}, "conv1"
        for name in CHANNELS:
            if not name.startswith(block):
                h, block = _pooled(h), name[:5]
            h = features[name] = getattr(self, name)(h)
            if name == last:
                break
        return features


class _Convolution(nnx.Module):
    """3 × 3 over images with a border of zeros, and a rectifier."""

    def __init__(self, kernel: np.ndarray, bias: np.ndarray):
        self.kernel = nnx.Param(jnp.asarray(kernel, jnp.float32))
        self.bias = nnx.Param(jnp.asarray(bias, jnp.float32))

    def __call__(self, h: Array) -> Array:
        layout = "NHWC", "HWIO", "NHWC"
        h = jax.lax.conv_general_dilated(h, self.kernel[...], (1, 1), "SAME", dimension_numbers=layout)
        return jax.nn.relu(h + self.bias[...][None, None, None, :])


def _pooled(h: Array) -> Array:
    """Means of 2 × 2 places; an odd last row or column is left out."""
    B, H, W, C = h.shape
    places = h[:, : H // 2 * 2, : W // 2 * 2].reshape(B, H // 2, 2, W // 2, 2, C)
    return jnp.mean(places, axis=(2, 4))


def load_vgg19(progress: Progress = silent) -> VGG19:
    """VGG19 with its ImageNet weights, from the folder that FBGMM_DATA names, from the cache, or downloaded (80 MB).

    Raises:
        fbgmm.nn.data.FileError: a file is truncated or altered, or is nowhere.
        ModuleNotFoundError: the Keras file, without the package h5py (extra `nn`).
    """
    own = os.environ.get(VARIABLE)
    if own and (Path(own) / NPZ.path).is_file():
        return VGG19(read_npz(local_path(NPZ, progress)))
    return VGG19(read_h5(local_path(H5, progress)))


def read_npz(path: str | Path) -> Weights:
    """Weights from an npz file with the keys convB_C/kernel and convB_C/bias.

    Raises:
        FileError: not such a file, or cut short.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: (file[f"{name}/kernel"], file[f"{name}/bias"]) for name in CHANNELS}
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(f"{path} does not hold VGG19's weights, convB_C/kernel and convB_C/bias: {error}") from error


def read_h5(path: str | Path) -> Weights:
    """Weights from the h5 file of Keras, whose groups blockB_convC hold a kernel and a bias each.

    Raises:
        FileError: not such a file, or cut short.
        ModuleNotFoundError: without the package h5py.
    """
    import h5py  # here: not needed for the npz file

    try:
        with h5py.File(path, "r") as file:
            return {name: _of_group(file[f"block{name[4]}_conv{name[6]}"]) for name in CHANNELS}
    except (KeyError, ValueError, OSError) as error:
        raise FileError(f"{path} does not hold VGG19's weights as Keras publishes them: {error}") from error


def _of_group(group: Any) -> tuple[np.ndarray, np.ndarray]:
    arrays = sorted((np.asarray(values) for values in group.values()), key=lambda array: -array.ndim)
    if [array.ndim for array in arrays] != [4, 1]:
        raise ValueError(f"a kernel and a bias are needed; found shapes {[array.shape for array in arrays]}")
    return arrays[0], arrays[1]
