"""Status flags of a fit, and its warnings: what was wrong with the data, where no exception can be raised.

Inside `jax.jit` and `jax.vmap` nothing can be raised, and in a batch of a million one bad row must not cost the others.
A fitted mixture therefore carries a status for each element; on the host `fbgmm.fit` turns it into an exception.
"""

from __future__ import annotations

from enum import IntFlag


class Status(IntFlag):
    """Bit flags: several things can be wrong at once. `Status(int(gmm.status))` names them."""

    OK = 0
    EMPTY = 1
    """No data, or all weights are zero: the weights pi are the initial ones, 1/n each."""
    NOT_FINITE = 2
    """Some points or weights were NaN, infinite or beyond the range of squares: they were left out of the fit."""
    NO_WIDTH = 4
    """low = high: one point, or all points equal. A range of one unit around the point was taken instead."""
    NEGATIVE_WEIGHT = 8
    """Some data weights were negative: they were taken as zero."""
    MISFIT = 16
    """The fit has not the distribution of the data: where the data choose, `Choice.misfit` is above `Choice.allowed`;
    with n and t given, more than half of the points, and 1/√N, lie in one of eight or more cells."""


class MisfitWarning(UserWarning):
    """On the host, once for each fit whose status holds `Status.MISFIT`: what is lost and what to do."""


class PrecisionWarning(UserWarning):
    """The data lose their spread in their precision, or their weights sum to about one point."""
