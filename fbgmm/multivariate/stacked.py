"""Normal mixtures of 1 to 32 components, fitted by EM, cross-validated and stacked to one: what `fit_rotated(x)` does.

Each candidate is fitted to all data and to all but each fifth. Their shares in the answer maximise the likelihood of
the fifths that were left out (stacking: Smyth and Wolpert 1999, Linearly combining density estimators via stacking), so
that data of one normal density have one component, and few data few. A sum of normal mixtures is a normal mixture.

All candidates lie side by side in one mixture, whose steps of EM are a few products of matrices, in one program.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from .._typing import Array, Float
from .normal_mixtures import NormalMixture, component_logs, logs_where_standard, standardised

_EXACT = jax.lax.Precision.HIGHEST

COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Numbers of components of the candidates."""

_OWNER = np.repeat(np.arange(len(COUNTS)), COUNTS)  # the candidate of each component
_FIRST = np.diff(_OWNER, prepend=-1) > 0  # the first component of each candidate

FOLDS = 5
STEPS = 30
"""Of EM, with the prior and again without. Twice as many gain a hundredth of a nat (`python -m benchmarks several`)."""

STACKING_STEPS = 100

POINTS_EACH = 10
"""Candidates have at least so many points for each component; one that holds fewer keeps its prior, lest it become a
needle on single points, which cross-validation does not see."""

PRIORS = (3.0, 0.0)
"""Points that the prior of each covariance counts for, one stage of EM after the other, each stage a candidate: about
the D + 2 degrees of Fraley and Raftery (2007, Bayesian regularization for normal mixture estimation and model-based
clustering) in few dimensions; then none, for columns with ties and sheets that the prior would blur."""

FLOOR = 1e-6
"""Added to the variances, in units of the data's own: scikit-learn's `reg_covar`."""

MOST_ROWS = 1 << 15
"""Of larger data so many rows are drawn: as good as all for 32 components, and the time stops growing."""

_BLOCK = 1 << 12  # rows whose shares in all components are held at a time: they stay in cache

_SHRINKS = 1e-5  # a variance in one step, at most to so much of itself: float32 has the Cholesky factor of no less


def in_order(x: Float[Array, "N D"], w: Float[Array, " N"]) -> tuple[Array, Array]:
    """Rows sorted by their columns, absent ones last, so that no answer depends on the order in which they came."""
    order = jnp.lexsort([w, *x.T[::-1], w <= 0])
    return x[order], w[order]


def drawn(x: Float[Array, "N D"], w: Float[Array, " N"]) -> tuple[Array, Array]:
    """At most `MOST_ROWS` of the rows that are present, of data `in_order`: one at random in each of as many intervals
    of equal length (systematic sampling), by a fixed key."""
    if len(w) <= MOST_ROWS:
        return x, w
    present, i = jnp.sum(w > 0), jnp.arange(MOST_ROWS)
    place = (i + jax.random.uniform(jax.random.key(1), i.shape, x.dtype)) * (present / MOST_ROWS).astype(x.dtype)
    at = jnp.where(present > MOST_ROWS, jnp.clip(place.astype(i.dtype), 0, present - 1), i)
    return x[at], w[at]


@jax.jit
def fit_stacked(x: Float[Array, "N D"], w: Float[Array, " N"]) -> NormalMixture:
    """The stacked mixture of one data set.

    Args:
        x: white data, mean 0, covariance the identity; `in_order`.
        w: data weights, 0 where absent.
    """
    x, w = drawn(x, w)
    room = -len(w) % _blocks(len(w))
    x, w = jnp.pad(x, ((0, room), (0, 0))), jnp.pad(w, (0, room))
    fold = _folds(len(w))
    # The last row of weights is that of all data.
    kept = jnp.where(fold[None] == jnp.arange(FOLDS + 1)[:, None], 0, w[None])
    found, logs = jax.lax.map(lambda w: _fit_candidates(x, w), kept)
    held_out = jnp.take_along_axis(logs, fold[None, None, None, :], axis=0)[0].reshape(-1, len(w))
    counts = jnp.tile(jnp.asarray(COUNTS), len(PRIORS))
    allowed = (jnp.sum(w) >= POINTS_EACH * counts) | (counts == 1)
    # Few components at first: they keep what the held-out points do not take from them.
    begin = jnp.where(allowed, -2 * jnp.log(counts.astype(x.dtype)), -jnp.inf)
    log_share = _stacked(held_out, jax.nn.log_softmax(begin), w).reshape(len(PRIORS), -1)
    every = jax.tree.map(lambda leaf: leaf[-1].reshape(-1, *leaf.shape[3:]), found)
    return NormalMixture(every.log_share + log_share[:, _OWNER].reshape(-1), every.mean, every.root)


def _blocks(N: int) -> int:
    return -(-N // _BLOCK)


def _folds(N: int) -> Array:
    """The fold of each row: five neighbours in order are in five folds, turned by a hash of their place (multiples of
    2³²/golden ratio: Knuth 1998, The Art of Computer Programming 3, section 6.4), lest a period of the data be one of
    the folds."""
    row = jnp.arange(N, dtype=jnp.uint32)
    turn = (row // FOLDS * jnp.uint32(2654435769)) >> 16
    return ((row + turn) % FOLDS).astype(jnp.int32)


def _stacked(logs: Float[Array, "C N"], begin: Float[Array, " C"], w: Float[Array, " N"]) -> Float[Array, " C"]:
    """Logarithms of the shares that maximise the likelihood of held-out points, by EM."""
    logs = jnp.where(w > 0, logs, 0)
    share = w / jnp.maximum(jnp.sum(w), jnp.finfo(w.dtype).tiny)

    def step(log_share: Array, _: None) -> tuple[Array, None]:
        r = jax.nn.softmax(log_share[:, None] + logs, axis=0)
        return jnp.log(jnp.matmul(r, share, precision=_EXACT)), None

    return jax.lax.scan(step, begin, length=STACKING_STEPS)[0]


def _fit_candidates(x: Float[Array, "N D"], w: Float[Array, " N"]) -> tuple[NormalMixture, Array]:
    """All candidates after each stage, batch shape (stages,), and their log densities, shape (stages, C, N)."""
    K = jnp.asarray(np.repeat(COUNTS, COUNTS), x.dtype)
    D = x.shape[1]
    x_blocks, w_blocks = x.reshape(_blocks(len(w)), -1, D), w.reshape(_blocks(len(w)), -1)
    prior = K ** (-2 / D)  # the variance of a K-th of the white data

    def stage(mixture: NormalMixture, strength: Array) -> tuple[NormalMixture, tuple[NormalMixture, Array]]:
        mixture = jax.lax.fori_loop(0, STEPS, lambda _, now: _step(now, x_blocks, w_blocks, strength, prior), mixture)
        logs = jax.lax.map(lambda x: _shared(component_logs(mixture, x))[1], x_blocks)
        return mixture, (mixture, jnp.moveaxis(logs, 0, 1).reshape(-1, len(w)))

    root = jnp.sqrt(prior)[:, None, None] * jnp.eye(D, dtype=x.dtype)[None]
    return jax.lax.scan(stage, NormalMixture(-jnp.log(K), _far_apart(x, w), root), jnp.asarray(PRIORS, x.dtype))[1]


def _sums(each: Float[Array, "K ..."]) -> Float[Array, "C ..."]:
    """Sums over the components of each candidate."""
    return jnp.matmul(jnp.asarray(np.arange(len(COUNTS))[:, None] == _OWNER, each.dtype), each, precision=_EXACT)


def _shared(logs: Float[Array, "K N"]) -> tuple[Float[Array, "K N"], Float[Array, "C N"]]:
    """Shares of the components of each candidate in each point, and the candidates' log densities there."""
    most = jax.ops.segment_max(logs, _OWNER, len(COUNTS), indices_are_sorted=True)
    ratio = jnp.exp(logs - most[_OWNER])
    total = _sums(ratio)
    return ratio / total[_OWNER], jnp.log(total) + most


def _step(mixture: NormalMixture, x: Array, w: Array, strength: Array, prior: Array) -> NormalMixture:
    """One step of EM for all candidates, from blocks of rows. Moments are taken where the component is standard normal,
    about its mean: no digits are lost, however narrow it is."""
    K, D = mixture.mean.shape

    def add_block(sums: tuple[Array, ...], block: tuple[Array, Array]) -> tuple[tuple[Array, ...], None]:
        x, w = block
        away = standardised(mixture, x)[1]
        r = _shared(logs_where_standard(mixture, away))[0] * w[None]
        # One component after the other: products of long matrices, which are faster than one of many axes.
        second = jax.lax.map(lambda one: jnp.matmul(one[0] * one[1], one[1].T, precision=_EXACT), (r[:, None], away))
        more = jnp.sum(r, axis=1), jnp.einsum("kn,kdn->kd", r, away, precision=_EXACT), second
        return tuple(a + b for a, b in zip(sums, more, strict=True)), None

    zero = tuple(jnp.zeros(shape, x.dtype) for shape in ((K,), (K, D), (K, D, D)))
    n, first, second = jax.lax.scan(add_block, zero, (x, w))[0]
    inverse = standardised(mixture, x[0, :1])[0]
    held = jnp.maximum(n, 1e-6)
    strength = jnp.where(n < POINTS_EACH, PRIORS[0], strength)
    shift = first / held[:, None]
    scatter = second - held[:, None, None] * shift[:, :, None] * shift[:, None, :]
    least = FLOOR + strength * prior / (held + strength)
    unit = jnp.einsum("kde,kfe->kdf", inverse, inverse, precision=_EXACT)
    inside = scatter / (held + strength)[:, None, None] + unit * least[:, None, None]
    turn = jnp.linalg.cholesky(inside + _SHRINKS * jnp.eye(D, dtype=x.dtype)[None])
    share = n + 1e-3
    return NormalMixture(
        jnp.log(share / _sums(share)[_OWNER]),
        mixture.mean + jnp.einsum("kde,ke->kd", mixture.root, shift, precision=_EXACT),
        jnp.matmul(mixture.root, turn, precision=_EXACT),
    )


def _far_apart(x: Float[Array, "N D"], w: Float[Array, " N"]) -> Float[Array, "K D"]:
    """Points for the components of each candidate, each drawn with probability proportional to its squared distance
    from those before (k-means++: Arthur and Vassilvitskii 2007)."""

    def draw(least: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        key, first = now
        least = jnp.where(first, 1, least)
        i = jax.random.categorical(key, jnp.log(w) + jnp.log(jnp.maximum(least, 1e-30)))
        return jnp.minimum(least, jnp.sum(jnp.square(x - x[i][None]), axis=1)), x[i]

    keys = jax.random.split(jax.random.key(0), len(_OWNER))
    return jax.lax.scan(draw, jnp.ones_like(w), (keys, jnp.asarray(_FIRST)))[1]


def whitening(
    x: Float[Array, "N D"], w: Float[Array, " N"]
) -> tuple[Float[Array, " D"], Float[Array, " D"], Float[Array, "D D"]]:
    """mean, scale and W: (x − mean)/scale @ W has the identity as its covariance."""
    share = w / jnp.maximum(jnp.sum(w), jnp.finfo(x.dtype).tiny)
    mean = jnp.einsum("n,nd->d", share, jnp.where((w > 0)[:, None], x, 0), precision=_EXACT)
    centred = jnp.where((w > 0)[:, None], x - mean[None], 0)
    scale = jnp.sqrt(jnp.einsum("n,nd->d", share, jnp.square(centred), precision=_EXACT))
    scale = jnp.where(scale > 0, scale, 1)
    centred = centred / scale[None]
    strength, axes = jnp.linalg.eigh(jnp.einsum("n,ni,nj->ij", share, centred, centred, precision=_EXACT))
    least = jnp.finfo(x.dtype).eps * x.shape[1]
    return mean, scale, axes / jnp.sqrt(jnp.maximum(strength, least))[None]
