"""The picture at the head of README and site: one fit of real data with its interval, and a batch of ten.

The data are the ten measurements of 569 breast tumours that come with scikit-learn (Street, Wolberg and Mangasarian
1993, "Nuclear feature extraction for breast tumor diagnosis").
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

import fbgmm

from . import style
from .request import Request

MEASUREMENTS = 10
"""The first columns are the means over the cells of an image, the others their errors and extremes."""


def tumours() -> tuple[np.ndarray, list[str]]:
    """Measurements, shape (10, 569), and their names."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    names = [str(name).removeprefix("mean ") for name in data.feature_names[:MEASUREMENTS]]
    return data.data[:, :MEASUREMENTS].T, names


def overview(request: Request) -> Figure:
    """Left `fit(x)`, right `fit_batch(rows)`; the data alone choose n, t and smoothing."""
    rows, names = tumours()
    figure = style.new_figure(style.PAGE, 2.6)
    left, right = figure.subplots(1, 2)
    x = rows[names.index("radius")]
    gmm = fbgmm.fit(x)
    low, median, high = np.asarray(gmm.icdf(np.array([0.05, 0.5, 0.95])))
    fbgmm.plot.density(gmm, data=x, ax=left)
    inside = np.linspace(low, high, 200)
    left.fill_between(inside, gmm.prob(inside), color=style.BLUE, alpha=0.25, linewidth=0)
    left.vlines(median, 0, gmm.prob(median), color=style.ORANGE, linewidth=1.2, linestyle="--")
    left.legend(["data", "fit", f"90 % interval: {low:.1f} to {high:.1f}", f"median: {median:.1f}"])
    left.set_xlabel("radius of cell nuclei")
    standard = (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)
    fbgmm.plot.batch(fbgmm.fit_batch(standard), labels=names, ax=right)
    right.set_xlabel("standard deviations from the mean")
    right.set_ylabel("")
    style.name_panels([left, right], ["fbgmm.fit(x): 569 tumours", "fbgmm.fit_batch(rows): their ten measurements"])
    return figure
