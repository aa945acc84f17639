"""Gram matrices of feature maps (Eq. 11), and symmetric matrices as their distinct entries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from ..._typing import Array, Float

STYLE_LAYERS = "conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"
"""The five outputs whose Gram matrices are the style (section 3.2.2)."""

STYLE_CHANNELS = 64, 128, 256, 512, 512


def gram(features: Float[Array, "*batch H W C"]) -> Float[Array, "*batch C C"]:
    """G_ij = Σ_k F_ik F_jk over all places k of a feature map (Eq. 11).

    Args:
        features: the output of a convolution; i and j are its channels.

    Example:
        >>> import jax.numpy as jnp
        >>> from fbgmm.nn.style import gram
        >>> gram(jnp.ones((4, 5, 2))).tolist()
        [[20.0, 20.0], [20.0, 20.0]]
    """
    return jnp.einsum("...hwi,...hwj->...ij", features, features, precision="highest")


def mean_gram(features: Float[Array, "*batch H W C"]) -> Float[Array, "*batch C C"]:
    """Eq. 11 divided by the number of places, so that images of any size compare."""
    return gram(features) / (features.shape[-3] * features.shape[-2])


def distinct(channels: int) -> int:
    """Distinct entries of a symmetric matrix, C (C + 1)/2."""
    return channels * (channels + 1) // 2


@lru_cache
def _places(channels: int) -> tuple[np.ndarray, np.ndarray]:
    """The flat index of each distinct entry in the matrix, and the distinct entry at each flat index."""
    rows, columns = np.triu_indices(channels)
    entry = np.zeros((channels, channels), np.int32)
    entry[rows, columns] = entry[columns, rows] = np.arange(len(rows))
    return (rows * channels + columns).astype(np.int32), entry.reshape(-1)


def pack(matrices: Float[Array, "*batch C C"]) -> Float[Array, "*batch E"]:
    """The distinct entries of symmetric matrices: the upper triangle, row by row; E = C (C + 1)/2.

    Example:
        >>> import jax.numpy as jnp
        >>> from fbgmm.nn.style import pack, unpack
        >>> pack(jnp.array([[1.0, 2.0], [2.0, 3.0]])).tolist()
        [1.0, 2.0, 3.0]
        >>> unpack(jnp.array([1.0, 2.0, 3.0]), 2).tolist()
        [[1.0, 2.0], [2.0, 3.0]]
    """
    C = matrices.shape[-1]
    return matrices.reshape(*matrices.shape[:-2], C * C)[..., _places(C)[0]]


def unpack(entries: Float[Array, "*batch E"], channels: int) -> Float[Array, "*batch C C"]:
    """The symmetric matrices of these distinct entries; the inverse of `pack`."""
    return entries[..., _places(channels)[1]].reshape(*entries.shape[:-1], channels, channels)


def pack_all(matrices: Sequence[Float[Array, "B _ _"]]) -> Float[Array, "B E"]:
    """The distinct entries of several layers' matrices, one layer after the other."""
    return jnp.concatenate([pack(layer) for layer in matrices], axis=-1)


def unpack_all(entries: Float[Array, "B E"], channels: Sequence[int]) -> list[Float[Array, "B _ _"]]:
    """The matrices of each layer; the inverse of `pack_all`."""
    ends = np.cumsum([distinct(C) for C in channels])
    return [unpack(part, C) for part, C in zip(jnp.split(entries, ends[:-1], axis=-1), channels, strict=True)]


def nearest_psd(matrices: Float[Array, "*batch C C"]) -> Float[Array, "*batch C C"]:
    """The positive semi-definite matrices nearest in Frobenius norm: negative eigenvalues become zero (Higham 1988).

    Example:
        >>> import jax.numpy as jnp
        >>> from fbgmm.nn.style import nearest_psd
        >>> nearest_psd(jnp.array([[2.0, 0.0], [0.0, -1.0]])).round(5).tolist()
        [[2.0, 0.0], [0.0, 0.0]]
    """
    values, vectors = jnp.linalg.eigh(matrices)
    return jnp.einsum("...ik,...k,...jk->...ij", vectors, jnp.maximum(values, 0), vectors, precision="highest")


@jax.jit
def psd_gap(matrices: Float[Array, "*batch C C"]) -> Float[Array, " *batch"]:
    """Frobenius distance to the nearest positive semi-definite matrix, relative to the norm, in [0, 1].

    0 for Gram matrices of features, to rounding; 1/√2 where half of the norm is in negative eigenvalues.
    """
    values = jnp.linalg.eigvalsh(matrices)
    squares = jnp.square(values)
    negative = jnp.sum(jnp.where(values < 0, squares, 0), axis=-1)
    whole = jnp.sum(squares, axis=-1)
    return jnp.sqrt(negative / jnp.where(whole > 0, whole, 1))
