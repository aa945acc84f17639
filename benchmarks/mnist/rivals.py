"""The two rivals of Figure 9: a Gaussian mixture for each class, by EM (scikit-learn) and by sliced Wasserstein.

Both take codes of shape (N, D) with their labels and give a `Rival`; both choose what they need from the data alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from fbgmm.nn.train.progress import Progress, silent

from ..harness import cells
from ..harness.arrays import read_arrays, write_arrays
from ..methods.rivals import least_bic
from .sliced_wasserstein import Descent, Normals, fit_sw, random_start

EM_COMPONENTS = (1, 2, 4, 8, 12, 16, 24, 32)
SW_COMPONENTS = 10
"""As in the SW-GMM paper's experiments."""


class Rival(NamedTuple):
    """A density of codes for each class.

    Attributes:
        mixtures: one for each class.
        seconds: that the fit took, compiling apart.
        components: of each class's mixture.
        seconds_chosen: that the fits of the chosen numbers of components alone took, as if they had been known.
    """

    mixtures: tuple[Normals, ...]
    seconds: float
    components: tuple[int, ...]
    seconds_chosen: float

    def sample(self, key: jax.Array, label: int, count: int) -> jax.Array:
        """Codes of a class, shape (count, D)."""
        return self.mixtures[label].sample(key, count)

    def log_prob(self, z: ArrayLike, label: int) -> jax.Array:
        """log density of codes of shape (N, D) under a class, in nats, shape (N,)."""
        return self.mixtures[label].log_prob(jnp.asarray(z, jnp.float32))


def kept(path: Path, fit: Callable[..., Rival], progress: Progress) -> Rival:
    """What fit(progress=progress) gives, read where the same code has written it for the same codes."""
    identity = cells.identity(fit)
    found = read_arrays(path)
    if found is not None and found[0]["identity"] == identity:
        return restored(*found)
    rival = fit(progress=progress)
    write_arrays(path, {"identity": identity, **described(rival)}, arrays_of(rival))
    return rival


def described(rival: Rival) -> dict[str, Any]:
    """The numbers of a fit, beside its mixtures."""
    return {name: getattr(rival, name) for name in Rival._fields[1:]}


def arrays_of(rival: Rival) -> dict[str, np.ndarray]:
    """The mixtures of all classes, one after the other."""
    return {name: np.concatenate([getattr(m, name) for m in rival.mixtures]) for name in Normals._fields}


def restored(made: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Rival:
    """The rival of which `described` and `arrays_of` are given."""
    ends = np.cumsum(made["components"])[:-1]
    parts = zip(*(np.split(np.asarray(arrays[name], np.float32), ends) for name in Normals._fields), strict=True)
    mixtures = tuple(Normals(*map(jnp.asarray, part)) for part in parts)
    return Rival(mixtures, made["seconds"], tuple(made["components"]), made["seconds_chosen"])


def em_gmm(
    z: np.ndarray,
    labels: np.ndarray,
    covariance: Literal["full", "diag"] = "full",
    *,
    classes: int = 10,
    components: Sequence[int] = EM_COMPONENTS,
    seed: int = 0,
    progress: Progress = silent,
) -> Rival:
    """EM-GMM: for each class the number of components with the least BIC, tried upwards until it has risen twice.

    Args:
        z: codes, shape (N, D).
        labels: classes, shape (N,).
        covariance: of each component: full, or diagonal.
        components: numbers to try, in rising order.
        seed: of scikit-learn's k-means start.

    Raises:
        ValueError: a class with fewer codes than D + 1.
    """
    found = []
    for label, row in enumerate(by_class(z, labels, classes)):
        numbers = [K for K in components if len(row) >= 2 * K]
        settings = {"covariance_type": covariance, "random_state": seed, "max_iter": 200}
        found.append(least_bic(row, numbers, 2, **settings))
        progress(f"EM, {covariance}", label + 1, classes)
    mixtures, whole, alone = zip(*found, strict=True)
    chosen = tuple(mixture.n_components for mixture in mixtures)
    return Rival(tuple(map(normals, mixtures)), sum(whole), chosen, sum(alone))


def normals(mixture: Any) -> Normals:
    """A mixture of scikit-learn in the form of the others."""
    full = mixture.covariance_type == "full"
    covariances = mixture.covariances_ if full else np.stack([np.diag(row) for row in mixture.covariances_])
    parts = np.log(mixture.weights_), mixture.means_, np.linalg.cholesky(covariances)
    return Normals(*(jnp.asarray(part, jnp.float32) for part in parts))


def sw_gmm(
    key: jax.Array,
    z: np.ndarray,
    labels: np.ndarray,
    *,
    classes: int = 10,
    components: int = SW_COMPONENTS,
    descent: Descent = Descent(),  # noqa: B008 - immutable
    progress: Progress = silent,
) -> Rival:
    """SW-GMM: for each class a mixture of full covariances by sliced Wasserstein distance, on standardised codes.

    Args:
        key: of the starts, the directions and the mini-batches.
        z: codes, shape (N, D).
        labels: classes, shape (N,).
        components: of each class's mixture.

    Raises:
        ValueError: a class with fewer codes than D + 1.
    """
    rows = by_class(z, labels, classes)
    longest = max(map(len, rows))
    counts = jnp.asarray([len(row) for row in rows])
    means = np.stack([row.mean(axis=0) for row in rows]).astype(np.float32)
    scales = np.stack([row.std(axis=0) for row in rows]).astype(np.float32)
    table = np.zeros((classes, longest, z.shape[1]), np.float32)
    for label, row in enumerate(rows):
        table[label, : len(row)] = (row - means[label]) / scales[label]
    points = jnp.asarray(table)
    key_start, key_fit = jax.random.split(key)
    starts = jax.vmap(lambda k, x, n: random_start(k, x, n, components))(
        jax.random.split(key_start, classes), points, counts
    )
    keys = jax.random.split(key_fit, classes)
    compiled = fit_sw.lower(keys[0], points[0], counts[0], jax.tree.map(lambda a: a[0], starts), descent).compile()
    started, fitted = time.perf_counter(), []
    for label in range(classes):
        start = jax.tree.map(lambda a, label=label: a[label], starts)
        fitted.append(jax.block_until_ready(compiled(keys[label], points[label], counts[label], start)))
        progress("SW", label + 1, classes)
    seconds = time.perf_counter() - started
    mixtures = [m.moved(mean, scale) for m, mean, scale in zip(fitted, means, scales, strict=True)]
    return Rival(tuple(mixtures), seconds, (components,) * classes, seconds)


def by_class(z: np.ndarray, labels: np.ndarray, classes: int) -> list[np.ndarray]:
    """The codes of each class; raises ValueError for a class with too few for a covariance, and if not finite."""
    if z.ndim != 2 or labels.shape != z.shape[:1]:
        raise ValueError(f"z and labels must have shapes (N, D) and (N,); found {z.shape} and {labels.shape}")
    if not np.isfinite(z).all():
        raise ValueError("z must be finite; found NaN or infinity")
    rows = [z[labels == label] for label in range(classes)]
    short = [label for label, row in enumerate(rows) if len(row) <= z.shape[1]]
    if short:
        raise ValueError(f"class {short[0]} has {len(rows[short[0]])} codes; at least {z.shape[1] + 1} are needed")
    return rows
