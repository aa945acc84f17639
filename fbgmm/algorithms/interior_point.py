"""Maximum likelihood of the weights by an interior-point method."""

from __future__ import annotations

from .._typing import Array
from ..basis import Basis
from .base import Algorithm
from .fine_counts import from_fine_counts, shares
from .predictor_corrector import maximise


def interior_point() -> Algorithm:
    """The weights of maximum likelihood on the basis: nonparametric maximum likelihood with means on a grid.

    Mehrotra's predictor and corrector on the optimality conditions, n × n normal equations by Cholesky: O(n³) for each
    of 20 iterations, whatever the number of points. In float64 the duality gap (`duality_gap`) is then below 1e-6.

    The unpenalised maximum is rarely the best estimate of a density: it is a sum of few separate Gaussians of width
    sigma. It is the reference for the other algorithms, and a good estimate where sigma is about the true width.

    References:
        Koenker and Mizera 2014, Convex optimization, shape constraints, compound decisions, and empirical Bayes rules,
        JASA 109, 674–685. Mehrotra 1992, On the implementation of a primal-dual interior point method, SIAM J. Optim.
        2, 575–601.

    Example:
        >>> import fbgmm
        >>> gmm = fbgmm.fit([1.0, 1.1, 1.2, 3.0, 3.1], n=20, t=3.0, algorithm=fbgmm.interior_point())
        >>> int((gmm.pi > 0.01).sum())  # two clusters
        2
    """

    return from_fine_counts(_weights)


def _weights(c: Array, basis: Basis) -> Array:
    return maximise(basis, shares(c))
