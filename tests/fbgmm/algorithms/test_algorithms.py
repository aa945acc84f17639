"""The fast code by counts against the loop as printed, for every reading of the paper."""

import copy
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fbgmm
from fbgmm.algorithms import algorithm1, algorithm2, base, resolve
from fbgmm.basis import init_basis
from fbgmm.counts import count, total
from fbgmm.fitting.shards import fit_on_host
from fbgmm.updates import increment1
from tests import oracle

LOW, HIGH, N = -3.0, 7.0, 40
WIDTHS = (0.5, 1.0, 3.0)
READINGS1 = ("means", "point_side", "short_mid")
READINGS2 = ("plain", "minus_dL_over_n", "minus_dL_over_n_clipped", "minus_dL_over_N")
READINGS = [
    name if name in (READINGS1[0], READINGS2[0]) else pytest.param(name, marks=pytest.mark.slow)
    for name in READINGS1 + READINGS2
]


@pytest.fixture(scope="module")
def x():
    return oracle.points_inside_cells(np.random.default_rng(1), LOW, HIGH, N, 300)


# Where rounding is larger than that of the result: the kernel of short_mid is a small difference of large numbers, and
# the clipped reading rounds once at each point.
ROUGH = {"short_mid": 15.0, "minus_dL_over_n_clipped": 8.0}


def close(found, expected, accuracy, scale=1.0):
    """To rounding, relative to the largest weight."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=scale * accuracy * np.abs(expected).max())


def state(algorithm, x, t, dtype, d=0.25):
    basis = init_basis(LOW, HIGH, N, t)
    return algorithm.update(algorithm.init(basis), basis, jnp.asarray(x, dtype), None)


@pytest.mark.parametrize("t", WIDTHS)
@pytest.mark.parametrize("algorithm", [1, 2])
@pytest.mark.parametrize("d", [1 / 4, 1 / 6])
def test_one_pass_before_normalising(x, t, algorithm, d, dtype, accuracy):
    basis = init_basis(LOW, HIGH, N, t)
    found = fbgmm.update_pi(fbgmm.init_pi(basis), basis, jnp.asarray(x, dtype), algorithm=algorithm, d=d)
    loop = oracle.algorithm1 if algorithm == 1 else oracle.algorithm2
    close(found, loop(x, LOW, HIGH, N, t, d=d), accuracy)


@pytest.mark.parametrize("t", WIDTHS)
@pytest.mark.parametrize("variant", READINGS1)
def test_algorithm1_before_normalising(x, t, variant, dtype, accuracy):
    expected = oracle.algorithm1(x, LOW, HIGH, N, t, variant)
    if variant == "point_side":
        found = state(algorithm1(variant), x, t, dtype)
    else:
        basis = init_basis(LOW, HIGH, N, t)
        c = total(count(basis, jnp.asarray(x, dtype)))
        found = fbgmm.init_pi(basis) + increment1(c, basis, mid=1.0 if variant == "short_mid" else 2.0)
    close(found, expected, accuracy, ROUGH.get(variant, 1.0))


@pytest.mark.parametrize("t", WIDTHS)
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("variant", READINGS1)
def test_algorithm1(x, t, variant, clip, dtype, accuracy):
    if variant == "point_side" and not clip:
        pytest.skip("the point-by-point reading always ends with weights of at least 0")
    raw = oracle.algorithm1(x, LOW, HIGH, N, t, variant)
    expected = oracle.normalised(raw, clip)
    # Dividing by a sum much smaller than its terms enlarges their rounding by that ratio.
    scale = np.abs(raw).sum() / abs(np.maximum(raw, 0).sum() if clip else raw.sum())
    gmm = fbgmm.fit(jnp.asarray(x, dtype), N, t, algorithm1(variant, clip=clip), low=LOW, high=HIGH)
    close(gmm.pi, expected, accuracy, scale * ROUGH.get(variant, 1.0))


@pytest.mark.parametrize("t", WIDTHS)
@pytest.mark.parametrize("variant", READINGS2)
def test_algorithm2(x, t, variant, dtype, accuracy):
    raw = oracle.algorithm2(x, LOW, HIGH, N, t, variant)
    expected = oracle.normalised(raw)
    scale = np.abs(raw).sum() / raw.sum()
    gmm = fbgmm.fit(jnp.asarray(x, dtype), N, t, algorithm2(variant), low=LOW, high=HIGH)
    close(gmm.pi, expected, accuracy, scale * ROUGH.get(variant, 1.0))


def test_the_clipped_reading_before_normalising(x, dtype, accuracy):
    expected = oracle.algorithm2(x, LOW, HIGH, N, 2.0, "minus_dL_over_n_clipped")
    close(state(algorithm2("minus_dL_over_n_clipped"), x, 2.0, dtype), expected, accuracy, 8.0)


@pytest.mark.parametrize("variant", READINGS)
def test_d_of_a_sixth(x, variant, dtype, accuracy):
    first = variant in READINGS1
    raw = (oracle.algorithm1 if first else oracle.algorithm2)(x, LOW, HIGH, N, 2.0, variant, d=1 / 6)
    scale = np.abs(raw).sum() / np.maximum(raw, 0).sum() if first else np.abs(raw).sum() / raw.sum()
    algorithm = (algorithm1 if first else algorithm2)(variant, d=1 / 6)
    gmm = fbgmm.fit(jnp.asarray(x, dtype), N, 2.0, algorithm, low=LOW, high=HIGH)
    close(gmm.pi, oracle.normalised(raw, clip=first), accuracy, scale * ROUGH.get(variant, 1.0))


@pytest.mark.parametrize("algorithm", [1, 2])
def test_the_range_is_that_of_the_data(x, algorithm, dtype, accuracy):
    x = np.asarray(x, dtype)
    low, high = float(x.min()), float(x.max())
    r = (high - low) / N
    edge = np.abs((x - low) / r - np.round((x - low) / r)) < 1e-3
    x = x[~edge | (x == low) | (x == high)].astype(np.float64)
    loop = oracle.algorithm1 if algorithm == 1 else oracle.algorithm2
    expected = oracle.normalised(loop(x, low, high, N, 2.0), clip=True)
    close(fbgmm.fit(np.asarray(x, dtype), N, 2.0, algorithm).pi, expected, accuracy, 10)


def test_a_step_does_not_look_at_the_current_weights(x, dtype, rounding):
    """The order of the data cannot matter in the readings by counts."""
    for algorithm in (algorithm1(), algorithm2()):
        a = fbgmm.fit(jnp.asarray(x, dtype), N, 2.0, algorithm, low=LOW, high=HIGH)
        b = fbgmm.fit(jnp.asarray(x[::-1].copy(), dtype), N, 2.0, algorithm, low=LOW, high=HIGH)
        np.testing.assert_array_equal(a.pi, b.pi)


def test_defaults_keep_every_weight_at_zero_or_above(x, dtype):
    for algorithm in (1, 2, algorithm1("point_side"), algorithm1("short_mid"), algorithm2("minus_dL_over_n_clipped")):
        assert float(fbgmm.fit(jnp.asarray(x, dtype), N, 0.5, algorithm, low=LOW, high=HIGH).pi.min()) >= 0


def test_the_printed_subtraction_makes_negative_weights(x, dtype):
    for variant in ("minus_dL_over_n", "minus_dL_over_N"):
        assert float(fbgmm.fit(jnp.asarray(x, dtype), N, 2.0, algorithm2(variant), low=LOW, high=HIGH).pi.min()) < 0
    assert float(fbgmm.fit(jnp.asarray(x, dtype), N, 0.5, algorithm1(clip=False), low=LOW, high=HIGH).pi.min()) < 0


@pytest.mark.parametrize("variant", READINGS)
def test_data_weights_are_repetitions(x, variant, dtype, accuracy):
    """Weights 0, 1 and 2 against the data with those points left out, once and twice in place."""
    x = x[:100]
    repeats = np.random.default_rng(2).integers(0, 3, x.size)
    algorithm = algorithm1(variant) if variant in READINGS1 else algorithm2(variant)
    weighted = fbgmm.fit(jnp.asarray(x, dtype), N, 2.0, algorithm, weights=repeats, low=LOW, high=HIGH)
    repeated = fbgmm.fit(jnp.asarray(np.repeat(x, repeats), dtype), N, 2.0, algorithm, low=LOW, high=HIGH)
    if variant == "minus_dL_over_n_clipped":  # one step of size 2 dL is not two of size dL where a weight is cut at 0
        mask = repeats > 0
        weighted = fbgmm.fit(jnp.asarray(x, dtype), N, 2.0, algorithm, weights=mask, low=LOW, high=HIGH)
        repeated = fbgmm.fit(jnp.asarray(x[mask], dtype), N, 2.0, algorithm, low=LOW, high=HIGH)
    close(weighted.pi, repeated.pi, accuracy, 10)


@pytest.mark.parametrize("variant", READINGS)
def test_padding_beyond_n_stays_zero(x, variant, dtype, accuracy):
    algorithm = algorithm1(variant) if variant in READINGS1 else algorithm2(variant)
    data = jnp.asarray(x, dtype)

    def pi(capacity):
        basis = init_basis(LOW, HIGH, N, 2.0, capacity=capacity)
        return algorithm.weights(algorithm.update(algorithm.init(basis), basis, data, None), basis)

    padded = pi(N + 9)
    np.testing.assert_array_equal(padded[N:], 0)
    close(padded[:N], pi(N), accuracy, 10)


MAKERS = {
    "algorithm1": algorithm1,
    "point_side": partial(algorithm1, "point_side"),
    "algorithm2": partial(algorithm2, "plain"),
    "clipped": partial(algorithm2, "minus_dL_over_n_clipped"),
    "least_squares": fbgmm.least_squares,
    "maximum_likelihood": partial(fbgmm.maximum_likelihood, 16),
    "interior_point": fbgmm.interior_point,
    "roughness": fbgmm.roughness,
    "multi_scale": fbgmm.multi_scale,
}


@pytest.mark.parametrize("name", MAKERS)
def test_equal_options_are_equal_hash_alike_and_can_be_pickled(name):
    made = MAKERS[name]()
    for other in (MAKERS[name](), pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert (made == other, hash(made) == hash(other)) == (True, True)
    assert [made == make() for make in MAKERS.values()].count(True) == 1


def test_equal_algorithms_share_compiled_programs():
    x = np.linspace(0.0, 1.0, 50)
    fbgmm.fit(x, n=13, algorithm=fbgmm.maximum_likelihood())
    before = fit_on_host._cache_size()
    fbgmm.fit(x, n=13, algorithm=pickle.loads(pickle.dumps(fbgmm.maximum_likelihood(16, accelerated=False))))
    assert fit_on_host._cache_size() == before


def test_an_algorithm_is_named_by_itself_or_its_number():
    assert resolve(1) == algorithm1("means", d=0.25)
    assert resolve(2) == algorithm2() != algorithm2(d=1 / 6)
    own = base.from_counts(lambda c, basis: fbgmm.normalize(c + 1))
    assert resolve(own) is own


@pytest.mark.parametrize("wrong", [0, 3, True, "2", algorithm2, 1.5])
def test_unknown_algorithm(wrong, unchecked_types):
    with pytest.raises(ValueError, match=r"algorithm must be 1, 2 or an Algorithm.*found"):
        fbgmm.fit([1.0, 2.0], algorithm=wrong)


@pytest.mark.parametrize("make", [algorithm1, algorithm2])
def test_unknown_options(make, unchecked_types):
    with pytest.raises(ValueError, match=r"variant must be one of .*; found 'no such'"):
        make("no such")
    for d in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"d must be above 0.*found"):
            make(d=d)
    with pytest.raises(ValueError, match=r"clip=False.*point_side"):
        algorithm1("point_side", clip=False)


def test_algorithms_run_under_jit_and_vmap(x, dtype, rounding):
    data = jnp.asarray(x, dtype).reshape(3, 100)
    for algorithm in (algorithm1(), algorithm2()):
        many = jax.jit(jax.vmap(lambda x: fbgmm.fit(x, N, 2.0, algorithm).pi))(data)  # noqa: B023
        for row, pi in zip(data, many, strict=True):
            np.testing.assert_allclose(pi, fbgmm.fit(row, N, 2.0, algorithm).pi, atol=rounding)
