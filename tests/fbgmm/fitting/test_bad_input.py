"""Bad input: on the host an exception that names the argument, what was found and what is allowed."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fbgmm
from fbgmm import Status
from tests import oracle

GOOD = [1.0, 2.0, 4.0]
pytestmark = pytest.mark.usefixtures("unchecked_types")

# With n given nothing is chosen by cross-validation, which takes long to compile.
fit, fit_batch = partial(fbgmm.fit, n=20), partial(fbgmm.fit_batch, n=20)

CASES = {
    "empty": (lambda: fit([]), ValueError, "x is empty: found no points; allowed"),
    "one point": (lambda: fit([3.0]), ValueError, "x has no width: found one point 3.0"),
    "all equal": (lambda: fit([3.0] * 5), ValueError, "x has no width: found 5 points, all equal to 3.0"),
    "NaN": (lambda: fit([1.0, np.nan, 2.0]), ValueError, "x must be finite .* found 1 of 3 .* nan at index 1"),
    "inf": (lambda: fit([1.0, 2.0, -np.inf]), ValueError, "x must be finite .* -inf at index 2"),
    "1e300": (lambda: fit([1.0, 2.0, 1e300]), ValueError, "x must be finite and within .* at index 2"),
    "strings": (lambda: fit(["a", "b"]), TypeError, "x has dtype .* allowed: real numbers"),
    "text": (lambda: fit("12"), TypeError, "x has dtype .* allowed: real numbers"),
    "None": (lambda: fit(None), TypeError, "x has dtype object"),
    "objects": (lambda: fit([object(), None]), TypeError, "x has dtype object"),
    "a number": (lambda: fit(3.0), ValueError, r"x has shape \(\); allowed: one dimension"),
    "dates": (lambda: fit(np.array(["2020-01-01"], "M8[D]")), TypeError, "x has dtype datetime64"),
    "-1e300": (lambda: fit([-1e300, 1.0, 2.0]), ValueError, "x must be finite and within .* at index 0"),
    "complex": (lambda: fit([1j, 2.0]), TypeError, "x has dtype complex"),
    "float16": (lambda: fit(np.array(GOOD, np.float16)), TypeError, "x has dtype float16.* allowed: float32"),
    "bfloat16": (lambda: fit(jnp.array(GOOD, jnp.bfloat16)), TypeError, "x has dtype bfloat16"),
    "two dimensions": (lambda: fit([GOOD, GOOD]), ValueError, r"x has shape \(2, 3\); allowed: one dimension"),
    "ragged": (lambda: fit([[1.0], [1.0, 2.0]]), ValueError, "x must be a rectangular array"),
    "negative weight": (
        lambda: fit(GOOD, weights=[1, -1, 1]),
        ValueError,
        "weights must be at least 0; found -1",
    ),
    "zero weights": (
        lambda: fit(GOOD, weights=[0, 0, 0]),
        ValueError,
        "x is empty: found 3 points, all .* of weight zero",
    ),
    "NaN weight": (lambda: fit(GOOD, weights=[1, np.nan, 1]), ValueError, "weights must be finite .* at index 1"),
    "weights' shape": (lambda: fit(GOOD, weights=[1, 1]), ValueError, r"weights has shape \(2,\); allowed"),
    "infinite weight": (
        lambda: fit(GOOD, weights=[1, np.inf, 1]),
        ValueError,
        "weights must be finite .* index 1",
    ),
    "weights float16": (
        lambda: fit(GOOD, weights=np.ones(3, np.float16)),
        TypeError,
        "weights has dtype float16",
    ),
    "weights complex": (lambda: fit(GOOD, weights=[1j, 1, 1]), TypeError, "weights has dtype complex"),
    "one point of weight": (
        lambda: fit(GOOD, weights=[0, 2, 0]),
        ValueError,
        "x has no width: found one point 2",
    ),
    "all points dropped": (
        lambda: fit(GOOD, low=10.0, high=20.0, outside="drop"),
        ValueError,
        "x .*found 3 points, all outside|x is empty",
    ),
    "weights' type": (lambda: fit(GOOD, weights=["a"] * 3), TypeError, "weights has dtype"),
    "n = 0": (lambda: fit(GOOD, n=0), ValueError, "n must be at least 1; found 0"),
    "n = 2.5": (lambda: fit(GOOD, n=2.5), TypeError, "n must be an integer.* found 2.5"),
    "t = 0": (lambda: fit(GOOD, t=0.0), ValueError, "t must be finite and above 0, .* found 0.0"),
    "t < 0": (lambda: fit(GOOD, t=-2), ValueError, "t must be finite and above 0, .* found -2"),
    "t inf": (lambda: fit(GOOD, t=np.inf), ValueError, "t must be finite and above 0, .* found inf"),
    "t complex": (lambda: fit(GOOD, t=1j), TypeError, "t must be a number"),
    "t list": (lambda: fit(GOOD, t=[1.0, 2.0]), (TypeError, ValueError), r"t .*found \[1.0, 2.0\]"),
    "t that rounds to 0": (lambda: fit(np.float32(GOOD), t=1e-60), ValueError, "t must be .* found 1e-60"),
    "t that overflows": (lambda: fit(np.float32(GOOD), t=1e60), ValueError, r"t must be .* found 1e\+60"),
    "t of a batch": (lambda: fit_batch([GOOD], t=(1.0, -1.0)), ValueError, r"t must be .* found \(1.0, -1.0\)"),
    "no t": (lambda: fit_batch([GOOD], t=()), ValueError, r"t must .* found \(\)"),
    "t of two dimensions": (lambda: fit_batch([GOOD], t=[[1.0]]), (TypeError, ValueError), "t must"),
    "no n": (lambda: fit_batch([GOOD], n=()), ValueError, r"n must .* found \(\)"),
    "n of a batch": (lambda: fit_batch([GOOD], n=(3, 0)), ValueError, "n must be at least 1; found 0"),
    "n text": (lambda: fit(GOOD, n="200"), TypeError, "n must be an integer.* found '200'"),
    "n as text": (lambda: fit(GOOD, n="many"), TypeError, "n must be an integer.* found 'many'"),
    "t NaN": (lambda: fit(GOOD, t=np.nan), ValueError, "t must be finite and above 0"),
    "t text": (lambda: fit(GOOD, t="2"), TypeError, "t must be a number"),
    "algorithm 3": (
        lambda: fit(GOOD, algorithm=3),
        ValueError,
        "algorithm must be 1, 2 or an Algorithm.* found 3",
    ),
    "algorithm name": (lambda: fit(GOOD, algorithm="em"), ValueError, "algorithm must be 1, 2 .* found 'em'"),
    "update algorithm": (
        lambda: fbgmm.update_pi(jnp.ones(4), fbgmm.init_basis(0.0, 1.0, n=4), GOOD, algorithm=3),
        ValueError,
        "algorithm must be 1 or 2; found 3",
    ),
    "variant": (lambda: fbgmm.algorithm2("plane"), ValueError, "variant must be one of plain, .* found 'plane'"),
    "d = 0": (lambda: fbgmm.algorithm1(d=0.0), ValueError, "d must be above 0"),
    "low = high": (lambda: fit(GOOD, low=2.0, high=2.0), ValueError, "low must be below high; found low = 2.0"),
    "low > max": (lambda: fit(GOOD, low=9.0), ValueError, "low must be below high; found low = 9.0, high = max"),
    "low > max in a batch": (
        lambda: fit_batch([GOOD, GOOD], low=[0.0, 9.0]),
        ValueError,
        "row 1: low must be below high; found low = 9.0",
    ),
    "low of another shape": (lambda: fit(GOOD, low=[0.0, 1.0], high=9.0), ValueError, "low .*shape"),
    "low of another shape than the batch": (
        lambda: fit_batch([GOOD, GOOD], low=[0.0, 0.0, 0.0], high=9.0),
        ValueError,
        "low .*shape",
    ),
    "low text": (lambda: fit(GOOD, low="a"), TypeError, "low has dtype"),
    "low and high text": (lambda: fit(GOOD, low="a", high="b"), TypeError, "low has dtype"),
    "high float16": (lambda: fit(GOOD, high=np.float16(9)), TypeError, "high has dtype float16"),
    "high inf": (lambda: fit(GOOD, low=0.0, high=np.inf), ValueError, "high must be finite.* found inf"),
    "low NaN": (lambda: fit(GOOD, low=np.nan, high=1.0), ValueError, "low must be finite"),
    "outside": (lambda: fit(GOOD, outside="clip"), ValueError, "outside must be 'end' or 'drop'; found 'clip'"),
    "basis low > high": (lambda: fbgmm.init_basis(1.0, 0.0), ValueError, "low must be below high"),
    "basis n = -1": (lambda: fbgmm.init_basis(0.0, 1.0, n=-1), ValueError, "n must be at least 1; found -1"),
    "basis capacity": (lambda: fbgmm.init_basis(0.0, 1.0, n=9, capacity=4), ValueError, "n must be between 1 and capa"),
    "basis of nothing": (lambda: fbgmm.init_basis_from([]), ValueError, "x is empty: found no points"),
    "basis of a point": (lambda: fbgmm.init_basis_from([2.0]), ValueError, "x has no width: found one point 2.0"),
    "basis of a table": (lambda: fbgmm.init_basis_from([GOOD]), ValueError, r"x has shape \(1, 3\)"),
    "sum of pi": (lambda: fbgmm.normalize([0.0, 0.0]), ValueError, "pi must have a finite sum above 0; found 0"),
    "empty batch": (lambda: fit_batch([]), ValueError, "xs"),
    "batch of text": (lambda: fit_batch("abc"), TypeError, "xs must be an array"),
    "batch of numbers": (lambda: fit_batch(GOOD), ValueError, r"xs\[0\] has shape \(\)"),
    "batch row": (lambda: fit_batch([GOOD, [1.0, np.nan]]), ValueError, "1 of the 2 data sets.* row 1: x must"),
    "batch constant": (
        lambda: fit_batch([[2.0, 2.0], GOOD]),
        ValueError,
        "row 0: x has no width: found 2 points",
    ),
    "batch of three dimensions": (lambda: fit_batch(np.ones((2, 2, 2))), ValueError, r"xs has shape \(2, 2, 2\)"),
    "batch of a ragged row": (
        lambda: fit_batch([GOOD, [[1.0], [1.0, 2.0]]]),
        ValueError,
        r"xs\[1\] must be a rec",
    ),
    "batch float16": (lambda: fit_batch([np.ones(3, np.float16)]), TypeError, r"xs\[0\] has dtype float16"),
    "batch of empty rows": (lambda: fit_batch([[], GOOD]), ValueError, "row 0: x is empty: found no points"),
    "batch without rows": (lambda: fit_batch(np.ones((0, 5))), ValueError, r"xs has shape \(0, 5\)"),
    "batch negative weight": (
        lambda: fit_batch([GOOD, GOOD], weights=[[1, 1, 1], [1, 1, -2]]),
        ValueError,
        "row 1: weights must be at least 0; found -2 at index 2",
    ),
    "batch weights": (lambda: fit_batch([GOOD, [1.0]], weights=[[1, 1], [1]]), ValueError, "weights must hold"),
    "on_error": (
        lambda: fit_batch([GOOD], on_error="ignore"),
        ValueError,
        "on_error must be 'raise' or 'status'",
    ),
    "stream of nothing": (lambda: fbgmm.fit_stream([[], []]), ValueError, "chunks holds no data"),
    "stream of one value": (lambda: fbgmm.fit_stream([[2.0], [2.0]]), ValueError, r"chunks has no width: .*2\.0"),
    "stream float16": (
        lambda: fbgmm.fit_stream([GOOD, np.ones(2, np.float16)], low=0.0, high=5.0),
        TypeError,
        "chunk 1 has dtype float16",
    ),
    "stream n": (lambda: fbgmm.fit_stream([GOOD], n=0), ValueError, "n must be at least 1; found 0"),
    "stream t": (lambda: fbgmm.fit_stream([GOOD], t=0), ValueError, "t must be finite and above 0"),
    "stream empty": (lambda: fbgmm.fit_stream([]), ValueError, "chunks holds no data"),
    "stream NaN": (
        lambda: fbgmm.fit_stream(iter([GOOD, [np.nan]]), low=0.0, high=5.0),
        ValueError,
        "chunk 1 must be finite .* nan at index 0",
    ),
    "stream range": (lambda: fbgmm.fit_stream(iter([GOOD])), ValueError, "low and high must be given for an iterator"),
    "stream text": (
        lambda: fbgmm.fit_stream("data.csv"),
        TypeError,
        "chunks must be an iterable of arrays; found the t",
    ),
    "stream number": (lambda: fbgmm.fit_stream(3), TypeError, "chunks must be an iterable of arrays; found int"),
    "mix nothing": (lambda: fbgmm.mix([]), ValueError, "mixtures must be at least one"),
    "mix shares": (lambda: fbgmm.mix([fit(GOOD)], [-1.0]), ValueError, "shares must be 1 numbers"),
    "index": (lambda: fit(GOOD)[0], TypeError, "no batch axes"),
    "sub-cells": (
        lambda: fbgmm.density_information_loss(jax.scipy.stats.norm.cdf, fit(GOOD), m=0),
        ValueError,
        "at least 1; found 0",
    ),
    "bound's d": (lambda: fbgmm.local_loss_bound(fit(GOOD), 1e9), ValueError, "d must be above 0 and at most r"),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_it_raises_and_says_what_was_found_and_what_is_allowed(case):
    call, error, message = CASES[case]
    with pytest.raises(error, match=message):
        call()


@pytest.mark.slow
def test_it_raises_the_same_where_n_and_t_are_chosen(monkeypatch):
    monkeypatch.setitem(globals(), "fit", fbgmm.fit)
    monkeypatch.setitem(globals(), "fit_batch", fbgmm.fit_batch)
    for call, error, message in CASES.values():
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize("x", [[1, 2, 4], (1.0, 2.0, 4.0), np.array([1, 2, 4], np.int8), np.array([True, False, True])])
def test_integers_lists_and_booleans_are_accepted(x):
    gmm = fbgmm.fit(x, n=10)
    np.testing.assert_array_equal(gmm.pi, fbgmm.fit(np.asarray(x, gmm.pi.dtype), n=10).pi)


NAN = np.nan
STATUS = {
    "fine": ([1.0, 2.0, 3.0], None, Status.OK),
    "NaN": ([1.0, NAN, 3.0], None, Status.NOT_FINITE),
    "inf": ([1.0, np.inf, 3.0], None, Status.NOT_FINITE),
    "too large": ([1.0, 1e38, 3.0], None, None),
    "all equal": ([2.0, 2.0, 2.0], None, Status.NO_WIDTH),
    "nothing finite": ([NAN, NAN, NAN], None, Status.EMPTY | Status.NOT_FINITE),
    "all absent": ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], Status.EMPTY),
    "negative weight": ([1.0, 2.0, 3.0], [1.0, -1.0, 1.0], Status.NEGATIVE_WEIGHT),
    "NaN weight": ([1.0, 2.0, 3.0], [1.0, NAN, 1.0], Status.NOT_FINITE),
}


@pytest.mark.parametrize("case", STATUS, ids=list(STATUS))
def test_inside_jit_the_status_says_what_was_wrong_and_pi_stays_finite(case, dtype):
    x, weights, status = STATUS[case]
    if status is None:
        status = Status.NOT_FINITE if dtype == np.float32 else Status.OK
    weights = None if weights is None else jnp.asarray(weights)
    gmm = jax.jit(lambda x, w: fbgmm.fit(x, n=5, weights=w))(jnp.asarray(x), weights)
    assert Status(int(gmm.status)) == status
    assert np.isfinite(gmm.pi).all()
    np.testing.assert_allclose(gmm.pi.sum(), 1, rtol=1e-5)
    assert np.isfinite(gmm.log_prob(2.0))


def test_an_empty_array_inside_jit():
    gmm = jax.jit(lambda x: fbgmm.fit(x, n=5))(jnp.zeros(0))
    assert Status(int(gmm.status)) == Status.EMPTY
    np.testing.assert_allclose(gmm.pi, 0.2, rtol=1e-6)


def test_bad_rows_of_a_batch_keep_their_place_and_cost_the_others_nothing():
    rows = [GOOD, [1.0, NAN, 2.0], [5.0, 5.0, 5.0], [1.0, 3.0, 4.0]]
    gmms = fbgmm.fit_batch(rows, n=6, on_error="status")
    assert [Status(int(s)) for s in gmms.status] == [Status.OK, Status.NOT_FINITE, Status.NO_WIDTH, Status.OK]
    assert np.isfinite(gmms.pi).all()
    for i in (0, 3):
        np.testing.assert_array_equal(gmms.pi[i], fbgmm.fit(rows[i], n=6).pi)
    np.testing.assert_array_equal(gmms.pi[1], fbgmm.fit([1.0, 2.0], n=6).pi)  # what was finite is fitted
    mapped = jax.vmap(lambda x: fbgmm.fit(x, n=6))(jnp.asarray(rows))
    np.testing.assert_array_equal(mapped.status, gmms.status)
    np.testing.assert_array_equal(mapped.pi, gmms.pi)


@pytest.mark.parametrize("name", ["algorithm1", "algorithm2", "point_side", "clipped"])
def test_what_is_not_finite_is_left_out_by_every_algorithm(name, dtype):
    """Points and weights beyond the range of squares too: the rest is fitted as if they were not there."""
    algorithm = {
        "algorithm1": fbgmm.algorithm1(),
        "algorithm2": fbgmm.algorithm2(),
        "point_side": fbgmm.algorithm1("point_side"),
        "clipped": fbgmm.algorithm2("minus_dL_over_n_clipped"),
    }[name]
    huge = float(np.sqrt(np.finfo(dtype).max)) / 4
    x = jnp.asarray([1.0, 2.0, NAN, 2.5, 4.0, np.inf, huge, 3.0], dtype)
    weights = jnp.asarray([1.0, NAN, 1.0, 2.0, 1.0, 1.0, 1.0, np.inf], dtype)
    good = jnp.asarray([0, 3, 4])
    gmm = jax.jit(lambda x, w: fbgmm.fit(x, 6, weights=w, algorithm=algorithm))(x, weights)
    expected = fbgmm.fit(x[good], 6, weights=weights[good], algorithm=algorithm)
    assert Status(int(gmm.status)) == Status.NOT_FINITE
    np.testing.assert_allclose(gmm.pi, expected.pi, atol=1e-6)
    np.testing.assert_array_equal(gmm.basis.high, expected.basis.high)


def test_several_things_wrong_at_once():
    gmm = jax.jit(lambda x, w: fbgmm.fit(x, 5, weights=w))(jnp.asarray([2.0, NAN, 2.0]), jnp.asarray([1.0, 1.0, -1.0]))
    assert Status(int(gmm.status)) == Status.NOT_FINITE | Status.NO_WIDTH | Status.NEGATIVE_WEIGHT
    # One point of weight one is left.
    low, high = float(gmm.basis.low), float(gmm.basis.high)
    t = float(gmm.basis.sigma / gmm.basis.r)
    np.testing.assert_allclose(gmm.pi, oracle.normalised(oracle.algorithm2([2.0], low, high, 5, t)), rtol=1e-5)


def test_statuses_have_the_shape_of_the_batch():
    rows = [GOOD, [], [NAN, 1.0, 2.0], [3.0]]
    gmms = fbgmm.fit_batch(rows, (4, 9), (1.0, 2.0), on_error="status")
    assert gmms.status.shape == (4, 2, 2)
    expected = [Status.OK, Status.EMPTY, Status.NOT_FINITE, Status.NO_WIDTH]
    for i, status in enumerate(expected):
        assert (gmms.status[i] == int(status)).all()
    np.testing.assert_allclose(gmms.pi.sum(-1), 1, rtol=1e-5)
    for value in (gmms.log_prob(2.0), gmms.mean(), gmms.variance(), gmms.entropy(), gmms.icdf(0.3)):
        assert np.isfinite(value).all()


def test_weights_without_mass_inside_jit_are_spread_over_the_live_components():
    """A sum of 0 cannot be raised about in a compiled call; components that only pad a batch stay at 0 all the same."""
    nothing = fbgmm.algorithms.base.from_counts(lambda c, basis: fbgmm.normalize(0 * c))
    for algorithm in (nothing, fbgmm.algorithm1("short_mid", clip=False)):
        gmms = fbgmm.fit_batch([[1.0, 2.0, 4.0]], (4, 9), 2.0, algorithm)
        assert np.isfinite(gmms.pi).all()
        np.testing.assert_allclose(gmms.pi.sum(-1), 1, rtol=1e-4)
        if algorithm is not nothing:
            np.testing.assert_array_equal(gmms.pi[0, 0, 4:], 0)
