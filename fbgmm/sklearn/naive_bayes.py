"""`FixedBasisNB`: naive Bayes whose class-conditional marginals are fixed-basis mixtures."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import checks
from .._typing import Array, ArrayLike
from ..basis import t_bound
from ..fitting.fit import fit_batch
from ..fitting.padding import padded, padded_length
from ..mixture import Mixture
from ..updates import step2

T = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
STRENGTHS = (1.0, 10.0, 100.0)
POWERS = tuple(2.0 ** (-k / 4) for k in range(17))
"""What is tried where t, strength and power are not given."""

MARGIN = 0.05  # of a basis beyond the data, in units of their range
FAR = 1.0  # beyond the data: farther points are taken there, where the classes' ratio does not change any more


class FixedBasisNB(ClassifierMixin, BaseEstimator):
    """Naive Bayes: P(class | x) ∝ P(class) · Π_d g(x_d | class)^power, with a fixed-basis mixture for each g.

    All classes and features are fitted by Algorithm 2 in one compiled call of `fbgmm.fit_batch`. They share one t, so
    that a value which all classes have, as rounded data do, weighs the same in all. Where t, strength or power is not
    given, it is the one with the least leave-one-out log loss of the classes: Algorithm 2 adds up, so that leaving one
    point out needs no new fit.

    Args:
        n: number of components, over the range of each feature.
        t: sigma in units of their spacing.
        strength: what each point counts for against the uniform weights that Algorithm 2 starts from, which are worth
            about ten points: the larger, the less smoothing.
        power: how much each feature counts for. 1: naive Bayes as such, which is too sure of itself where features
            depend on one another; features that are copies of one another in groups of k want 1/k.
        priors: of the classes, shape (n_classes,); None: their shares among the data.

    Attributes:
        classes_: labels, shape (n_classes,).
        class_prior_: shape (n_classes,).
        mixtures_: the class-conditional marginals, a `Mixture` of batch shape (n_classes, n_used): of the features that
            are not constant, each scaled so that its range is [0, 1].
        used_: which features are not constant, shape (n_features,).
        t_, strength_, power_: those given or chosen.
        loss_: leave-one-out log loss of the training data with these, in nats.

    Example:
        >>> import fbgmm
        >>> from fbgmm.sklearn import FixedBasisNB
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = FixedBasisNB().fit(X, y)
        >>> model.mixtures_.batch_shape, model.predict_proba(X[:5]).shape, model.score(X, y) > 0.93
        ((3, 4), (5, 3), True)
    """

    def __init__(
        self,
        n: int = 100,
        t: float | None = None,
        strength: float | None = None,
        power: float | None = None,
        *,
        priors: ArrayLike | None = None,
    ):
        self.n = n
        self.t = t
        self.strength = strength
        self.power = power
        self.priors = priors

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> FixedBasisNB:
        """Fits the marginals of all classes, and chooses what is not given.

        Args:
            X: data, shape (n_samples, n_features).
            y: labels, shape (n_samples,).
            sample_weight: shape (n_samples,): 0 means absent, 2 means twice.

        Raises:
            ValueError: priors of another number, negative, or not of sum 1; t, strength or power not above 0; n < 1.
        """
        x, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, label = np.unique(y, return_inverse=True)
        w = _check_sample_weight(sample_weight, x, ensure_non_negative=True)
        present = w > 0
        if not present.any():
            raise ValueError("sample_weight must have some weight above 0; found all 0")
        x, label, w = x[present], label[present], w[present]
        K = len(self.classes_)
        mass = np.bincount(label, w, K)
        self.class_prior_ = self._priors(mass / mass.sum())
        self._low, self._width = x.min(axis=0), np.ptp(x, axis=0)
        self.used_ = self._width > 0
        if not (self.used_.any() and np.isfinite(self._width).all()):
            raise ValueError(f"X must differ, by a finite range, in some feature; found ranges {self._width[:5]} …")
        tried = _Tried(
            _grid("t", self.t, T), _grid("strength", self.strength, STRENGTHS), _grid("power", self.power, POWERS)
        )
        n, z = checks.positive_integer("n", self.n), self._scaled(x)
        gmms = _marginals(z, label, w, K, n, tried)
        i, s, j, self.loss_ = _least_loss(gmms, z, label, w, self.class_prior_, tried)
        self.t_, self.strength_, self.power_ = tried.t[i], tried.strength[s], tried.power[j]
        chosen = gmms[s, :, :, i]
        self.mixtures_ = replace(chosen, basis=replace(chosen.basis, t_max=t_bound(self.t_)))
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable class of each sample, shape (n_samples,)."""
        best = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probabilities of the classes, shape (n_samples, n_classes)."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Their logarithms, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        z = self._scaled(validate_data(self, X, dtype=np.float64, reset=False))
        likelihood = np.asarray(_log_likelihood(self.mixtures_, jnp.asarray(padded(z))), np.float64)[: len(z)]
        return _posterior(self.power_ * likelihood, self.class_prior_)

    def _priors(self, shares: np.ndarray) -> np.ndarray:
        if self.priors is None:
            return shares
        priors = np.asarray(self.priors, np.float64)
        if priors.shape != shares.shape or not (priors >= 0).all() or abs(priors.sum() - 1) > 1e-6:
            raise ValueError(f"priors must be {len(shares)} numbers, at least 0 and of sum 1; found {self.priors!r}")
        return priors

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        """The features in use, from 0 to 1 over the training data, in float64 until then."""
        z = (X[:, self.used_] - self._low[self.used_]) / self._width[self.used_]
        return np.clip(z, -FAR, 1 + FAR).astype(jax.dtypes.canonicalize_dtype(np.float64))


class _Tried(NamedTuple):
    t: tuple[float, ...]
    strength: tuple[float, ...]
    power: tuple[float, ...]


def _grid(name: str, given: float | None, otherwise: tuple[float, ...]) -> tuple[float, ...]:
    if given is None:
        return otherwise
    if not 0 < float(given) <= checks.largest(np.float32):
        raise ValueError(f"{name} must be finite and above 0; found {given!r}")
    return (float(given),)


def _marginals(z: np.ndarray, label: np.ndarray, w: np.ndarray, K: int, n: int, tried: _Tried) -> Mixture:
    """The mixtures of every strength, class, feature and t, in one call; batch shape (strengths, K, D, ts)."""
    D, S = z.shape[1], len(tried.strength)
    sizes = np.bincount(label, minlength=K)
    room = np.arange(padded_length(int(sizes.max())))[None, :] < sizes[:, None]
    order = np.argsort(label, kind="stable")
    table, weights = np.zeros((*room.shape, D), z.dtype), np.zeros(room.shape, z.dtype)
    table[room], weights[room] = z[order], w[order]
    rows = np.broadcast_to(np.moveaxis(table, 2, 1), (S, K, D, room.shape[1])).reshape(S * K * D, -1)
    counted = np.asarray(tried.strength, z.dtype)[:, None, None, None] * weights[None, :, None, :]
    counted = np.broadcast_to(counted, (S, K, D, room.shape[1])).reshape(rows.shape)
    low, high = -MARGIN, 1 + MARGIN
    gmms = fit_batch(rows, n, tried.t, algorithm=2, weights=counted, low=low, high=high, on_error="status")
    return jax.tree.map(lambda leaf: leaf.reshape(S, K, D, *leaf.shape[1:]), gmms)


def _least_loss(
    gmms: Mixture, z: np.ndarray, label: np.ndarray, w: np.ndarray, prior: np.ndarray, tried: _Tried
) -> tuple[int, int, int, float]:
    """Indices of the t, strength and power with the least leave-one-out log loss, and that loss."""
    data = padded(z), padded(label.astype(np.int32)), padded(w.astype(z.dtype))
    mass = np.bincount(label, w, len(prior))
    with np.errstate(divide="ignore"):
        log_prior = np.log(prior)
    arguments = [np.asarray(a, z.dtype) for a in (mass, log_prior, tried.strength, tried.power)]
    losses = np.asarray(_losses(gmms, *data, *arguments), np.float64)
    s, i, j = map(int, np.unravel_index(np.nanargmin(losses), losses.shape))
    return i, s, j, float(losses[s, i, j])


@jax.jit
def _losses(
    gmms: Mixture,
    x: Array,
    labels: Array,
    weights: Array,
    mass: Array,
    log_prior: Array,
    strengths: Array,
    powers: Array,
) -> Array:
    """Leave-one-out log losses, shape (strengths, ts, powers)."""

    def loss(likelihood: Array, power: Array) -> Array:
        posterior = jax.nn.log_softmax(power * likelihood + log_prior[None, :], axis=1)
        own = jnp.take_along_axis(posterior, labels[:, None], axis=1)[:, 0]
        return -jnp.sum(weights * jnp.where(weights > 0, own, 0)) / jnp.sum(weights)

    def of_t(gmms: Mixture, strength: Array) -> Array:
        likelihood = _without_itself(gmms, x, labels, weights, mass, strength)
        return jax.lax.map(lambda power: loss(likelihood, power), powers)

    def of_strength(both: tuple[Mixture, Array]) -> Array:
        gmms, strength = both
        return jax.lax.map(lambda each: of_t(each, strength), gmms)

    ts_first = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 3, 1), gmms)
    return jax.lax.map(of_strength, (ts_first, strengths))


def _without_itself(gmms: Mixture, x: Array, labels: Array, weights: Array, mass: Array, strength: Array) -> Array:
    """Log-likelihood of each point in each class, shape (N, K), in its own class by the fit without it.

    The density at the centre of the point's cell stands for that at the point. Of Algorithm 2 (pi ∝ 1/n + dL·c) it is
    (A·uniform + strength·Σ kernels)/(A + strength·mass) with A = 1/dL, so that a point's own kernel can be taken out.

    Args:
        gmms: of the classes and features, batch shape (K, D), on one basis.
        x: points, shape (N, D); `labels`, `weights`: shape (N,).
        mass: sum of the weights of each class, shape (K,).
    """
    n, basis = gmms.pi.shape[-1], jax.tree.map(lambda leaf: leaf[0, 0], gmms.basis)
    peak = 1 / (basis.sigma * jnp.sqrt(2 * jnp.pi))
    kernel = peak * jnp.exp(-0.5 * jnp.square((basis.mu[:, None] - basis.mu[None, :]) / basis.sigma))
    heights = jnp.einsum("kdn,nm->kdm", gmms.pi, kernel, precision=jax.lax.Precision.HIGHEST)
    cell = jnp.clip((x - basis.low) / basis.r, 0, n - 1).astype(jnp.int32)
    D = x.shape[1]
    density = heights[:, jnp.arange(D)[None, :], cell]  # (K, N, D)
    start = 1 / step2(basis.t)
    one = jnp.minimum(weights, 1)  # of data that stand for several, one is left out
    before, itself = start + strength * mass[labels], strength * one
    own = jnp.take_along_axis(density, labels[None, :, None], axis=0)[0]
    rest = (own * before[:, None] - itself[:, None] * peak) / (before - itself)[:, None]
    floor = own * jnp.asarray(1e-6, x.dtype)  # rounding must not make it negative
    rest = jnp.sum(jnp.log(jnp.maximum(rest, floor)), axis=1)
    likelihood = jnp.sum(jnp.log(density), axis=2).T
    mine = jnp.arange(mass.shape[0])[None, :] == labels[:, None]
    return jnp.where(mine, rest[:, None], likelihood)


@jax.jit
def _log_likelihood(gmms: Mixture, x: Array) -> Array:
    """Σ_d log g(x_d | class), shape (N, K)."""
    return jnp.sum(gmms.log_prob(x[:, None, :] * jnp.ones((1, gmms.batch_shape[0], 1), x.dtype)), axis=2)


def _posterior(log_likelihood: np.ndarray, prior: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # a class of prior 0 has probability 0
        joint = log_likelihood + np.log(prior)
    return joint - logsumexp(joint, axis=1, keepdims=True)
