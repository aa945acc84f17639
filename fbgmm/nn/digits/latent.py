"""Density of the latent codes of each class, with sampling and random mixing (section 3.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ... import checks
from ..._typing import Array, ArrayLike, Float, Key
from ...fitting.fit import fit_batch
from ...fitting.padding import padded_length
from ...mixture import Mixture
from ...multivariate.rotated import Rotated, fit_rotated
from ...status import Status
from .normal_clusters import normal_clusters

CLUSTERS, CLUSTER_SIZE, CLUSTER_T = 16, 300, 9.0
"""Clusters of a class, the codes for each below which there are fewer, and sigma/r in them: a cluster has a few hundred
codes, and needs wider components than a class."""


@partial(jax.tree_util.register_dataclass, data_fields=["marginals", "rotated", "log_shares"], meta_fields=[])
@dataclass(frozen=True)
class LatentMixture:
    """A density of codes for each class. A pytree.

    The paper's is the product of `marginals`: one fixed-basis mixture for each class and latent dimension, by
    Algorithm 2. It loses the dependence between the dimensions of a class. Unless told that they are `independent`,
    `fit` therefore finds clusters of each class (hard EM), and fits each cluster by fixed-basis mixtures along its own
    principal axes: within a cluster the density is again a product, and the sum over the clusters need not be one.

    Attributes:
        marginals: the paper's mixtures, batch shape (classes, D).
        rotated: the densities of the clusters, batch shape (classes, clusters); None: the dimensions are independent.
        log_shares: logarithms of the shares of the clusters, shape (classes, clusters), −inf where there is none; None
            as `rotated`.

    Example:
        >>> import jax
        >>> from fbgmm.nn.digits import LatentMixture
        >>> z = jax.random.normal(jax.random.key(0), (600, 3))
        >>> labels = jax.numpy.arange(600) % 2
        >>> density = LatentMixture.fit(z, labels, classes=2)
        >>> density.sample(jax.random.key(1), label=1, count=5).shape
        (5, 3)
        >>> density.mix(jax.random.key(2), labels=[0, 1], shares=[0.7, 0.3], count=4).shape
        (4, 3)
    """

    marginals: Mixture
    rotated: Rotated | None = None
    log_shares: Float[Array, "classes clusters"] | None = None

    @classmethod
    def fit(
        cls,
        z: ArrayLike,
        labels: ArrayLike,
        classes: int = 10,
        n: int = 200,
        t: float = 2.0,
        *,
        independent: bool = False,
        seed: int = 0,
    ) -> LatentMixture:
        """Fits the densities of all classes at once: rows of different lengths are padded by weights of zero.

        Args:
            z: codes, shape (N, D).
            labels: their classes, shape (N,), integers from 0 to classes − 1.
            classes: number of classes; each needs codes.
            n: number of components of every mixture.
            t: sigma in units of their spacing, for the marginals.
            independent: the paper's model, in which the latent dimensions of a class are independent. Else each class
                has 16 clusters, or fewer where some class has less than 300 codes for each.
            seed: of k-means.

        Raises:
            ValueError: a class without enough codes, labels that are no classes, a constant dimension, values that are
                not finite, shapes that do not match.
            TypeError: labels that are not integers.
        """
        table, weights = _by_class(z, labels, classes)
        D = table.shape[2]
        counts, least = weights.sum(axis=1), 2 if independent else D + 1
        if (counts < least).any():
            c = int(np.argmax(counts < least))
            raise ValueError(f"class {c} has {counts[c]} codes; at least {least} are needed")
        rows = np.moveaxis(table, 1, 2).reshape(classes * D, -1)
        gmms = fit_batch(rows, n, t, weights=np.repeat(weights, D, axis=0), on_error="status")
        bad = np.flatnonzero(np.asarray(gmms.status) & ~Status.MISFIT)
        if bad.size:
            label, dimension = divmod(int(bad[0]), D)
            raise ValueError(
                f"z is constant in dimension {dimension} of class {label}; allowed: codes that differ there"
            )
        marginals = jax.tree.map(lambda leaf: leaf.reshape(classes, D, *leaf.shape[1:]), gmms)
        if independent:
            return cls(marginals)
        K = min(CLUSTERS, max(1, int(counts.min()) // CLUSTER_SIZE))
        present = jnp.asarray(weights, table.dtype)
        cluster = normal_clusters(jax.random.key(seed), jnp.asarray(table), present, K, 2 * (D + 1))
        place = (np.asarray(cluster) + K * np.arange(classes)[:, None])[weights]
        table, weights = _by_class(table[weights], place, classes * K)
        rotated = fit_rotated(table, 1, n, CLUSTER_T, weights=weights)
        sizes = jnp.asarray(weights.sum(axis=1).reshape(classes, K), table.dtype)
        log_shares = jnp.log(sizes) - jnp.log(jnp.sum(sizes, axis=1, keepdims=True))
        return cls(marginals, jax.tree.map(lambda leaf: leaf.reshape(classes, K, *leaf.shape[1:]), rotated), log_shares)

    @property
    def classes(self) -> int:
        return self.marginals.batch_shape[0]

    def sample(self, key: Key, label: int, count: int) -> Float[Array, "count D"]:
        """Codes of a class.

        Args:
            key: a JAX random key.
            label: the class.
            count: how many.
        """
        self._known(label)
        if self.rotated is None or self.log_shares is None:
            return self.marginals[label].sample(key, (count,))
        key_cluster, key_code = jax.random.split(key)
        cluster = jax.random.categorical(key_cluster, self.log_shares[label], shape=(count,))
        codes = self.rotated[label].sample(key_code, (count,))  # of every cluster: drawing is cheap
        return jnp.take_along_axis(codes, cluster[:, None, None], axis=1)[:, 0]

    def mix(
        self, key: Key, labels: Sequence[int], shares: ArrayLike | None = None, count: int = 1
    ) -> Float[Array, "count D"]:
        """Random mixing (Figure 10): each latent dimension of each code comes from one of the classes, at random.

        A code is drawn from each of the classes, and each dimension is taken from one of these codes. For independent
        dimensions that is the paper's mixing. With clusters the choice is made among the same latent dimensions, which
        the classes share, not along the rotated axes, which are each cluster's own; the dimensions taken from one class
        keep their dependence on one another.

        Args:
            key: a JAX random key.
            labels: the classes, at least one.
            shares: their probabilities, normalised; equal if None.
            count: how many.

        Raises:
            ValueError: a label that is no class; shares of another number, negative or all zero.
        """
        labels = list(labels)
        probabilities = np.ones(len(labels)) if shares is None else np.asarray(shares, np.float64)
        fine = probabilities.shape == (len(labels),) and np.isfinite(probabilities).all() and (probabilities >= 0).all()
        if not labels or not fine or not probabilities.sum() > 0:
            raise ValueError(f"shares must be {len(labels)} numbers, at least 0 and not all 0; found {shares!r}")
        key_choice, *keys = jax.random.split(key, len(labels) + 1)
        codes = jnp.stack([self.sample(k, label, count) for k, label in zip(keys, labels, strict=True)])
        choice = jax.random.choice(
            key_choice, len(labels), codes.shape[1:], p=jnp.asarray(probabilities / probabilities.sum(), codes.dtype)
        )
        return jnp.take_along_axis(codes, choice[None, :, :], axis=0)[0]

    def log_prob(self, z: ArrayLike, label: int) -> Float[Array, "..."]:
        """log density of codes of shape (…, D) under a class, in nats, shape (…)."""
        self._known(label)
        z = checks.as_floats("z", z)
        if self.rotated is None or self.log_shares is None:
            return jnp.sum(self.marginals[label].log_prob(z), axis=-1)
        each = self.rotated[label].log_prob(z[..., None, :])
        shares = self.log_shares[label].reshape((1,) * (each.ndim - 1) + (-1,))
        return jax.nn.logsumexp(each + shares, axis=-1)

    def marginal(self, label: int) -> Mixture:
        """The paper's mixtures of the latent dimensions of a class, batch shape (D,)."""
        self._known(label)
        return self.marginals[label]

    def _known(self, label: int) -> None:
        if not 0 <= label < self.classes:
            raise ValueError(f"label must be a class from 0 to {self.classes - 1}; found {label}")


def _by_class(z: ArrayLike, labels: ArrayLike, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes by class, shape (classes, longest, D), and which of them are codes and not padding, (classes, longest)."""
    z, labels = checks.as_host_floats("z", z), np.asarray(labels)
    if z.ndim != 2 or labels.shape != z.shape[:1]:
        raise ValueError(f"z and labels must have shapes (N, D) and (N,); found {z.shape} and {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels must be integers; found {labels.dtype}")
    if not checks.usable(z).all():
        raise ValueError("z must be finite; found NaN, infinity or values whose square is not finite")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels must be from 0 to {classes - 1}; found {labels.min()} to {labels.max()}")
    counts = np.bincount(labels.astype(np.int64), minlength=classes)
    present = np.arange(padded_length(int(counts.max())))[None, :] < counts[:, None]
    table = np.zeros((*present.shape, z.shape[1]), z.dtype)
    table[present] = z[np.argsort(labels, kind="stable")]
    return table, present
