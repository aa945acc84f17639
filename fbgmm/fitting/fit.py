"""fit and fit_batch: arguments checked on the host, then one compiled call.

Each returns a `Mixture`. On the host bad data raises; inside jit and vmap, where nothing can be raised, the mixture's
`status` says what was wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from .. import checks
from .._typing import Array
from ..algorithms import Algorithm, resolve
from ..auto.host import fit_host, fit_host_rows
from ..auto.traced import fit_rows
from ..basis import t_bound
from ..checks import Edges, Outside
from ..compiling import is_tracing
from ..error_messages import complaint, warn_of_misfit, warn_of_precision
from ..mixture import Mixture
from ..status import Status
from .engine import Options, Parts
from .padding import few_lengths, on_host, padded_length
from .shards import run

N, T, ALGORITHM = 200, 2.0, 2
"""What stands for an argument that is not given where another is."""


def fit(
    x: Any,
    n: int | None = None,
    t: Any = None,
    algorithm: Algorithm | int | None = None,
    *,
    weights: Any = None,
    low: Any = None,
    high: Any = None,
    outside: Outside = "end",
    edges: Edges = "find",
) -> Mixture:
    """Fits the weights of n Gaussians on a fixed basis to one-dimensional data, in one pass.

    With none of n, t and algorithm given, the data choose: many smoothings are cross-validated on the counts, averaged,
    and collapsed onto one fine basis (`fbgmm.auto`); `Mixture.report` says how. For that the data should number 20 or
    more. Where one of the three is given, the others are n = 200, t = 2 and algorithm 2.

    Args:
        x: data, shape (N,): an array or a list, integers too.
        n: number of components.
        t: sigma in units of the spacing of the means, usually 1 to 5. Larger is smoother.
        algorithm: 1, 2, or an `Algorithm`.
        weights: data weights, shape (N,): 0 means absent, 2 means twice.
        low, high: range of the basis; where None, the minimum and maximum of the data.
        outside: what becomes of points outside a given range: "end": they count in its end cells; "drop": they are
            left out. `Mixture.outside` says how many there were.
        edges: where the data choose: at which ends of [low, high] the support of the density ends, so that it is
            mirrored there instead of running out: "none", "low", "high", "both", or "find": where the data say so.

    Returns:
        A `Mixture` without batch axes.

    Raises:
        ValueError: no data, all points equal, values that are not finite or too large to square, weights negative or
            all zero, n < 1, t ≤ 0, low ≥ high, unknown algorithm or edges, edges together with
            n, t or algorithm. Inside jit those that depend on values end in `Mixture.status` instead.
        TypeError: x not real numbers, or half precision; n not an integer.

    Example:
        >>> import fbgmm
        >>> gmm = fbgmm.fit([2.1, 2.9, 3.0, 3.2, 7.5], n=50, t=3.0)
        >>> round(float(gmm.cdf(5.0)), 2)
        0.62
    """
    host = on_host(x, weights)
    x = checks.as_host_floats("x", x) if host else checks.as_floats("x", x)
    if x.ndim != 1:
        raise ValueError(f"x has shape {x.shape}; allowed: one dimension, (N,). For many data sets use fbgmm.fit_batch")
    weights = checks.as_weights(weights, x.shape)
    low, high = checks.given_range(low, high, dtype=x.dtype)
    drop, ends_at = checks.drops_outside(outside), checks.as_edges(edges)
    if n is None and t is None and algorithm is None:
        choose = fit_host if host and _is_plain(low, high) else fit_rows
        return _checked(choose(x, weights, low, high, drop, ends_at), x, weights, low, high)
    parts: Parts = few_lengths(x, weights) if host else ((x, weights),)
    n, t, algorithm = _defaults(n, t, algorithm, edges)
    capacity = checks.positive_integer("n", n)
    options = Options(capacity, t_bound(t, axes=0), resolve(algorithm), drop)
    ends: tuple[Any, Any] = low, high
    if host and low is None and high is None and weights is None and (found := _finite_ends(x)):
        ends, options = found, options._replace(seen=True)
    return _checked(run(parts, *ends, *_scalars(x.dtype, capacity, t), options), x, weights, low, high)


def _checked(gmm: Mixture, x: Any, weights: Any, low: Any, high: Any) -> Mixture:
    """The mixture, where the data were good; raises ValueError where they were not and that can be known."""
    if checks.is_concrete(gmm.status):
        status = Status(int(np.asarray(gmm.status)))
        if wrong := status & ~Status.MISFIT:
            raise ValueError(complaint(int(wrong), x, weights, low, high))
        warn_of_misfit(gmm, int(Status.MISFIT in status), 1)
        if isinstance(x, np.ndarray):
            warn_of_precision(x, weights)
    return gmm


def fit_batch(
    xs: Any,
    n: Any = None,
    t: Any = None,
    algorithm: Algorithm | int | None = None,
    *,
    weights: Any = None,
    low: Any = None,
    high: Any = None,
    outside: Outside = "end",
    edges: Edges = "find",
    on_error: Literal["raise", "status"] = "raise",
) -> Mixture:
    """Fits many data sets, with every combination of n and t, in one compiled call.

    With none of n, t and algorithm given, each data set chooses by itself, as in `fit`.

    Args:
        xs: data, shape (B, N), or a list of B one-dimensional arrays of any lengths.
        n: number of components; a sequence adds a batch axis. All share the capacity max(n).
        t: sigma in units of the spacing; a sequence adds a batch axis.
        algorithm: as in `fit`.
        weights: data weights, in the form of xs.
        low, high: ranges, scalars or shape (B,); where None, each data set's minimum and maximum.
        outside, edges: as in `fit`.
        on_error: "raise", or "status": rows with bad data (empty, not finite, no width) keep their place in the
            batch, with finite weights and a `Mixture.status` that says what was wrong.

    Returns:
        A `Mixture` of batch shape (B,), (B, len(n)), (B, len(t)) or (B, len(n), len(t)): the axes targets, n, t, in
        this order, those of n and t only where a sequence was given.

    Raises:
        ValueError, TypeError: as `fit`; the message names the first bad row and their number.

    Example:
        >>> import fbgmm
        >>> gmms = fbgmm.fit_batch([[1.0, 2.0, 4.0], [3.0, 5.0]], n=(10, 20), t=(1.0, 2.0, 3.0))
        >>> gmms.batch_shape, gmms[0, 1, 2].basis
        ((2, 2, 3), Basis(n=20, low=1, high=4, r=0.15, t=3))
    """
    if on_error not in ("raise", "status"):
        raise ValueError(f"on_error must be 'raise' or 'status'; found {on_error!r}")
    x, mask = _rectangle("xs", xs)
    if x.ndim != 2 or x.shape[0] == 0:
        raise ValueError(f"xs has shape {x.shape}; allowed: (B, N) with B at least 1, or a list of B arrays")
    w = mask
    if weights is not None:
        w = checks.as_weights(weights, x.shape) if mask is None else _ragged_weights(weights, mask)
    low, high = checks.given_range(low, high, x.shape[:1], x.dtype)
    drop, ends_at = checks.drops_outside(outside), checks.as_edges(edges)
    if n is None and t is None and algorithm is None:
        choose = fit_host_rows if on_host(x, w) and _is_plain(low, high) else fit_rows
        gmm = choose(x, w, low, high, drop, ends_at)
    else:
        n, t, algorithm = _defaults(n, t, algorithm, edges)
        ns = list(n) if _is_sequence(n) else [n]
        if not ns:
            raise ValueError(f"n must be an integer or a sequence of integers; found {n!r}")
        ns = [checks.positive_integer("n", each) for each in ns]
        options = Options(max(ns), t_bound(t), resolve(algorithm), drop)
        gmm = run(((x, w),), low, high, *_scalars(x.dtype, ns if _is_sequence(n) else ns[0], t), options)
    if on_error == "raise" and checks.is_concrete(gmm.status):
        status = np.asarray(gmm.status).reshape(x.shape[0], -1)[:, 0]  # the same for every n and t
        bad = np.flatnonzero(status & ~Status.MISFIT)
        if bad.size:
            i = int(bad[0])
            there = slice(None) if mask is None else np.asarray(mask[i])
            row_weights = None if weights is None or w is None else w[i][there]
            row_low, row_high = (None if end is None else end[i] for end in (low, high))
            first = complaint(int(status[i]), x[i][there], row_weights, row_low, row_high)
            raise ValueError(
                f"{bad.size} of the {x.shape[0]} data sets of xs cannot be fitted; the first is row {i}: {first}. "
                "With on_error='status' the others are fitted and gmms.status names the bad ones"
            )
        far = np.asarray(gmm.status) & Status.MISFIT
        warn_of_misfit(gmm, int(np.count_nonzero(far)), far.size)
    return gmm


def _is_plain(*ends: Any) -> bool:
    return checks.is_concrete(*ends) and not is_tracing()


def _defaults(n: Any, t: Any, algorithm: Any, edges: str) -> tuple[Any, Any, Any]:
    if edges != "find":
        raise ValueError(f"edges = {edges!r} is for fits that choose by themselves; leave out n, t and algorithm")
    return N if n is None else n, T if t is None else t, ALGORITHM if algorithm is None else algorithm


def _finite_ends(x: np.ndarray) -> tuple[Any, Any] | None:
    """Minimum and maximum, which numpy finds at the speed of memory; None where something is wrong with the data."""
    if not x.size:
        return None
    low, high = x.min(), x.max()
    fine = max(abs(low), abs(high)) <= checks.largest(x.dtype)  # False for NaN, which comes through both
    return (low, high) if fine else None


def _scalars(dtype: Any, n: Any, t: Any) -> tuple[Any, Any]:
    """n and t in the precision of the data; on the host where they are concrete, which costs less than a device."""
    return np.asarray(n, dtype), np.asarray(t, dtype) if checks.is_concrete(t) else jnp.asarray(t, dtype)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple, range)) or getattr(value, "ndim", 0) > 0


def _rectangle(name: str, rows: Any) -> tuple[Array, Array | None]:
    """Rows as one array (B, N), and a mask of what is data where their lengths differ."""
    if isinstance(rows, (jax.Array, np.ndarray)):
        return checks.as_floats(name, rows), None
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise TypeError(f"{name} must be an array of shape (B, N) or a list of B arrays; found {type(rows).__name__}")
    rows = list(rows)
    host = all(map(on_host, rows))
    as_array = checks.as_host_floats if host else checks.as_floats
    arrays: list[Any] = [as_array(f"{name}[{i}]", row) for i, row in enumerate(rows)]
    for i, array in enumerate(arrays):
        if array.ndim != 1:
            raise ValueError(f"{name}[{i}] has shape {array.shape}; allowed: one dimension, (N,)")
    if not arrays:
        raise ValueError(f"{name} holds no data sets; allowed: at least one")
    lengths, dtype = [len(a) for a in arrays], jnp.result_type(*arrays)
    if min(lengths) == max(lengths):
        return jnp.asarray(np.stack(arrays)) if host else jnp.stack(arrays), None
    room = padded_length(max(lengths))  # few shapes, so few compilations, whatever the lengths
    if not host:  # traced rows: their lengths are static all the same
        padded = jnp.stack([jnp.pad(a, (0, room - len(a))) for a in arrays])
    else:
        table = np.zeros((len(arrays), room), dtype)
        for row, array in zip(table, arrays, strict=True):
            row[: len(array)] = array
        padded = jnp.asarray(table)
    return padded, jnp.asarray(np.arange(room)[None, :] < np.asarray(lengths)[:, None])


def _ragged_weights(weights: Any, mask: Array) -> Array:
    table, given = _rectangle("weights", weights)
    if given is None or given.shape != mask.shape or not np.array_equal(given, mask):
        raise ValueError("weights must hold one array for each row of xs, of the same length; found other lengths")
    return table
