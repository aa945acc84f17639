"""The conformance checks pass for the library's algorithms and fail, with the reason, for broken ones."""

import jax
import jax.numpy as jnp
import pytest

import fbgmm
from fbgmm.algorithms import base
from fbgmm.counts import add, count
from fbgmm.testing import check_algorithm

CONFORMING = {
    "1": fbgmm.algorithm1(),
    "1 point_side": fbgmm.algorithm1("point_side"),
    "2": fbgmm.algorithm2(),
    "1 not clipped": fbgmm.algorithm1(clip=False),  # its weights are negative for t up to 1; the checks run at t = 2
    "2 clipped": fbgmm.algorithm2("minus_dL_over_n_clipped"),
}
NEGATIVE = {
    "2 minus_dL_over_n": fbgmm.algorithm2("minus_dL_over_n"),
    "2 minus_dL_over_N": fbgmm.algorithm2("minus_dL_over_N"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFORMING)
def test_the_librarys_algorithms_conform(name):
    assert check_algorithm(CONFORMING[name]) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", NEGATIVE)
def test_printed_readings_conform_but_for_their_sign(name):
    check_algorithm(NEGATIVE[name], nonnegative=False)
    with pytest.raises(AssertionError, match="weights must be at least 0; found -"):
        check_algorithm(NEGATIVE[name])


def plus_one(c, basis):
    return fbgmm.normalize(jnp.where(basis.live, c + 1, 0))


def shares(c, basis):
    """As plus_one, without the check of its sum."""
    c = jnp.where(basis.live, c + 1, 0)
    return c / jnp.sum(c)


GOOD = base.from_counts(plus_one)


def with_update(update):
    return GOOD._replace(update=update)


def with_weights(weights):
    return base.from_counts(weights)


def ignores_weights(state, basis, x, weights):
    return add(state, count(basis, x))


def halves_weights_above_one(state, basis, x, weights):
    weights = None if weights is None else jnp.minimum(weights.astype(x.dtype), 1)
    return add(state, count(basis, x, weights))


def forgets_the_past(state, basis, x, weights):
    return count(basis, x, weights)


def grows_its_state(state, basis, x, weights):
    return jax.tree.map(lambda leaf: jnp.pad(leaf, (0, 1)), GOOD.update(state, basis, x, weights))


def changes_dtype(state, basis, x, weights):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float16), GOOD.update(state, basis, x, weights))


def lets_nan_in(state, basis, x, weights):
    new = GOOD.update(state, basis, x, weights)
    return new._replace(weight=new.weight + 0 * jnp.sum(x))


def counts_at_trace_time(state, basis, x, weights):
    """Another result compiled than not compiled."""
    factor = 1 if isinstance(x, jax.core.Tracer) else 2
    return add(state, count(basis, x, jnp.arange(x.shape[0]) % 2 * factor + 1 if weights is None else weights))


def bad_merge(a, b):
    return a


BROKEN = {
    "keep the state's shapes": with_update(grows_its_state),
    "keep the state's shapes and dtypes": with_update(changes_dtype),
    r"weights must have shape \(30,\), the capacity; found \(29,\)": with_weights(lambda c, b: plus_one(c, b)[1:]),
    "weights must be finite": with_weights(lambda c, b: plus_one(c, b) * jnp.inf),
    "weights must sum to 1": with_weights(lambda c, b: plus_one(c, b) * 1.01),
    "weights must be at least 0": with_weights(lambda c, b: plus_one(c, b).at[0].add(-1).at[1].add(1)),
    "data change nothing": with_weights(lambda c, b: fbgmm.init_pi(b)),
    "jit must change nothing": with_update(counts_at_trace_time),
    "capacity beyond n must change nothing": with_weights(lambda c, b: fbgmm.normalize(c + 1)),
    "a weight of 0 must mean absent": with_update(ignores_weights),
    "a weight of 2 must mean twice": with_update(halves_weights_above_one),
    "merged parts must equal one pass": GOOD._replace(merge=bad_merge),
    "consecutive updates must equal one pass": with_update(forgets_the_past)._replace(merge=None),
    "weights must stay finite for data absent": with_weights(lambda c, b: jnp.where(b.live, c / jnp.sum(c), 0)),
    "weights must stay finite for data not finite": with_weights(shares)._replace(update=lets_nan_in),
}


def test_the_example_of_an_own_algorithm_conforms():
    check_algorithm(GOOD)


@pytest.mark.parametrize("words", BROKEN)
def test_broken_algorithms_are_told_why(words):
    with pytest.raises(AssertionError, match=f"check_algorithm: .*{words}"):
        check_algorithm(BROKEN[words])


def test_a_state_that_changes_its_structure():
    def update(state, basis, x, weights):
        return {"counts": GOOD.update(state, basis, x, weights)}

    with pytest.raises(AssertionError, match="check_algorithm: update must keep the state"):
        check_algorithm(with_update(update))


def test_an_algorithm_that_is_not_pure_under_vmap():
    """Every row must be fitted by itself: a sum over the batch, or a host call, is found by the vmap check."""

    def update(state, basis, x, weights):
        return add(state, count(basis, x, weights))

    def weights(c, basis):
        if isinstance(c, jax.core.Tracer):
            raise TypeError("a host computation")
        return plus_one(c, basis)

    with pytest.raises(TypeError, match="a host computation"):
        check_algorithm(with_weights(weights)._replace(update=update))
