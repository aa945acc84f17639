"""Error messages and warnings about bad data: what was found and what is allowed."""

from __future__ import annotations

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np

from . import checks
from ._typing import AnyArray, ArrayLike
from .status import MisfitWarning, PrecisionWarning, Status


def bad_data(status: int, x: AnyArray, weights: AnyArray | None, low: ArrayLike | None, high: ArrayLike | None) -> str:
    """What is wrong with one data set of that status, fitted over [low, high] (None: not given)."""
    flags = Status(status)
    w = None if weights is None else np.asarray(weights, np.float64)
    if Status.NEGATIVE_WEIGHT in flags and w is not None:
        i = int(np.flatnonzero(w < 0)[0])
        return f"weights must be at least 0; found {w[i]:g} at index {i}"
    if Status.NOT_FINITE in flags:
        fine = np.asarray(checks.finite(x) | (False if weights is None else weights == 0))
        if w is not None and fine.all():
            return not_finite("weights", w, np.asarray(checks.finite(weights)))
        return not_finite("x", x, fine)
    if Status.EMPTY in flags:
        found = "no points" if x.shape[0] == 0 else f"{x.shape[0]} points, all outside [low, high] or of weight zero"
        return f"x is empty: found {found}; allowed: at least two different points with weights above zero"
    if low is not None or high is not None:
        first, last = (end if end is None else float(np.asarray(end)) for end in (low, high))
        ends = f"low = {'min(x)' if first is None else first}, high = {'max(x)' if last is None else last}"
        return f"low must be below high; found {ends}"
    points = np.asarray(x if w is None else x[np.flatnonzero(w > 0)])
    least, most = float(points.min()), float(points.max())
    if points.size == 1:
        found = f"one point {least!r}"
    elif least == most:
        found = f"{points.size} points, all equal to {least!r}"
    else:
        found = f"{points.size} points from {least!r} to {most!r}, too near to each other for {x.dtype}"
    hint = " (float32; more digits need jax_enable_x64)" if x.dtype == jnp.float32 else ""
    return f"x has no width: found {found}{hint}; allowed: at least two different values, or low and high given"


def not_finite(name: str, x: AnyArray, fine: np.ndarray) -> str:
    """That some values of x are not finite, or too large to square; `fine` says which ones are."""
    i = int(np.flatnonzero(~fine)[0])
    limit = checks.largest(x.dtype)
    return (
        f"{name} must be finite and within ±{limit:.3g} ({x.dtype}, so that squares are finite); "
        f"found {int((~fine).sum())} of {fine.size} that are not, the first {float(x[i])} at index {i}"
    )


def warn_of_misfit(gmm: Any, bad: int, of: int) -> None:
    """One MisfitWarning where any of the fits, `bad` of so many, has not the distribution of its data."""
    if not bad:
        return
    which = "the fit has" if of == 1 else f"{bad} of {of} fits have"
    if gmm.choice is None:
        why = "more than half of the points lie in one cell of the basis: it spans too wide a range, or n is too small"
        what = "leave out n, t and algorithm (the data choose then), or give low and high, or a larger n"
    else:
        worst = float(np.max(np.asarray(gmm.choice.misfit)))
        why = f"between the data's values their distribution function is missed by up to {worst:.2f}"
        what = "look at report() and plot.cdf(gmm, x); fit the parts of the data apart, or their logarithms"
    warnings.warn(f"{which} not the distribution of the data: {why}. What helps: {what}", MisfitWarning, stacklevel=4)


def warn_of_precision(low: Any, high: Any, weights: AnyArray | None) -> None:
    """Warns of data from low to high that lose their spread in float32, and of data weights that sum to about one.

    Args:
        low, high: of one data set or several, in the precision of the data.
        weights: of one data set or several, points last.
    """
    if low.dtype == np.float32:
        with np.errstate(invalid="ignore"):  # of rows without points
            narrow = (low < high) & (high - low < 2.0**-15 * np.maximum(abs(low), abs(high)))
        if np.any(narrow):
            i = int(np.argmax(narrow))
            first, last = float(np.ravel(low)[i]), float(np.ravel(high)[i])
            step = float(np.spacing(np.float32(max(abs(first), abs(last)))))
            warnings.warn(
                f"{f'x[{i}]' if low.ndim else 'x'} spans {last - first:.3g}, but float32 resolves no more than "
                f"{step:.3g} at {last:.6g}: subtract an offset, or set jax_enable_x64 and give float64",
                PrecisionWarning,
                stacklevel=4,
            )
    if weights is not None and np.issubdtype(weights.dtype, np.floating):
        w = np.atleast_2d(np.asarray(weights))
        heavy = np.asarray(np.sum(w, axis=-1, dtype=np.float64))
        one = np.flatnonzero((heavy > 0.99) & (heavy < 1.01))
        if one.size and (points := np.count_nonzero(w[one[0]])) > 1:
            warnings.warn(
                f"weights sum to {heavy[one[0]]:.3g}: they are counts here (2 means twice), so that all {points} "
                "points count as one in all; multiply them by the number of points",
                PrecisionWarning,
                stacklevel=4,
            )


def warn_of_underflow(exact: np.ndarray, rounded: np.ndarray) -> None:
    """Warns of a variance above zero that is zero in its precision."""
    if np.any((rounded == 0) & (exact > 0)):
        warnings.warn(
            f"the variance {np.max(exact[rounded == 0]):.3g} is below the least number of {rounded.dtype}; "
            "to_scipy() has moments in float64",
            PrecisionWarning,
            stacklevel=3,
        )
