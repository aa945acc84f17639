"""How many components the targets ask for."""

import numpy as np
import pytest

from fbgmm.nn.conditional.component_count import NUMBERS, components_for

SMOOTH = np.random.default_rng(0).normal(size=1000)


@pytest.mark.slow
def test_targets_with_two_scales_ask_for_more_than_smooth_ones():
    smooth = components_for(SMOOTH)
    assert smooth <= 32
    assert components_for(np.concatenate([SMOOTH, 8 + 0.05 * SMOOTH])) >= 4 * smooth


@pytest.mark.slow
def test_absent_targets_ask_for_nothing():
    spoilt = np.concatenate([SMOOTH, np.full(10, 1e4)])
    assert components_for(spoilt, 1.0 * (spoilt < 1e3)) == components_for(SMOOTH)
    assert components_for(spoilt) == 2 * NUMBERS[-1]


@pytest.mark.parametrize("y", [[3.0], [2.0, 2.0, 2.0]])
def test_targets_without_a_width_ask_for_the_least(y):
    assert components_for(y) == 2 * NUMBERS[0]


@pytest.mark.slow
def test_bad_targets_are_refused():
    with pytest.raises(ValueError, match="finite"):
        components_for([1.0, np.nan, 2.0])
