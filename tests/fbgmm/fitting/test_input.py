"""Numbers as people have them, through every door: the right values of what was wrong once, and where it was told."""

import array
import copy
import decimal
import pickle
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fbgmm
from fbgmm.auto.traced import fit_rows
from fbgmm.basis import init_basis
from fbgmm.counts import count, total
from fbgmm.fitting import prepare

pytestmark = pytest.mark.usefixtures("unchecked_types")

POINTS = [1.0, 2.0, 3.0, 5.0]
MASKED = np.ma.array([1.0, 2.0, -999.0, 3.0, 5.0], mask=[0, 0, 1, 0, 0])
DOORS = {
    "fit": lambda x: fbgmm.fit(x, n=20).pi,
    "fit weighted": lambda x: fbgmm.fit(x, n=20, weights=np.ones(np.shape(x), np.int32)).pi,
    "fit_batch": lambda x: fbgmm.fit_batch([x, x], n=20).pi[1],
    "fit_stream": lambda x: fbgmm.fit_stream([x], n=20).pi,
    "init_basis_from": lambda x: fbgmm.init_basis_from(x, n=4).mu,
    "update_pi": lambda x: fbgmm.update_pi(jnp.ones(4), init_basis(0.0, 6.0, n=4), x),
}
SAME = {
    "big-endian": np.array(POINTS, ">f8"),
    "big-endian integers": np.array(POINTS, ">i2"),
    "unsigned bytes": np.array(POINTS, np.uint8),
    "long integers": np.array(POINTS, np.uint64),
    "long double": np.array(POINTS, np.longdouble),
    "decimals": [decimal.Decimal(int(p)) for p in POINTS],
    "objects": np.array([1, 2.0, np.int8(3), 5], object),
    "array.array": array.array("d", POINTS),
    "strides": np.repeat(POINTS[::-1], 2)[::-2],
    "nothing masked": np.ma.array(POINTS, mask=False),
    "masked": MASKED,
}


class Dlpack:
    """An array of a library that numpy knows by the protocol alone."""

    def __init__(self, values):
        self.values = np.array(values)

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


class Tensor:
    """As torch's: it records gradients, and is not read before it is detached."""

    def detach(self):
        return np.array(POINTS)

    def __array__(self, *_, **__):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad")


SAME |= {"dlpack": Dlpack(POINTS), "tensor": Tensor()}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", SAME)
def test_the_same_numbers_in_any_form_are_the_same(kind, door):
    if door == "fit weighted" and kind in ("dlpack", "tensor"):
        return  # numpy does not know their shape
    np.testing.assert_array_equal(DOORS[door](SAME[kind]), DOORS[door](np.array(POINTS)))


REFUSED = {
    "timedelta": (np.array([1, 2], "m8[s]"), TypeError, r"timedelta64\[s\] .*divide by a unit"),
    "dates": (np.array(["2020", "2021"], "M8[D]"), TypeError, r"datetime64\[D\]"),
    "text": (["1", "2"], TypeError, "<U1 .text.; allowed: real numbers"),
    "complex": ([1j, 2.0], TypeError, "dtype complex"),
    "None among numbers": ([1.0, None, 2.0], ValueError, "1 missing values of 3"),
    "a set": ({1.0, 2.0}, TypeError, "object, of set"),
    "ragged": ([[1.0], [1.0, 2.0]], ValueError, "rows of different lengths"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_are_no_numbers_is_refused_by_every_door_and_method(case):
    x, error, message = REFUSED[case]
    gmm = fbgmm.fit(POINTS, n=20)
    for door in (*DOORS.values(), gmm.log_prob, gmm.prob, gmm.cdf, gmm.icdf):
        with pytest.raises(error, match=None if case == "ragged" else message):
            door(x)


def test_integers_beyond_32_bits_are_the_numbers_they_are():
    """jax#18385: 0.0 and OverflowError."""
    gmm = fbgmm.fit(POINTS, n=20)
    for x in (3_000_000_000, [3_000_000_000], 2**70, np.array([3_000_000_000]), np.array([2**63], np.uint64)):
        np.testing.assert_allclose(gmm.cdf(x), 1, rtol=1e-6)
        np.testing.assert_allclose(gmm.log_prob(x), gmm.log_prob(np.asarray(x, float).astype(np.float32)))
    basis = fbgmm.fit([3_000_000_000, 2**40], n=20).basis
    assert (float(basis.low), float(basis.high)) == (3e9, 2.0**40)


def test_evaluation_takes_any_byte_order():
    """JAXtronomy#98: a raw TypeError of JAX."""
    gmm = fbgmm.fit(POINTS, n=20)
    for f in (gmm.log_prob, gmm.prob, gmm.cdf, gmm.icdf):
        np.testing.assert_array_equal(f(np.array([0.25, 0.5], ">f4")), f(np.array([0.25, 0.5], np.float32)))
        assert f(np.array([0.25], np.float16)).dtype == gmm.pi.dtype


def test_masked_points_and_masked_weights_are_absent():
    """numpy#10019: the mask was ignored."""
    weights = np.ma.array([1, 1, 1, 7], mask=[0, 0, 0, 1])
    np.testing.assert_array_equal(fbgmm.fit(POINTS, n=20, weights=weights).pi, fbgmm.fit(POINTS[:3], n=20).pi)
    expected = fbgmm.fit(POINTS, n=20, weights=[1, 2, 3, 4]).pi
    np.testing.assert_array_equal(fbgmm.fit(MASKED, n=20, weights=[1, 2, 9, 3, 4]).pi, expected)
    rows = np.ma.stack([MASKED, np.ma.array(MASKED.data, mask=False)])
    batch = fbgmm.fit_batch(rows, n=20)
    np.testing.assert_array_equal(batch.pi[0], fbgmm.fit(POINTS, n=20).pi)
    assert (float(batch.basis.low[0]), float(batch.basis.low[1])) == (1.0, -999.0)
    batch = fbgmm.fit_batch(rows, n=20, weights=np.tile([1, 2, 9, 3, 4], (2, 1)))
    np.testing.assert_allclose(batch.pi[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(fbgmm.fit_stream(MASKED, n=20).pi, fbgmm.fit(POINTS, n=20).pi)
    gmm = fbgmm.fit(POINTS, n=20)
    for door in (gmm.log_prob, lambda x: fbgmm.fit_rotated(np.ma.stack([x, x], axis=1), 0)):
        with pytest.raises(ValueError, match=r"x has . masked of .* values; .*compressed"):
            door(MASKED)
    with pytest.raises(ValueError, match="x is empty"):
        fbgmm.fit(np.ma.array([1.0, 2.0], mask=True), n=20)
    with pytest.raises(ValueError, match=r"weights has shape \(2,\)"):
        fbgmm.fit(MASKED, n=20, weights=[1, 1])


def test_series_and_tables():
    pandas = pytest.importorskip("pandas")

    expected = fbgmm.fit(POINTS, n=20).pi
    for x in (
        pandas.Series(POINTS, index=[7, 8, 9, 1]),
        pandas.Series([1, 2, 3, 5], dtype="Int64"),
        pandas.Series(POINTS, dtype="Float64"),
        pandas.DataFrame({"a": POINTS}),
        pandas.Index(POINTS),
    ):
        np.testing.assert_array_equal(fbgmm.fit(x, n=20).pi, expected)
        np.testing.assert_array_equal(fbgmm.fit_stream([x], n=20).pi, expected)
        np.testing.assert_array_equal(fbgmm.fit_batch([x], n=20).pi[0], expected)
    gmm = fbgmm.fit(POINTS, n=20)
    np.testing.assert_allclose(gmm.cdf(pandas.Series([3_000_000_000])), 1, rtol=1e-6)
    holes = pandas.Series([1, None, 3], dtype="Int64")
    table = pandas.DataFrame({"a": POINTS, "b": POINTS})
    for door in (*DOORS.values(), gmm.log_prob):
        with pytest.raises(ValueError, match=r"1 missing of 3 values.*dropna"):
            door(holes)
    for name in ("fit", "fit_stream", "init_basis_from", "update_pi"):
        with pytest.raises(ValueError, match="is a table with the 2 columns 'a', 'b'; allowed: one of them"):
            DOORS[name](table)
    with pytest.raises(TypeError, match="found DataFrame"):
        fbgmm.fit_batch(table, n=20)


def test_numbers_beyond_floats_and_half_precision():
    with pytest.raises(ValueError, match=r"x must be finite and within .* found 1 of 2 that are not, the first -inf"):
        fbgmm.fit([1, -(10**400)], n=20)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(fbgmm.fit(POINTS, n=20, t=np.float16(2)).pi, fbgmm.fit(POINTS, n=20, t=2).pi)


def test_arrow_says_how_many_are_missing():
    pyarrow = pytest.importorskip("pyarrow")

    np.testing.assert_array_equal(fbgmm.fit(pyarrow.array(POINTS), n=20).pi, fbgmm.fit(POINTS, n=20).pi)
    with pytest.raises(ValueError, match=r"x has 1 missing of 2 values.*drop_null\(\)"):
        fbgmm.fit(pyarrow.array([1.0, None]), n=20)
    np.testing.assert_array_equal(fbgmm.fit(pyarrow.table({"a": POINTS}), n=20).pi, fbgmm.fit(POINTS, n=20).pi)
    with pytest.raises(ValueError, match=r"table with the 2 columns 'a', 'b'; allowed: one of them, such as x\['a'\]"):
        fbgmm.fit(pyarrow.table({"a": POINTS, "b": POINTS}), n=20)


def test_a_shape_is_any_integers_and_a_key_is_a_key():
    """jax#21343: TypeError for numpy's integers."""
    gmm, key = fbgmm.fit(POINTS, n=20), jax.random.key(0)
    for shape in (np.int64(3), jnp.asarray(3), [3], (np.uint8(3),), np.array([3])):
        assert gmm.sample(key, shape).shape == (3,)
    for shape, error in ((-1, ValueError), (2.5, TypeError), ("3", TypeError), ((2, None), TypeError)):
        with pytest.raises(error, match="shape must"):
            gmm.sample(key, shape)
    with pytest.raises(TypeError, match=r"key must be a random key of JAX, .* found 0"):
        gmm.sample(0, 3)
    assert gmm.sample(jax.random.PRNGKey(0), 3).shape == (3,)
    for keys in (jax.random.split(key, 3), jax.random.key_data(jax.random.split(key, 3))):
        with pytest.raises(ValueError, match=r"keys of shape \(3,\); allowed: one; map with jax.vmap"):
            gmm.sample(keys, 3)
        assert jax.vmap(lambda key: gmm.sample(key, 2))(keys).shape == (3, 2)
    with pytest.raises(ValueError, match=r"x has shape \(3,\); allowed: one that broadcasts against the batch, \(2,\)"):
        fbgmm.fit_batch([POINTS, POINTS], n=20).cdf(np.ones(3))


def test_shares_of_many_weighted_points():
    """jax#18440: .4653 for .4444 from 10⁷ points a cell; 2²⁰ of them are 1e-2 off in plain float32 sums too."""
    x, w = np.tile([0.25, 0.75], 1 << 20), np.tile([0.1, 0.125], 1 << 20)
    with jax.numpy_rank_promotion("allow"):
        for n in (2, 3000):
            basis = init_basis(0.0, 1.0, n=n)
            points = jnp.asarray(x, basis.dtype)
            c = np.asarray(total(jax.jit(count)(basis, points, jnp.asarray(w, basis.dtype))))
            share = c / c.sum(dtype=np.float64)
            np.testing.assert_allclose(share[[int(n / 4), int(n * 0.75)]], [4 / 9, 5 / 9], rtol=1e-6)


def test_weight_sums_of_all_magnitudes():
    """Against sums in float64, in one block and in several, with weights from 1e-6 to 1e6."""
    rng = np.random.default_rng(0)
    for number in (1, 700, 5000):
        x, w = rng.uniform(size=number), 10 ** rng.uniform(-6, 6, number)
        basis = init_basis(0.0, 1.0, n=16)
        x, w = jnp.asarray(x, basis.dtype), jnp.asarray(w, basis.dtype)
        expected = np.bincount(np.floor(np.asarray(x) * 16).astype(int), np.asarray(w, np.float64), 16)
        np.testing.assert_allclose(total(count(basis, x, w)), expected, rtol=3e-7, atol=0)
    slopes = jax.grad(lambda w: total(count(basis, x, w))[3])(w)
    np.testing.assert_array_equal(slopes, (np.floor(np.asarray(x) * 16) == 3).astype(slopes.dtype))


def test_variance_at_any_scale(dtype):
    """scikit-learn#26658: 0 below about 1e-19."""
    x = np.random.default_rng(0).normal(size=200)
    unit = float(fbgmm.fit(x.astype(dtype), n=50).variance())
    for scale in (1e-21, 1e-15, 1e15):
        found = float(fbgmm.fit((scale * x).astype(dtype), n=50).variance())
        assert found**0.5 == pytest.approx(scale * unit**0.5, rel=1e-3)
    if dtype == np.float32:
        with pytest.warns(fbgmm.PrecisionWarning, match="below the least number of float32"):
            fbgmm.fit((1e-28 * x).astype(dtype), n=50).variance()


OFFSET = 1.7e9 + 100 * np.random.default_rng(0).normal(size=300)


@pytest.mark.parametrize("door", ["fit", "fit_batch", "fit_stream", "init_basis_from"])
def test_every_door_says_that_float32_cannot_hold_the_data(door, dtype):
    """numpy#8123."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", fbgmm.PrecisionWarning)
        warnings.simplefilter("ignore", fbgmm.MisfitWarning)
        DOORS[door](OFFSET)
    assert ["jax_enable_x64" in str(each.message) for each in said][:1] == [True] * (dtype == np.float32)


@pytest.mark.parametrize("fit", [fbgmm.fit, lambda x, n, weights: fbgmm.fit_batch([x], n, weights=[weights])])
def test_weights_that_sum_to_one_are_said_to_count_as_one_point(fit):
    """X-Entropy#56."""
    with pytest.warns(fbgmm.PrecisionWarning, match="weights sum to 1: they are counts here .* all 4 points"):
        fit(POINTS, n=20, weights=np.full(4, 0.25))


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("n = 3000000000", lambda: fbgmm.fit(POINTS, n=3_000_000_000)),
        ("n = 3000000000", lambda: fbgmm.init_basis(0.0, 1.0, n=3_000_000_000)),
        ("n = 3000000000", lambda: fbgmm.fit_stream([POINTS], n=3_000_000_000)),
        ("n = 3000000000", lambda: fbgmm.fit_batch([POINTS], n=[5, 3_000_000_000])),
        ("n = 1000000", lambda: fbgmm.fit(POINTS, n=1_000_000, algorithm=fbgmm.interior_point())),
        ("a batch of 20000000 fits", lambda: fbgmm.fit_batch(np.tile(POINTS, (10_000, 1)), n=100_000, t=[1.0] * 2000)),
        ("a sample of shape", lambda: fbgmm.fit(POINTS, n=20).sample(jax.random.key(0), (10**6, 10**6))),
    ],
)
def test_what_the_machine_cannot_hold_is_refused_with_its_bytes(what, call):
    with pytest.raises(ValueError, match=f"{what}.* would take [0-9,]+ bytes of memory; allowed: at most"):
        call()


def test_mixtures_and_bases_are_equal_by_their_numbers():
    gmm, same, other = fbgmm.fit(POINTS, n=20), fbgmm.fit(POINTS, n=20), fbgmm.fit([*POINTS, 4.0], n=20)
    assert [gmm == same, gmm != same, gmm == other, gmm == 3] == [True, False, False, False]
    assert [gmm.basis == other.basis, gmm.basis == fbgmm.fit(POINTS, n=30).basis] == [True, False]
    assert float(gmm.cdf(2.0)) == float(pickle.loads(pickle.dumps(gmm)).cdf(2.0))  # after its tables were made
    assert copy.deepcopy(gmm) == gmm
    assert jax.jit(lambda a: a == a)(gmm)


def test_mix_of_very_different_bases_is_small_and_right():
    """3.3 million components and 20 seconds before."""
    rng = np.random.default_rng(0)
    fits = [fbgmm.fit(scale * rng.uniform(size=500), n=200) for scale in (1.0, 1e7)]
    mixed = fbgmm.mix(fits, [0.3, 0.7])
    assert mixed.pi.shape == (400,)
    x = np.array([-0.01, 0.2, 0.9, 1.05, 30.0, 4e6, 1.01e7])
    for name in ("prob", "cdf"):
        parts = [np.asarray(getattr(each, name)(x), np.float64) for each in fits]
        np.testing.assert_allclose(getattr(mixed, name)(x), 0.3 * parts[0] + 0.7 * parts[1], rtol=2e-4, atol=1e-30)


def test_few_points_on_an_accelerator_are_fitted_on_the_host(monkeypatch):
    fit = sys.modules["fbgmm.fitting.fit"]

    def far(*arrays):
        return not any(isinstance(a, jax.Array) for a in arrays)

    on_device = []
    for module in (prepare, fit):
        monkeypatch.setattr(module, "on_host", far)
    monkeypatch.setattr(fit, "fit_rows", lambda asked: on_device.append(fit_rows(asked)) or on_device[-1])
    x = np.random.default_rng(0).normal(size=300).astype(np.float32)
    w = np.arange(1, 301, dtype=np.float32)
    for weights in (None, w):
        found = fbgmm.fit(jnp.asarray(x), weights=None if weights is None else jnp.asarray(weights))
        np.testing.assert_array_equal(found.pi, fbgmm.fit(x, weights=weights).pi)
    assert not on_device
    monkeypatch.setattr(prepare, "MOST_COPIED", 299)
    found = fbgmm.fit(jnp.asarray(x))
    assert len(on_device) == 1
    np.testing.assert_allclose(found.log_prob(x), fbgmm.fit(x).log_prob(x), atol=2e-3)
    jax.jit(lambda x: fbgmm.fit(x).pi)(jnp.asarray(x))
    assert len(on_device) == 2
