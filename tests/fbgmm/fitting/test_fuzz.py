"""Arrays of every dtype, order, mask, stride, scale and ties: the distribution of the data, an error, or a warning.

HYPOTHESIS_PROFILE=many runs a hundred of each; more with FBGMM_FUZZ, the number of examples.
"""

import os
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fbgmm
from benchmarks.everyday.misfit import allowed, misfit
from fbgmm.auto.subsample import SIZE

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked_types")]

DTYPES = ["f4", "f8", ">f4", ">f8", "i1", "u1", "i2", ">i2", "u2", "i4", "u4", "i8", ">i8", "u8", "?", "O", "g", "f2"]
SHAPES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2, n),
    "Cauchy": lambda rng, n: rng.standard_cauchy(n),
    "two scales": lambda rng, n: np.where(
        rng.uniform(size=n) < 0.8, rng.normal(size=n), 1e4 + 1e3 * rng.normal(size=n)
    ),
    "zero-inflated": lambda rng, n: rng.lognormal(3, 1, n) * (rng.uniform(size=n) < 0.3),
}
ORDERS = {"drawn": lambda x: x, "sorted": np.sort, "falling": lambda x: np.sort(x)[::-1]}


@st.composite
def data(draw):
    """An array as it is given, and the numbers that it means."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.sampled_from([2, 3, 20, 50, 300, 1000, 5000]))
    x = SHAPES[draw(st.sampled_from(list(SHAPES)))](rng, size)
    if ties := draw(st.sampled_from([None, 0.1, 1.0])):
        x = np.round(x / ties) * ties
    x = x * 10.0 ** draw(st.sampled_from([-25, -9, -3, 0, 0, 0, 2, 6, 12])) + draw(st.sampled_from([0, 0, 0, 100, 1e6]))
    x = ORDERS[draw(st.sampled_from(list(ORDERS)))](x)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        x = np.clip(x, float(info.min) / 2, float(info.max) / 2)
    with np.errstate(all="ignore"):
        x = (x > np.median(x)) if dtype.kind == "b" else x.astype(dtype)
    stride = draw(st.sampled_from([1, 2, -1, -3]))
    given = np.repeat(x[:: int(np.sign(stride))], abs(stride))[::stride]
    if draw(st.booleans()) and dtype.kind != "O":
        hidden = rng.uniform(size=size) < 0.2
        given = np.ma.array(given, mask=hidden)
        return given, np.asarray(given.data)[~hidden]
    return given, given


def fitted(fit, given, meant):
    """The mixture, its cdf, and the numbers as it has them; None where an error or a warning says what is wrong."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            gmm = fit(given)
        except (ValueError, TypeError) as error:
            gmm, words = None, str(error)
    if gmm is None:
        assert words.startswith(("x ", "x["))
        assert "allowed" in words
        return None
    assert np.isfinite(np.asarray(gmm.pi)).all()
    if any(issubclass(each.category, (fbgmm.MisfitWarning, fbgmm.PrecisionWarning)) for each in said):
        return None
    room = np.zeros(8192, gmm.pi.dtype)  # one length: others would compile anew

    def cdf(at):
        room[: at.size] = at
        return np.asarray(gmm.cdf(room), np.float64)[: at.size]

    return gmm, cdf, np.sort(np.asarray(meant, np.float64).astype(gmm.pi.dtype).astype(np.float64))


EXAMPLES = settings(max_examples=int(os.environ["FBGMM_FUZZ"])) if "FBGMM_FUZZ" in os.environ else settings()


@EXAMPLES
@given(data())
def test_a_fit_that_chooses_has_the_distribution_of_any_data(pair):
    if (found := fitted(fbgmm.fit, *pair)) is not None:
        _, cdf, x = found
        sample = 1 / np.sqrt(SIZE) if x.size > SIZE else 0  # longer data are judged by a sample
        assert misfit(cdf, x)[0] <= allowed(x) + sample


@EXAMPLES
@given(data())
def test_a_given_basis_has_it_but_for_its_width(pair):
    """The cdf lies between those of the data moved by three sigma and a cell to either side; 1/dL is 7.8 points."""
    if (found := fitted(lambda x: fbgmm.fit(x, 200, 1.0), *pair)) is not None:
        gmm, cdf, x = found
        at, reach = (x[1:] + x[:-1]) / 2, 4 * float(gmm.basis.sigma)
        below, above = (np.searchsorted(x, at + move) / x.size for move in (-reach, reach))
        room = 0.01 + 7.8 / (x.size + 7.8)
        found = np.asarray(cdf(at), np.float64)
        assert (found >= below - room).all()
        assert (found <= above + room).all()
