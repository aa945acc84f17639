"""Blending of two styles: Gram matrices of crops of both, and how near images are to either (Figure 12)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..._typing import AnyArray, Array, Float, Key
from ..data.images import crops
from ..train.progress import Progress, silent
from .gram_matrices import STYLE_CHANNELS, unpack_all
from .gram_mixture import GramMixture
from .transfer import grams_of, layer_weights
from .vgg import VGG19


class Blend(NamedTuple):
    """The distribution of Gram matrices for one share of the second style.

    Attributes:
        mixture: of the entries.
        weights: of the layers in the style's loss, shape (5,).
    """

    mixture: GramMixture
    weights: Float[Array, " L"]


def crop_grams(
    key: Key, vgg: VGG19, image: np.ndarray, count: int, side: int, progress: Progress = silent, what: str = "crops"
) -> Float[np.ndarray, "count E"]:
    """Distinct entries of the Gram matrices of random crops, shape (count, 305888), float32.

    Args:
        key: for the places.
        vgg: the network.
        image: a style, shape (H, W, 3), values from 0 to 255.
        count: how many crops.
        side: of a crop, in pixels; the picture's shorter side where that is less.
        progress, what: called after every four crops, under that name.

    Raises:
        ValueError: a side below 32.
    """
    cut = crops(key, image, min(side, *image.shape[:2]), count)
    return np.asarray(grams_of(vgg, cut, progress, what))


def blended(one: np.ndarray, two: np.ndarray, share: float) -> np.ndarray:
    """A data set of as many crops as there are of each style, a share of them from the second.

    Args:
        one, two: entries of crops of each style, shape (N, E).
        share: of the second style, from 0 to 1; rounded to whole crops.

    Raises:
        ValueError: a share outside [0, 1], data sets of different shapes.

    Example:
        >>> import numpy as np
        >>> from fbgmm.nn.style import blended
        >>> float(blended(np.zeros((4, 2)), np.ones((4, 2)), 0.25).mean())
        0.25
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1; found {share}")
    if one.shape != two.shape:
        raise ValueError(f"one and two must have the same shape; found {one.shape} and {two.shape}")
    of_two = round(share * len(two))
    return np.concatenate([one[: len(one) - of_two], two[:of_two]])


def fit_blend(one: np.ndarray, two: np.ndarray, share: float, n: int = 50, t: float = 2.0) -> Blend:
    """The mixtures of all entries at one share, and the layers' weights; see `blended` and `GramMixture.fit`."""
    data = blended(one, two, share)
    mixture = GramMixture.fit(data, n=n, t=t, of_second=round(share * len(two)))
    return Blend(mixture, layer_weights(jnp.asarray(data), STYLE_CHANNELS))


@jax.jit
def blending_ratio(
    found: Float[AnyArray, "B E"], one: Float[AnyArray, " E"], two: Float[AnyArray, " E"]
) -> Float[Array, " B"]:
    """D1/(D1 + D2): 0 where the Gram matrices of an image are those of the first style, 1 where those of the second.

    D_s is the mean over the layers of the Frobenius distance to style s, each over the distance between the styles.

    Args:
        found: entries of images.
        one, two: mean entries of the crops of each style.
    """
    layers = [unpack_all(jnp.asarray(entries), STYLE_CHANNELS) for entries in (found, one[None], two[None])]
    D1, D2 = jnp.zeros(len(found), one.dtype), jnp.zeros(len(found), one.dtype)
    for G, A, B in zip(*layers, strict=True):
        apart = _norm(A - B)
        D1 += _norm(G - jnp.broadcast_to(A, G.shape)) / apart
        D2 += _norm(G - jnp.broadcast_to(B, G.shape)) / apart
    return D1 / (D1 + D2)


def _norm(matrices: Array) -> Array:
    return jnp.linalg.norm(matrices, axis=(-2, -1))
