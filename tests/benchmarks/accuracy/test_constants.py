"""Constants of `fit(x)`, halved and doubled: each exists, is put back, and what changes is counted."""

import importlib

import numpy as np
import pytest

import fbgmm
from benchmarks.accuracy.constants import CONSTANTS, compared, multiplied


@pytest.mark.parametrize("module", CONSTANTS)
def test_constants_are_put_back(module):
    where = importlib.import_module(f"fbgmm.auto.{module}")
    for name in CONSTANTS[module]:
        before = getattr(where, name)
        with multiplied(module, name, 2.0):
            assert np.all(np.not_equal(getattr(where, name), before))
        assert getattr(where, name) is before


@pytest.mark.slow
def test_a_constant_that_is_multiplied_is_used():
    x = np.random.default_rng(0).normal(size=300)
    before = fbgmm.fit(x)
    with multiplied("tails", "PRIOR", 2.0):
        assert not np.array_equal(fbgmm.fit(x).choice.shape, before.choice.shape)
    with multiplied("choose", "TEMPERATURE", 10.0):
        assert not np.array_equal(fbgmm.fit(x).choice.free_weight, before.choice.free_weight)
    np.testing.assert_array_equal(fbgmm.fit(x).pi, before.pi)


def test_losses_are_compared():
    default = {"l1": np.array([1.0, 2.0]), "regret": np.array([0.1, 0.3]), "misfit": np.array([0.5, 1.5])}
    other = {"l1": np.array([2.0, 1.0]), "regret": np.array([0.2, 0.4]), "misfit": np.array([2.0, 1.5])}
    assert compared(other, default) == pytest.approx({"l1": 1.0, "regret": 0.1, "missed": 2})
