"""Plots of mixtures: density, components, distribution function, quantiles, and many densities as a ridgeline.

Each function draws on matplotlib axes and returns them, so that everything about the picture stays in the caller's
hands: `ax=None` means pyplot's current axes. Needs the extra `figures`; the module itself loads matplotlib at the first
picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks
from ._typing import ArrayLike
from .error_messages import not_finite
from .mixture import Mixture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any  # matplotlib is loaded at the first picture

BLUE, PALE, ORANGE, GREY = "#0072B2", "#99C7E0", "#E69F00", "#7F7F7F"
"""After Okabe and Ito's colours, which people with any colour vision tell apart."""

POINTS = 513
"""Points of a curve."""

MOST_STEPS = 2000
"""Order statistics drawn of larger data: more are not told apart on a page."""

TAIL = 5e-3
"""Probability beyond either end of a picture, before a margin of a tenth of its range is added: a few points far out
in the tails would press all others together."""


def density(gmm: Mixture, data: ArrayLike | None = None, *, ax: Axes | None = None) -> Axes:
    """The density over a histogram of the data.

    Args:
        gmm: one mixture.
        data: shape (N,), or None: no histogram. Its bars have the share of all points as their area, those beyond
            the picture included.
        ax: matplotlib axes to draw on; None: the current ones.

    Returns:
        The axes.

    Raises:
        ValueError: data not one-dimensional, empty or not finite.
        TypeError: a batch of mixtures, or data not real numbers.
        ModuleNotFoundError: matplotlib is missing.

    Example:
        >>> import fbgmm
        >>> x = [1.0, 2.0, 2.0, 3.0, 5.0]
        >>> ax = fbgmm.plot.density(fbgmm.fit(x, n=50, t=3.0), data=x)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('x', 'density')
    """
    _single("density", gmm)
    ax = _axes(ax)
    low, high = _span(gmm)
    if data is not None:
        x = _finite(data)
        bars = int(np.clip(np.sqrt(x.size), 10, 100))
        counts, edges = np.histogram(x, bars, (low, high))
        heights = counts / (x.size * np.diff(edges))
        ax.stairs(heights, edges, fill=True, color=GREY, alpha=0.4, label="data")
    _curve(ax, gmm, low, high)
    return _labelled(ax, "x", "density", legend=data is not None)


def components(gmm: Mixture, *, ax: Axes | None = None) -> Axes:
    """The density and, below it, the weighted normal densities pi_i N(x; mu_i, sigma²) that it is the sum of.

    Args:
        gmm: one mixture. Components of less than a thousandth of the largest weight are left out.
        ax: as in `density`.

    Returns:
        The axes.

    Raises:
        TypeError: a batch of mixtures.
        ModuleNotFoundError: matplotlib is missing.

    Example:
        >>> import fbgmm
        >>> ax = fbgmm.plot.components(fbgmm.fit([1.0, 2.0, 2.0, 3.0, 5.0], n=20, t=1.0))
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('x', 'density')
    """
    _single("components", gmm)
    ax = _axes(ax)
    from matplotlib.collections import LineCollection

    pi = np.asarray(gmm.pi, np.float64)
    sigma = np.broadcast_to(np.asarray(gmm.basis.widths, np.float64), pi.shape)
    seen = pi / sigma > 1e-3 * (pi / sigma).max()
    sigma = sigma[seen, None]
    z = np.linspace(-4, 4, 65)
    x = np.asarray(gmm.basis.mu, np.float64)[seen, None] + sigma * z
    heights = pi[seen, None] * np.exp(-0.5 * z**2) / (sigma * np.sqrt(2 * np.pi))
    label = f"{int(seen.sum())} components"
    ax.add_collection(LineCollection(list(np.stack([x, heights], -1)), colors=ORANGE, linewidths=0.7, label=label))
    _curve(ax, gmm, *_span(gmm))
    return _labelled(ax, "x", "density", legend=True)


def cdf(gmm: Mixture, data: ArrayLike | None = None, *, ax: Axes | None = None) -> Axes:
    """The distribution function over the empirical one.

    Args:
        gmm: one mixture.
        data: shape (N,), or None: no steps.
        ax: as in `density`.

    Returns:
        The axes.

    Raises:
        ValueError, TypeError, ModuleNotFoundError: as `density`.

    Example:
        >>> import fbgmm
        >>> x = [1.0, 2.0, 2.0, 3.0, 5.0]
        >>> ax = fbgmm.plot.cdf(fbgmm.fit(x, n=50, t=3.0), data=x)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('x', 'probability')
    """
    _single("cdf", gmm)
    ax = _axes(ax)
    low, high = _span(gmm)
    if data is not None:
        x, share = _order_statistics(_finite(data))
        ends = np.r_[min(low, x[0]), x, max(high, x[-1])]
        ax.step(ends, np.r_[0, share, 1], where="post", color=GREY, linewidth=2.4, alpha=0.6, label="data")
    x = np.linspace(low, high, POINTS)
    ax.plot(x, gmm.cdf(x), color=BLUE, linewidth=1.3, label="mixture")
    ax.set_xlim(low, high)
    return _labelled(ax, "x", "probability", legend=data is not None)


def qq(gmm: Mixture, data: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Quantiles of the data against those of the mixture: on the diagonal where the two agree.

    Args:
        gmm: one mixture.
        data: shape (N,). The k-th smallest stands at the mixture's quantile of (k − ½)/N.
        ax: as in `density`.

    Returns:
        The axes.

    Raises:
        ValueError, TypeError, ModuleNotFoundError: as `density`.

    Example:
        >>> import fbgmm
        >>> x = [1.0, 2.0, 2.0, 3.0, 5.0]
        >>> ax = fbgmm.plot.qq(fbgmm.fit(x, n=50, t=3.0), x)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('quantile of the mixture', 'quantile of the data')
    """
    _single("qq", gmm)
    ax = _axes(ax)
    x = _finite(data)
    x, share = _order_statistics(x, less=0.5 / x.size)
    expected = np.asarray(gmm.icdf(share))
    ends = [min(expected[0], x[0]), max(expected[-1], x[-1])]
    ax.plot(ends, ends, color=GREY, linewidth=0.8)
    ax.plot(expected, x, linestyle="none", marker=".", markersize=4, color=BLUE)
    return _labelled(ax, "quantile of the mixture", "quantile of the data")


def batch(gmms: Mixture, *, labels: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Many densities one below the other, at one scale: a ridgeline. The first stands at the top.

    Args:
        gmms: mixtures with one batch axis, shape (B,).
        labels: a name for each, B of them; None: their indices.
        ax: as in `density`.

    Returns:
        The axes.

    Raises:
        ValueError: another number of batch axes or of labels.
        ModuleNotFoundError: matplotlib is missing.

    Example:
        >>> import fbgmm
        >>> ax = fbgmm.plot.batch(fbgmm.fit_batch([[1.0, 2.0, 4.0], [3.0, 5.0]], n=20), labels=["a", "b"])
        >>> ax.get_xlabel(), [text.get_text() for text in ax.get_yticklabels()]
        ('x', ['a', 'b'])
    """
    if len(gmms.batch_shape) != 1:
        raise ValueError(
            f"batch draws mixtures with one batch axis; found batch shape {gmms.batch_shape}: "
            "take one axis, such as gmms[:, 0], and for a single mixture use fbgmm.plot.density"
        )
    rows = gmms.batch_shape[0]
    names = [str(i) for i in range(rows)] if labels is None else list(labels)
    if len(names) != rows:
        raise ValueError(f"labels must hold {rows} names, one for each mixture; found {len(names)}")
    ax = _axes(ax)
    low, high = _span(gmms)
    x = np.linspace(low, high, POINTS)
    heights = np.asarray(gmms.prob(x[:, None])).T
    heights = heights * (1.6 / heights.max())  # of the distance of two rows: they may overlap, and still be told apart
    for row, height in enumerate(heights):
        ax.fill_between(x, row - height, row, facecolor=PALE, linewidth=0, zorder=2 + row)
        ax.plot(x, row - height, color=BLUE, linewidth=1.0, zorder=2 + row)
    every = -(-rows // 25)
    ax.set_yticks(range(0, rows, every), names[::every])
    ax.set_xlim(low, high)
    ax.set_ylim(rows - 0.8, -1.8)  # downwards
    return _labelled(ax, "x", "density, one row for each mixture")


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('fbgmm.plot needs matplotlib; install with: pip install "fbgmm[figures]"') from error
    return pyplot.gca()


def _single(name: str, gmm: Mixture) -> None:
    if gmm.batch_shape:
        raise TypeError(
            f"{name} draws one mixture; found batch shape {gmm.batch_shape}: take gmms[i], or use fbgmm.plot.batch"
        )


def _span(gmm: Mixture) -> tuple[float, float]:
    """The range of the picture: that of all mixtures of a batch but for their tails."""
    ends = np.asarray(gmm.icdf(np.array([TAIL, 1 - TAIL]).reshape(2, *[1] * len(gmm.batch_shape))), np.float64)
    low, high = ends[0].min(), ends[1].max()
    return low - (high - low) / 10, high + (high - low) / 10


def _finite(data: ArrayLike) -> np.ndarray:
    x = checks.as_host_floats("data", data)
    checks.one_dimension("data", x)
    if checks.usable_ends(x) is None:
        raise ValueError(not_finite("data", x, checks.finite(x)) if x.size else "data is empty; allowed: some points")
    return x


def _order_statistics(x: np.ndarray, less: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Sorted data, or `MOST_STEPS` of them, and the share of points up to each, less a constant."""
    k = np.unique(np.linspace(0, x.size - 1, min(x.size, MOST_STEPS)).round().astype(int))
    return np.sort(x)[k], (k + 1) / x.size - less


def _curve(ax: Axes, gmm: Mixture, low: float, high: float) -> None:
    x = np.linspace(low, high, POINTS)
    ax.plot(x, gmm.prob(x), color=BLUE, linewidth=1.3, label="mixture")
    ax.set_xlim(low, high)
    ax.set_ylim(bottom=0)


def _labelled(ax: Axes, x: str, y: str, legend: bool = False) -> Axes:
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if legend:
        ax.legend()
    return ax
