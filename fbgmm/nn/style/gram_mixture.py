"""The distribution of Gram matrices over crops of style images, with three samplers (section 3.2.2, Figure 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri

from ..._typing import Array, ArrayLike, Float, Key
from ...binning import cell_index
from ...fitting.fit import fit_batch
from ...mixture import Mixture
from ...status import Status
from .gram_matrices import STYLE_CHANNELS, distinct, nearest_psd, unpack_all

Sampler = Literal["independent", "projected", "copula"]
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)


@partial(jax.tree_util.register_dataclass, data_fields=["mixture", "data", "second"], meta_fields=["channels"])
@dataclass(frozen=True)
class GramMixture:
    """A fixed-basis mixture for every distinct entry of the Gram matrices of all layers. A pytree.

    A Gram matrix of features is positive semi-definite; a matrix of independent entries, as in the paper, is not. Hence
    three samplers:

    - "independent": each entry by itself, as in the paper.
    - "projected": the same, then the nearest positive semi-definite matrix.
    - "copula": entries with the same marginal mixtures and the dependence of the crops, by a Gaussian copula with the
      correlations of the crops' normal scores. Its rank is that of the data: no matrix of entries × entries is needed.
      With crops of two styles, each draw would follow one style or the other. So the part of the scores that separates
      the styles is drawn for each channel instead, and one matrix has values of both.

    Attributes:
        mixture: one for each entry, batch shape (E,).
        data: the entries of each crop, shape (N, E).
        second: 1 for the crops of a second style, 0 for the others, shape (N,).
        channels: rows of each layer's matrix; static.

    Example:
        >>> import jax
        >>> from fbgmm.nn.style import GramMixture, mean_gram, pack
        >>> features = jax.random.uniform(jax.random.key(0), (50, 4, 4, 3), "float32")
        >>> gmm = GramMixture.fit(pack(mean_gram(features)), channels=(3,))
        >>> [layer.shape for layer in gmm.sample(jax.random.key(1), 2, "copula")]
        [(2, 3, 3)]
    """

    mixture: Mixture
    data: Float[Array, "N E"]
    second: Float[Array, " N"]
    channels: tuple[int, ...]

    @classmethod
    def fit(
        cls,
        data: ArrayLike,
        channels: Sequence[int] = STYLE_CHANNELS,
        n: int = 50,
        t: float = 2.0,
        *,
        of_second: int = 0,
    ) -> GramMixture:
        """Fits all entries in one call, by Algorithm 2.

        Args:
            data: distinct entries of the Gram matrices of N crops, as `pack_all` gives them, shape (N, E).
            channels: rows of each layer's matrix.
            n, t: as in `fbgmm.fit`.
            of_second: how many of the crops, the last ones, are of a second style.

        Raises:
            ValueError: another number of entries than the layers have, no crops, values that are not finite, more crops
                of a second style than there are crops.
        """
        crops = jnp.asarray(data)
        E = sum(map(distinct, channels))
        if crops.ndim != 2 or crops.shape[1] != E or not crops.shape[0]:
            raise ValueError(
                f"data must have shape (N, {E}) for channels {tuple(channels)}, N ≥ 1; found {crops.shape}"
            )
        if not 0 <= of_second <= len(crops):
            raise ValueError(f"of_second must be from 0 to the {len(crops)} crops; found {of_second}")
        mixture = fit_batch(crops.T, n, t, on_error="status")
        # An entry that is the same in all crops (a channel that never fires) has no width, and is drawn as it is.
        if bool(jnp.any(jnp.asarray(mixture.status) & ~(Status.NO_WIDTH | Status.MISFIT))):
            raise ValueError("data must be finite; found NaN, infinity or values whose square is not finite")
        second = (jnp.arange(len(crops)) >= len(crops) - of_second).astype(crops.dtype)
        return cls(mixture, crops, second, tuple(channels))

    def sample(self, key: Key, count: int, sampler: Sampler = "independent") -> list[Float[Array, "count _ _"]]:
        """Gram matrices of each layer.

        Args:
            key: a JAX random key.
            count: how many.
            sampler: see above.

        Raises:
            ValueError: another sampler.
        """
        if sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}; found {sampler!r}")
        if sampler == "copula":
            entries = _copula(key, self.mixture, self.data, self.second, count, self.channels)
        else:
            entries = self.mixture.sample(key, (count,))
        constant = jnp.asarray(self.mixture.status) == Status.NO_WIDTH
        layers = unpack_all(jnp.where(constant[None, :], self.data[:1], entries), self.channels)
        return [_projected(layer) for layer in layers] if sampler == "projected" else layers

    def mean(self) -> list[Float[Array, "1 _ _"]]:
        """The mean Gram matrix of the crops, for each layer."""
        return unpack_all(jnp.mean(self.data, axis=0, keepdims=True), self.channels)


@partial(jax.jit, static_argnames=("count", "channels"))
def _copula(key: Key, mixture: Mixture, data: Array, second: Array, count: int, channels: tuple[int, ...]) -> Array:
    """Entries of shape (count, E): the component from one draw of the copula, the position within it from another.

    Both draws are normal with the correlations of the scores within a style, and independent of each other, so that
    each entry has the density of its mixture. One draw and the mixtures' quantiles would do, but take minutes.
    """
    N, basis = data.shape[0], mixture.basis
    scores = normal_scores(mixture, data) / np.sqrt(N).astype(data.dtype)
    apart = second - jnp.mean(second)
    size = jnp.linalg.norm(apart)
    apart = apart / jnp.where(size > 0, size, 1)
    loading = jnp.matmul(apart, scores, precision="highest")  # on the direction that separates the styles
    key_within, key_style = jax.random.split(key)
    within = scores - apart[:, None] * loading[None, :]
    along = jnp.matmul(jax.random.normal(key_within, (2, count, N), data.dtype), within, precision="highest")
    z_component, z_within = along + loading[None, None, :] * _by_channel(key_style, 2, count, channels, data.dtype)
    chosen = partial(jnp.searchsorted, side="right")
    i = jax.vmap(chosen, in_axes=(0, 1), out_axes=1)(jnp.cumsum(mixture.pi, axis=-1), ndtr(z_component))
    mu = basis.low[None, :] + (jnp.minimum(i, basis.capacity - 1) + 0.5).astype(data.dtype) * basis.r[None, :]
    return mu + basis.sigma[None, :] * z_within


def _by_channel(key: Key, draws: int, count: int, channels: tuple[int, ...], dtype: Any) -> Array:
    """Standard normal entries (draws, count, E): of channels i ≠ j the sum of theirs over √2, of i = j its own."""
    layers = []
    for layer_key, C in zip(jax.random.split(key, len(channels)), channels, strict=True):
        each = jax.random.normal(layer_key, (draws, count, C), dtype)
        i, j = np.triu_indices(C)
        size = np.where(i == j, 2, np.sqrt(2)).astype(dtype)
        layers.append((each[..., i] + each[..., j]) / size[None, None, :])
    return jnp.concatenate(layers, axis=-1)


def normal_scores(mixture: Mixture, data: Float[Array, "N E"]) -> Float[Array, "N E"]:
    """Normal scores of the data under their mixtures, with mean 0 and mean square 1 in each column.

    The rank of a point is the weight of the components before its cell and half of that cell's own, so that equal
    values have equal scores. A column of equal values has scores 0.

    Args:
        mixture: of each column, batch shape (E,).
        data: what the mixtures were fitted to.
    """
    upto = jnp.cumsum(mixture.pi, axis=-1)
    at = jnp.take_along_axis(upto - mixture.pi / 2, jax.vmap(cell_index)(mixture.basis, data.T), axis=-1)
    scores = ndtri(at).T
    scores = scores - jnp.mean(scores, axis=0, keepdims=True)
    size = jnp.sqrt(jnp.mean(jnp.square(scores), axis=0, keepdims=True))
    wide = (jnp.asarray(mixture.status) != Status.NO_WIDTH)[None, :] & (size > 0)
    return jnp.where(wide, scores / jnp.where(size > 0, size, 1), 0)


_projected = jax.jit(nearest_psd)
