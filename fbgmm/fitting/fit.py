"""`fit` and `fit_batch`: arguments checked on the host, then one compiled call.

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
from .._typing import AnyArray, ArrayLike
from ..algorithms import Algorithm, resolve
from ..auto.host import fit_host, fit_host_rows
from ..auto.octaves import BINS
from ..auto.traced import fit_rows
from ..basis import N, T, t_bound
from ..error_messages import bad_data, warn_of_misfit, warn_of_precision
from ..mixture import Mixture
from ..status import Status
from .engine import Options
from .padding import padded_rows, standard_pieces
from .prepare import Data, Points, Request, copied, examine_on_host, on_host, request
from .shards import fit_on_host, run

ALGORITHM = 2
"""The default where n or t is given."""


def settings(
    n: ArrayLike | None, t: ArrayLike | None, algorithm: Algorithm | int | None, edges: checks.Edges = "find"
) -> tuple[Any, Any, Any] | None:
    """n, t and algorithm with the defaults n = 200, t = 2, algorithm 2 for what is None; None: the data choose.

    Raises:
        ValueError: edges given together with one of them.
    """
    if n is None and t is None and algorithm is None:
        return None
    if edges != "find":
        raise ValueError(f"edges = {edges!r} is for fits that choose by themselves; leave out n, t and algorithm")
    return N if n is None else n, T if t is None else t, ALGORITHM if algorithm is None else algorithm


def fit(
    x: ArrayLike,
    n: int | None = None,
    t: ArrayLike | None = None,
    algorithm: Algorithm | int | None = None,
    *,
    weights: ArrayLike | None = None,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    outside: checks.Outside = "end",
    edges: checks.Edges = "find",
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
    x, weights = checks.points("x", x, weights)
    given = settings(n, t, algorithm, edges)
    if given is None:
        x, weights = copied(x, weights)
    data = checks.as_host_floats("x", x) if on_host(x, weights) else checks.as_floats("x", x)
    checks.one_dimension("x", data, "; for many data sets use fbgmm.fit_batch")
    asked = request(data, checks.as_weights(weights, data.shape), low, high, outside, edges)
    if given is None:
        found = _examined(asked, BINS)
        return _checked(fit_rows(asked) if found is None else fit_host(found, asked), asked)
    n, t, algorithm = given
    capacity = checks.components(n, data.dtype)
    options = Options(capacity, t_bound(t, axes=0), resolve(algorithm), asked.drop_outside)
    scalars = _scalars(data.dtype, capacity, t)
    found = _examined(asked, capacity)
    if found is None:
        return _checked(run(asked.points, *scalars, options), asked)
    return _checked(fit_on_host(found._replace(pieces=standard_pieces(*found.pieces[0])), *scalars, options), asked)


def _examined(asked: Request, cells: int) -> Data | None:
    """One data set, examined, if it is on the host; raises ValueError where nothing can be fitted to it."""
    if not asked.host:
        return None
    points = asked.points
    data = examine_on_host(points, asked.drop_outside, cells)
    if data.status:
        raise ValueError(bad_data(int(data.status), *points))
    ends = (points.x.min(), points.x.max()) if points.given else (data.low, data.high)
    warn_of_precision(*ends, points.weights)
    return data


def _checked(gmm: Mixture, asked: Request) -> Mixture:
    """The mixture of one data set; raises ValueError where its status is known and bad."""
    if checks.is_concrete(gmm.status):
        status = Status(int(np.asarray(gmm.status)))
        if wrong := status & ~Status.MISFIT:
            raise ValueError(bad_data(int(wrong), *asked.points))
        warn_of_misfit(gmm, int(Status.MISFIT in status), 1)
    return gmm


def fit_batch(
    xs: ArrayLike | Iterable[ArrayLike],
    n: ArrayLike | None = None,
    t: ArrayLike | None = None,
    algorithm: Algorithm | int | None = None,
    *,
    weights: ArrayLike | Iterable[ArrayLike] | None = None,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    outside: checks.Outside = "end",
    edges: checks.Edges = "find",
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
    asked, present = _batch(xs, weights, low, high, outside, edges)
    given = settings(n, t, algorithm, edges)
    if given is None:
        _room(asked.points.x, BINS, 1)
        gmm = fit_host_rows(asked) if asked.host else fit_rows(asked)
    else:
        number, t, algorithm = given
        ns = [checks.components(each) for each in (number if np.ndim(number) else [number])]
        if not ns:
            raise ValueError(f"n must be an integer or a sequence of integers; found {n!r}")
        options = Options(max(ns), t_bound(t), resolve(algorithm), asked.drop_outside)
        _room(asked.points.x, max(ns), len(ns) * np.size(t))
        gmm = run(asked.points, *_scalars(asked.points.x.dtype, ns if np.ndim(number) else ns[0], t), options)
    if on_error == "raise" and checks.is_concrete(gmm.status):
        if gmm.status is not None and _any(gmm.status):
            _raise_for_rows(gmm, asked.points, present)
            far = np.asarray(gmm.status) & Status.MISFIT
            warn_of_misfit(gmm, int(np.count_nonzero(far)), far.size)
        _warn_of_rows(gmm, asked, present)
    return gmm


def _any(status: jax.Array) -> bool:
    """Whether a row has a flag. An accelerator is asked for that one bit: copying all takes longer than the fit."""
    return bool(np.any(np.asarray(status)) if on_host(status) else jnp.any(status))


def _batch(xs: Any, weights: Any, low: Any, high: Any, outside: Any, edges: Any) -> tuple[Request, AnyArray | None]:
    """The request of a batch, and which entries are points where the rows differ in length."""
    xs, weights = _without_masked(xs, weights)
    x, present = padded_rows("xs", xs)
    if x.ndim != 2 or x.shape[0] == 0:
        raise ValueError(f"xs has shape {x.shape}; allowed: (B, N) with B at least 1, or a list of B arrays")
    w = present
    if weights is not None and present is None:
        w = checks.as_weights(weights, x.shape)
    elif weights is not None and present is not None:
        w, given = padded_rows("weights", weights)
        if given is None or given.shape != x.shape or not np.array_equal(given, present):
            raise ValueError("weights must hold one array for each row of xs, of the same length; found other lengths")
    return request(x, w, low, high, outside, edges), present


def _room(x: AnyArray, cells: int, fits: int) -> None:
    """Raises ValueError where the bases and weights of all fits are more than the memory holds."""
    number = x.shape[0] * fits
    checks.memory(f"a batch of {number} fits with {cells} components each", 4 * x.dtype.itemsize * cells * number)


def _warn_of_rows(gmm: Mixture, asked: Request, present: AnyArray | None) -> None:
    """As `warn_of_precision`, for the rows of a batch on the host."""
    if not asked.host:
        return
    if gmm.choice is None and not asked.points.given:  # the range is that of the data
        low, high = (np.asarray(a).reshape(asked.points.x.shape[0], -1)[:, 0] for a in (gmm.basis.low, gmm.basis.high))
    else:
        x, there = np.asarray(asked.points.x), True if present is None else np.asarray(present)
        low, high = x.min(axis=1, initial=np.inf, where=there), x.max(axis=1, initial=-np.inf, where=there)
    warn_of_precision(low, high, asked.points.weights)


def _without_masked(xs: Any, weights: Any) -> tuple[Any, Any]:
    """The rows of a batch, and their weights, without masked points."""
    if isinstance(xs, str) or not isinstance(xs, Iterable) or hasattr(xs, "columns"):
        return xs, weights  # an error of `padded_rows`
    if all(type(rows) is np.ndarray or isinstance(rows, jax.Array) for rows in (xs, weights) if rows is not None):
        return xs, weights
    rows = list(xs)
    ws = [None] * len(rows) if weights is None else list(weights)
    if len(ws) != len(rows):
        raise ValueError(f"weights must hold one array for each of the {len(rows)} rows of xs; found {len(ws)}")
    pairs = [checks.points(f"xs[{i}]", *pair) for i, pair in enumerate(zip(rows, ws, strict=True))]
    return [x for x, _ in pairs], None if weights is None else [w for _, w in pairs]


def _raise_for_rows(gmm: Mixture, points: Points, present: AnyArray | None) -> None:
    """Raises ValueError for the first data set of a batch that could not be fitted."""
    status = np.asarray(gmm.status).reshape(points.x.shape[0], -1)[:, 0]  # the same for every n and t
    bad = np.flatnonzero(status & ~Status.MISFIT)
    if not bad.size:
        return
    i = int(bad[0])
    there = slice(None) if present is None else np.asarray(present[i])
    row = jax.tree.map(lambda a: a[i], points)
    w = None if row.weights is None or points.weights is present else row.weights[there]
    first = bad_data(int(status[i]), row.x[there], w, row.low, row.high)
    raise ValueError(
        f"{bad.size} of the {status.size} data sets of xs cannot be fitted; the first is row {i}: {first}. "
        "With on_error='status' the others are fitted and gmms.status names the bad ones"
    )


def _scalars(dtype: np.dtype, n: ArrayLike, t: ArrayLike) -> tuple[Any, Any]:
    """n and t in the precision of the data; on the host where they are concrete, which costs less than a device."""
    return np.asarray(n, dtype), np.asarray(t, dtype) if checks.is_concrete(t) else jnp.asarray(t, dtype)
