"""`FixedBasisMixture`: the density of one or several columns, as a scikit-learn estimator."""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import checks
from .._typing import Array, ArrayLike
from ..algorithms import Algorithm, resolve
from ..auto.folds import draw_folds
from ..basis import Basis, N, T, init_basis
from ..counts import Counts, add, count, no_counts, total
from ..fitting.fit import ALGORITHM, fit_batch, settings
from ..fitting.padding import padded
from ..mixture import Mixture
from ..multivariate.rotated import Rotated, fit_rotated

COLUMNS = ("independent", "rotated")


class FixedBasisMixture(DensityMixin, BaseEstimator):
    """Density estimation with Gaussians on a fixed basis (`fbgmm.fit`, `fbgmm.fit_rotated`, `fbgmm.fit_stream`).

    One column has one mixture. Several are either independent, each with its own mixture, or `rotated`: mapped to a
    standard normal density by rotations and marginals in turn (`fbgmm.Rotated`), which keeps their dependence and has
    an exact density too.

    Args:
        n, t, algorithm: as in `fbgmm.fit`. With none of them given the data choose, with rotated columns where rounds
            is not given either; `partial_fit` then takes n = 200, t = 2 and Algorithm 2.
        low, high: ranges of the bases of independent columns, numbers or shape (n_features,); where None, those of
            the data.
        outside, edges: as in `fbgmm.fit`.
        columns: "independent" or "rotated".
        rounds: of rotation, as in `fbgmm.fit_rotated`.
        random_state: of `sample`. Fits are deterministic.

    Attributes:
        density_: a `Mixture` of batch shape (n_features,), or a `Rotated`.
        n_features_in_: number of columns.

    Example:
        >>> import fbgmm
        >>> import numpy as np
        >>> from fbgmm.sklearn import FixedBasisMixture
        >>> X = np.random.default_rng(0).normal(size=(500, 2))
        >>> model = FixedBasisMixture(n=50, t=2.0, random_state=0).fit(X)
        >>> model.score_samples(X).shape, model.sample(3).shape, round(model.score(X), 1)
        ((500,), (3, 2), -2.8)
    """

    density_: Any
    _stream: _Stream | None

    def __init__(
        self,
        n: int | None = None,
        t: float | None = None,
        algorithm: Algorithm | int | None = None,
        *,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
        outside: checks.Outside = "end",
        edges: checks.Edges = "find",
        columns: str = "independent",
        rounds: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n = n
        self.t = t
        self.algorithm = algorithm
        self.low = low
        self.high = high
        self.outside = outside
        self.edges = edges
        self.columns = columns
        self.rounds = rounds
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> FixedBasisMixture:
        """Fits the density; what was fitted before is forgotten.

        Args:
            X: data, shape (n_samples, n_features), at least two samples.
            y: ignored.
            sample_weight: shape (n_samples,): 0 means absent, 2 means twice.

        Raises:
            ValueError: as `fbgmm.fit` and `fbgmm.fit_rotated`; constant columns.
        """
        x, w = self._data(X, sample_weight, first=True, least=2)
        self._stream = None
        if self._rotated():
            self.density_ = fit_rotated(x, self.rounds, self.n, self.t, weights=w)
        elif settings(self.n, self.t, self.algorithm, self.edges) is None:
            _check_widths(x, w, self.low, self.high)
            rows = None if w is None else np.broadcast_to(w, x.T.shape)
            ends: Any = {"outside": self.outside, "edges": self.edges}
            self.density_ = fit_batch(x.T, weights=rows, low=self.low, high=self.high, **ends)
        else:
            self._start(x, w)
            stream = self._absorb(x, w)
            if not np.asarray(jax.vmap(total)(stream.counts)).any(axis=1).all():
                raise ValueError("X has a column whose points all lie outside [low, high]; found none to fit")
        return self

    def _additive(self) -> bool:
        if self._rotated():
            raise AttributeError("rotated columns do not add up: only independent ones can be fitted part by part")
        return True

    @available_if(_additive)
    def partial_fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> FixedBasisMixture:
        """Adds data to the fit, as a stream of parts does: the counts of all parts add up, bit by bit.

        The bases stay as they were made by the first part, or by `fit` with n, t or algorithm given. Give `low` and
        `high` for a stream: where they are None, they are the ends of that part, and later points beyond them count in
        the end cells or are dropped, as `outside` says, with a warning. A fit that chose by itself is started afresh,
        with n = 200, t = 2 and Algorithm 2 where these are not given.

        Args:
            X, y, sample_weight: as in `fit`; one sample is enough where low and high are given.
        """
        first = getattr(self, "_stream", None) is None
        x, w = self._data(X, sample_weight, first=first, least=1)
        if first:
            self._start(x, w)
        elif self.low is None or self.high is None:
            basis = self.density_.basis
            beyond = ((x < np.asarray(basis.low)) | (x > np.asarray(basis.high))).any(axis=1).mean()
            if beyond:
                warnings.warn(
                    f"{beyond:.0%} of these points lie outside the range of the first part; give low and high",
                    stacklevel=2,
                )
        self._absorb(x, w)
        return self

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Log density of each sample, in nats, shape (n_samples,)."""
        check_is_fitted(self)
        x, _ = self._data(X, None, first=False, least=1)
        return np.asarray(_log_density(self.density_, jnp.asarray(padded(x))), np.float64)[: len(x)]

    def score(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Mean log density of the samples, in nats; weighted by `sample_weight`."""
        return float(
            np.average(self.score_samples(X), weights=None if sample_weight is None else np.asarray(sample_weight))
        )

    def sample(self, n_samples: int = 1) -> np.ndarray:
        """Draws, shape (n_samples, n_features), by `random_state`."""
        check_is_fitted(self)
        key = jax.random.key(check_random_state(self.random_state).randint(2**31 - 1))
        return np.asarray(self.density_.sample(key, (checks.positive_integer("n_samples", n_samples),)))

    def effective_parameters(self) -> float:
        """By how much the log-likelihood of the data in the fit exceeds the cross-validated one, in nats.

        That is what a parameter of a regular model costs (Stone 1977). Of columns that chose by themselves it is
        `Choice.parameters`; else the counts are split into five parts and each is scored without itself.

        Raises:
            ValueError: rotated columns, whose fit keeps no counts; compare them by cross-validation.
        """
        check_is_fitted(self)
        if isinstance(self.density_, Rotated):
            raise ValueError("columns = 'rotated' has no count of parameters; compare such fits by cross-validation")
        if self._stream is None:
            return float(np.sum(np.asarray(self.density_.choice.parameters)))
        return float(np.sum(np.asarray(_optimism(self._stream.counts, self.density_, self._settings()[2]))))

    def bic(self, X: ArrayLike) -> float:
        """−2 log-likelihood of X + `effective_parameters` · log n_samples: smaller is better."""
        scores = self.score_samples(X)
        return float(-2 * scores.sum() + self.effective_parameters() * math.log(len(scores)))

    def aic(self, X: ArrayLike) -> float:
        """−2 log-likelihood of X + 2 `effective_parameters`: smaller is better."""
        return float(-2 * self.score_samples(X).sum() + 2 * self.effective_parameters())

    def _settings(self) -> tuple[int, float, Algorithm]:
        """n, t and algorithm, with their defaults, of a fit that does not choose by itself."""
        n, t, algorithm = settings(self.n, self.t, self.algorithm, self.edges) or (N, T, ALGORITHM)
        return checks.positive_integer("n", n), t, resolve(algorithm)

    def _rotated(self) -> bool:
        if self.columns not in COLUMNS:
            raise ValueError(f"columns must be 'independent' or 'rotated'; found {self.columns!r}")
        alone = {name: getattr(self, name) for name in ("algorithm", "low", "high")}
        if self.columns == "rotated" and any(value is not None for value in alone.values()):
            raise ValueError(f"columns = 'rotated' takes none of algorithm, low and high; found {alone}")
        return self.columns == "rotated"

    def _data(
        self, X: ArrayLike, sample_weight: ArrayLike | None, first: bool, least: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        checks.refuse_masked("X", X)
        checks.refuse_masked("sample_weight", sample_weight)
        kinds = [np.float64, np.float32]
        X = validate_data(self, X, dtype=kinds, reset=first, ensure_min_samples=least)
        w = None
        if sample_weight is not None:
            w = checks.as_host_floats("sample_weight", _check_sample_weight(sample_weight, X, ensure_non_negative=True))
            if not w.any():
                raise ValueError("sample_weight must have some weight above 0; found all 0")
        x = checks.as_host_floats("X", X)
        if not checks.finite(x).all():
            raise ValueError(
                f"X must be within ±{checks.largest(x.dtype):.3g} ({x.dtype}); found {np.abs(X).max():.3g}"
            )
        return x, w

    def _start(self, x: np.ndarray, w: np.ndarray | None) -> None:
        """Empty counts on bases over the range of the data, or the given one."""
        n, t, algorithm = self._settings()
        _check_widths(x, w, self.low, self.high)
        present = x if w is None else x[w > 0]
        low, high = checks.given_range(self.low, self.high, x.shape[1:], x.dtype)
        low = jnp.asarray(present.min(axis=0)) if low is None else low
        high = jnp.asarray(present.max(axis=0)) if high is None else high
        basis = init_basis(low, high, n, t)
        self._stream = _Stream(jax.vmap(algorithm.init)(basis), jax.vmap(no_counts)(basis))
        self.density_ = Mixture(basis, jnp.ones((*basis.batch_shape, basis.capacity), basis.dtype) / basis.capacity)

    def _absorb(self, x: np.ndarray, w: np.ndarray | None) -> _Stream:
        weights = padded(np.ones(len(x), bool) if w is None else w)
        basis, drop = self.density_.basis, checks.drops_outside(self.outside)
        stream, pi = _add(self._stream, basis, padded(x).T, weights, self._settings()[2], drop)
        self._stream, self.density_ = stream, Mixture(basis, pi)
        return stream


class _Stream(NamedTuple):
    """What the data have done so far, column by column: the algorithm's state, and counts for `bic` and `aic`."""

    state: Any
    counts: Counts


@partial(jax.jit, static_argnames=("algorithm", "drop"))
def _add(
    stream: _Stream, basis: Basis, columns: Array, weights: Array, algorithm: Algorithm, drop: bool
) -> tuple[_Stream, Array]:
    """The stream with one more part, and the weights pi."""

    def column(stream: _Stream, basis: Basis, x: Array) -> tuple[_Stream, Array]:
        kept = (x >= basis.low) & (x <= basis.high) if drop else jnp.ones(x.shape, bool)
        w = jnp.where(kept, weights, jnp.zeros_like(weights))
        state = algorithm.update(stream.state, basis, x, w)
        return _Stream(state, add(stream.counts, count(basis, x, w))), algorithm.weights(state, basis)

    return jax.vmap(column)(stream, basis, columns)


@partial(jax.jit, static_argnames="algorithm")
def _optimism(counts: Counts, gmms: Mixture, algorithm: Algorithm) -> Array:
    """Log-likelihood of the counts under the mixtures above that of each fifth under the fit without it."""

    def column(counts: Counts, basis: Basis, pi: Array) -> Array:
        c = total(counts)
        folds = draw_folds(c)

        def without(fold: Array) -> Array:
            state = algorithm.update(algorithm.init(basis), basis, basis.mu, c - fold)
            return Mixture(basis, algorithm.weights(state, basis)).log_prob(basis.mu)

        return jnp.sum(c * Mixture(basis, pi).log_prob(basis.mu)) - jnp.sum(folds * jax.vmap(without)(folds))

    return jax.vmap(column)(counts, gmms.basis, gmms.pi)


@jax.jit
def _log_density(density: Mixture | Rotated, x: Array) -> Array:
    return density.log_prob(x) if isinstance(density, Rotated) else jnp.sum(density.log_prob(x), axis=1)


def _check_widths(x: np.ndarray, w: np.ndarray | None, low: ArrayLike | None, high: ArrayLike | None) -> None:
    """Raises ValueError for a constant column whose range is not given."""
    present = x if w is None else x[w > 0]
    constant = np.flatnonzero(present.min(axis=0) == present.max(axis=0))
    if constant.size and (low is None or high is None):
        j = int(constant[0])
        raise ValueError(f"X is constant in column {j}, {present[0, j]} in {len(present)} samples; give low and high")
