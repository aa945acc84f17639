"""The registry of metrics: how an estimate is judged on one sample, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..accuracy.losses import KnownDensity, distances, log_likelihood, reference
from ..methods.fitted import Fitted
from ..methods.names import ConfigError, is_own, load, module_of, needed_arguments, resolve
from .target_registry import Drawn

INFORMATION_LOSS = "information_loss"


class Experiment:
    """What an estimate is judged by.

    Attributes:
        x: the points that were fitted, float64, shape (N,).
        density: where they come from; None where that is not known.
        n: the config's number of components.
    """

    def __init__(self, drawn: Drawn, n: int) -> None:
        self.x, self.density, self._draw_new = drawn
        self.n = n

    @cached_property
    def new(self) -> np.ndarray:
        """Points that were not fitted: 20,000 fresh ones, or the rest of a file."""
        return self._draw_new()

    def cdf(self, at: np.ndarray) -> np.ndarray:
        """The true distribution function at points of any shape.

        Raises:
            ConfigError: it is not known.
        """
        return np.asarray(self.truth.cdf(at), np.float64)

    @property
    def truth(self) -> KnownDensity:
        if self.density is None:
            raise ConfigError("the true distribution function of these data is not known; use .new instead")
        return self.density


class Metric(NamedTuple):
    """A number for an estimate on a sample.

    Attributes:
        needs_truth: whether it compares with the true density.
    """

    measure: Callable[[Fitted, Experiment], float]
    needs_truth: bool


def information_loss(estimate: Fitted, experiment: Experiment) -> float:
    """Eq. 9 through the distribution functions, on the n cells over the range of the sample.

    These are the cells of a mixture of this library on n means, so that any estimate can be compared with it.
    """
    edges = np.linspace(experiment.x.min(), experiment.x.max(), experiment.n + 1)
    off = experiment.cdf(edges) - estimate.cdf(edges)
    return float(abs(off[0]) + np.sum(np.abs(np.diff(off))) + abs(off[-1]))


def l1(estimate: Fitted, experiment: Experiment) -> float:
    """∫ |f − g|, in [0, 2]."""
    return distances(reference(experiment.truth, experiment.x), estimate.pdf).l1


def held_out(estimate: Fitted, experiment: Experiment) -> float:
    """The mean log density of new points, in nats; −∞ where the estimate holds one of them impossible."""
    return log_likelihood(estimate.log_pdf, experiment.new)[0]


METRICS = {
    INFORMATION_LOSS: Metric(information_loss, needs_truth=True),
    "L1": Metric(l1, needs_truth=True),
    "held_out": Metric(held_out, needs_truth=False),
}
"""All metrics by name."""


def find(name: Any) -> tuple[str, Metric]:
    """A metric with its name as the registry spells it: a known one, or the user's own as `module:name`.

    Raises:
        ConfigError: there is none, or it is no function of an estimate and an experiment.
    """
    found, metric = resolve(name, METRICS, "metric", _own)
    return str(found), metric


def roots(name: str) -> tuple[Any, ...]:
    """What a metric's numbers follow from."""
    return (_own, module_of(name)) if is_own(name) else (find(name)[1].measure,)


def _own(name: str) -> Metric:
    function = load(name)
    if not callable(function) or needed_arguments(function) != 2:
        raise ConfigError(f"{name} is {function!r}; allowed: a function (estimate, experiment) → number")
    return Metric(lambda estimate, experiment: float(function(estimate, experiment)), needs_truth=False)
