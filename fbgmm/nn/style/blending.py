"""From two style images to Gram matrices that blend them: the data set of Figure 12 and what is drawn from it."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..._typing import Array, Float, Key
from ..data.images import crops
from ..train.progress import Progress, silent
from .gram import STYLE_CHANNELS, unpack_all
from .gram_mixture import GramMixture
from .transfer import grams_of, layer_weights
from .vgg import VGG19

_AT_ONCE = 4  # crops that go through the network together


class Blend(NamedTuple):
    """The distribution of Gram matrices at one share.

    Attributes:
        mixture: of the entries.
        weights: of the layers in the style's loss, shape (5,).
    """

    mixture: GramMixture
    weights: Float[Array, " L"]


def crop_grams(
    key: Key,
    vgg: VGG19,
    image: np.ndarray,
    count: int,
    side: int,
    progress: Progress = silent,
    what: str = "crops",
) -> np.ndarray:
    """Distinct entries of the Gram matrices of random crops, shape (count, 305888), float32.

    Args:
        key: of the places.
        vgg: the network.
        image: a style, shape (H, W, 3), values from 0 to 255.
        count: how many crops.
        side: of a crop, in pixels; the picture's shorter side where that is less.
        progress: told of every four crops.
        what: name for the progress.

    Raises:
        ValueError: a side below 32.
    """
    cut = crops(key, image, min(side, *image.shape[:2]), count)
    parts = []
    for first in range(0, count, _AT_ONCE):
        parts.append(np.asarray(grams_of(vgg, cut[first : first + _AT_ONCE], _AT_ONCE)))
        progress(what, min(first + _AT_ONCE, count), count)
    return np.concatenate(parts)


def blended(one: np.ndarray, two: np.ndarray, share: float) -> np.ndarray:
    """A data set of as many crops as there are of each style, a share of them of the second.

    Args:
        one, two: entries of crops of each style, shape (N, E).
        share: of the second style, from 0 to 1; rounded to whole crops.

    Raises:
        ValueError: a share outside [0, 1], data sets of different shapes.

    Example:
        >>> import numpy as np
        >>> from fbgmm.nn.style.blending import blended
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
def blending(found: Float[Array, "B E"], one: Float[Array, " E"], two: Float[Array, " E"]) -> Float[Array, " B"]:
    """D1/(D1 + D2): 0 where the Gram matrices of an image are those of the first style, 1 where those of the second.

    D_s is the mean over the layers of the Frobenius distance to style s, each over the distance between the styles.

    Args:
        found: entries of images.
        one, two: mean entries of the crops of each style.
    """
    layers = [unpack_all(entries, STYLE_CHANNELS) for entries in (found, one[None], two[None])]
    first, second = [], []
    for G, A, B in zip(*layers, strict=True):
        apart = _norm(A - B)
        first.append(_norm(G - jnp.broadcast_to(A, G.shape)) / apart)
        second.append(_norm(G - jnp.broadcast_to(B, G.shape)) / apart)
    D1, D2 = (jnp.mean(jnp.stack(parts), axis=0) for parts in (first, second))
    return D1 / (D1 + D2)


def _norm(matrices: Array) -> Array:
    return jnp.sqrt(jnp.sum(jnp.square(matrices), axis=(-2, -1)))
