"""The densities of latent codes that are compared: ours, the rivals, and the codes of the test images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from fbgmm.nn.digits.autoencoder import CLASSES
from fbgmm.nn.digits.latent import LatentMixture

from ..harness.timing import race
from . import unsupervised
from .case import Case
from .report import CEILING, EM_DIAGONAL, EM_FULL, INDEPENDENT, OURS, SW
from .rivals import Rival, em_gmm, kept, sw_gmm

ROUNDS = 3  # of the timing of a fit that takes less than a second


class Density(NamedTuple):
    """A method after its fit.

    Attributes:
        sample: sample(key, label, count) → codes.
        log_prob: log_prob(codes, label), or None.
        seconds: of the fit, compiled before; None where there is nothing to fit.
        details: of the fit, for the file.
    """

    sample: Callable[[jax.Array, int, int], Any]
    log_prob: Callable[[np.ndarray, int], Any] | None
    seconds: float | None
    details: dict[str, Any]


def fit_ours(case: Case, independent: bool) -> Density:
    def fit() -> LatentMixture:
        found = LatentMixture.fit(case.z, case.labels, CLASSES, independent=independent, seed=case.seed)
        return jax.block_until_ready(found)

    found = fit()
    ((_, timing),) = race({OURS: fit}, ROUNDS, budget=60)
    shares = np.zeros((CLASSES, 1)) if found.log_shares is None else np.asarray(found.log_shares)
    components = np.isfinite(shares).sum(axis=1).tolist()
    return Density(found.sample, found.log_prob, timing.median, {"components": components})


def em_rival(case: Case, covariance: Literal["full", "diag"] = "full") -> Rival:
    """EM with the number of components by BIC, or what it gave before."""
    fit = partial(em_gmm, case.z, case.labels, covariance, seed=case.seed)
    return kept(case.folder / f"seed{case.seed}_EM-{covariance}.npz", fit, case.progress)


def sw_rival(case: Case) -> Rival:
    """By sliced Wasserstein distance, or what that gave before."""
    key = jax.random.fold_in(jax.random.key(case.seed), 1)
    fit = partial(sw_gmm, key, case.z, case.labels, descent=case.sizes.descent)
    return kept(case.folder / f"seed{case.seed}_SW.npz", fit, case.progress)


def fit_em(case: Case, covariance: Literal["full", "diag"]) -> Density:
    rival = em_rival(case, covariance)
    details = {"components": rival.components, "seconds_chosen": rival.seconds_chosen}
    return Density(rival.sample, rival.log_prob, rival.seconds, details)


def fit_sw(case: Case) -> Density:
    rival = sw_rival(case)
    return Density(rival.sample, rival.log_prob, rival.seconds, {"components": rival.components})


def real_codes(case: Case) -> Density:
    """The codes of the test images themselves: what the decoder allows a perfect density."""
    return Density(lambda key, label, count: case.test_z[case.test_labels == label][:count], None, None, {})


METHODS: dict[str, Callable[[Case], Density]] = {
    CEILING: real_codes,
    OURS: partial(fit_ours, independent=False),
    INDEPENDENT: partial(fit_ours, independent=True),
    EM_FULL: partial(fit_em, covariance="full"),
    EM_DIAGONAL: partial(fit_em, covariance="diag"),
    SW: fit_sw,
}


def group_ours(case: Case) -> unsupervised.Groups:
    return unsupervised.ours(jax.random.key(case.seed), case.z)


def group_em(case: Case) -> unsupervised.Groups:
    return unsupervised.em(case.z, case.seed)


def group_sw(case: Case) -> unsupervised.Groups:
    return unsupervised.sw(jax.random.key(case.seed), case.z, descent=case.sizes.descent)


GROUPS: dict[str, Callable[[Case], unsupervised.Groups]] = {OURS: group_ours, EM_FULL: group_em, SW: group_sw}
"""Groups found without labels."""
