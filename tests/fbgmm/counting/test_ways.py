"""Every way of counting on an accelerator against numpy, on the CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fbgmm
from fbgmm.binning import on_accelerator
from fbgmm.counting import comparison, scatter, sums, ways
from fbgmm.counts import count, total

SHAPES = [(1, 20_000, 200), (30, 100, 50), (2, 9_000, 700)]  # one row; short rows; several programs and blocks of cells


def indices(rows, points, cells):
    """By name: cells of the points, some of them absent (index `cells`)."""
    rng = np.random.default_rng(0)
    random = rng.integers(0, cells, (rows, points), dtype=np.int32)
    padded = random.copy()
    padded[:, -points // 3 :] = cells
    padded[-1] = cells  # a row without points
    return {
        "random": random,
        "sorted": np.sort(random, axis=1),
        "constant": np.full((rows, points), cells // 2, np.int32),
        "first and last": rng.choice(np.array([0, cells - 1], np.int32), (rows, points)),
        "padded": padded,
    }


def plain(index, values, cells):
    """numpy's count of each row, in float64."""
    values = np.ones(index.shape) if values is None else values.astype(float)
    return np.stack([np.bincount(i, v, cells + 1)[:cells] for i, v in zip(index, values, strict=True)])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", list(ways.WAYS))
def test_counts_and_sums_are_numpys(name, shape):
    cells = shape[-1]
    if name == "packed":
        pytest.skip("has a test of its own: of short rows, without values")
    way = jax.jit(lambda index, values: ways.WAYS[name](index, values, cells))
    weights = np.random.default_rng(1).random(shape[:2], np.float32)
    for kind, index in indices(*shape).items():
        counts = way(index, None)
        assert counts.dtype == jnp.int32
        np.testing.assert_array_equal(counts, plain(index, None, cells), err_msg=kind)
        sums, expected = way(index, weights), plain(index, weights, cells)
        assert sums.dtype == jnp.float32
        bound = np.finfo(np.float32).eps * plain(index, None, cells) * expected  # of adding in any order
        assert (np.abs(sums - expected) <= bound).all(), kind


@pytest.mark.parametrize("points", [1, 100, scatter.MOST_PACKED])
def test_counts_of_short_rows_fit_in_bytes(points):
    for kind, index in indices(30, points, 50).items():
        counts = scatter.packed(jnp.asarray(index), None, 50)
        assert counts.dtype == jnp.int32
        np.testing.assert_array_equal(counts, plain(index, None, 50), err_msg=kind)


def test_rows_that_overflow_bytes_and_values_are_not_packed():
    long, short = jnp.zeros((1, scatter.MOST_PACKED + 1), jnp.int32), jnp.zeros((1, 4), jnp.int32)
    for index, values in ((long, None), (short, short)):
        with pytest.raises(ValueError, match=f"at most 255 points without values; found {index.shape[1]}"):
            scatter.packed(index, values, 3)
        assert ways.histograms(index, values, 3)[0, 0] == (0 if values is not None else index.shape[1])


@pytest.mark.parametrize("platform", ["cpu", "default"])
@pytest.mark.parametrize("number", [100, 1_000_001])
def test_weights_sum_to_rounding_whatever_their_number(platform, number, monkeypatch):
    monkeypatch.setattr(sums.jax.lax, "platform_dependent", lambda *a, **forms: forms[platform](*a))
    rng = np.random.default_rng(1)
    x, zero = jnp.asarray(rng.integers(0, 3, number), jnp.float32), jnp.zeros(3, jnp.float32)

    def found(weights):
        return sums.weight_sums(lambda x: x.astype(jnp.int32), x, jnp.asarray(weights), zero)

    for weights in (np.full(number, 0.1, np.float32), 10 ** rng.uniform(-6, 6, number).astype(np.float32)):
        expected = np.bincount(np.asarray(x, int), weights.astype(float))
        np.testing.assert_allclose(np.asarray(found(weights), float), expected, rtol=2e-7)
    slopes = jax.grad(lambda w: found(w)[1])(jnp.ones(number, jnp.float32))
    np.testing.assert_array_equal(slopes, x == 1)


@pytest.mark.parametrize("name", ["scatter", "replicated", "comparison"])
def test_pairs_of_values_are_summed_as_each_alone(name):
    index = jnp.asarray(indices(*SHAPES[1])["padded"])
    pairs = jnp.asarray(np.random.default_rng(4).integers(0, 9, (*index.shape, 2)), jnp.float32)
    found = ways.WAYS[name](index, pairs, 50)
    assert found.shape == (30, 50, 2)
    for k in range(2):
        np.testing.assert_array_equal(found[..., k], plain(index, np.asarray(pairs[..., k]), 50))


def test_a_long_row_is_compared_in_blocks_of_points(monkeypatch):
    monkeypatch.setattr(comparison, "_POINTS", 4_000)
    index = indices(2, 9_000, 300)["random"]
    weights = np.full(index.shape, 0.5, np.float32)
    found = [comparison.compared(jnp.asarray(index), w, 300) for w in (None, jnp.asarray(weights))]
    np.testing.assert_array_equal(found[0], plain(index, None, 300))
    np.testing.assert_array_equal(found[1], plain(index, weights, 300))


@pytest.mark.parametrize("name", ["scatter", "replicated", "comparison"])
def test_integer_weights_are_summed_exactly(name):
    index = indices(*SHAPES[1])["padded"]
    weights = np.random.default_rng(2).integers(0, 1000, index.shape, dtype=np.int32)
    found = ways.WAYS[name](jnp.asarray(index), jnp.asarray(weights), SHAPES[1][-1])
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, plain(index, weights, SHAPES[1][-1]))


def test_an_accelerators_count_is_the_cpus(dtype):
    x = np.random.default_rng(3).normal(0.5, 1, (7, 500)).astype(dtype)
    x[0, :5] = np.nan, np.inf, -np.inf, 0.0, 1.0
    basis = fbgmm.init_basis(0.0, 1.0, n=20)
    present = np.arange(x.size).reshape(x.shape) % 3 > 0
    low, r = (jnp.full(7, end, dtype) for end in (basis.low, basis.r))
    found = on_accelerator(20, jnp.asarray(x), low, r, jnp.full(7, 19), jnp.asarray(present))
    expected = jax.vmap(lambda x, w: total(count(basis, x, w)))(jnp.asarray(x), jnp.asarray(present))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("version", "taken"),
    [("0.10.1", "replicated"), ("0.10.2", "comparison"), ("0.11.0", "comparison"), ("0.11.1", "replicated")],
)
def test_floats_take_no_scatter_where_the_compiler_is_slow_at_it(version, taken, monkeypatch):
    monkeypatch.setattr(ways, "compiler", lambda: version)
    index, values = jnp.zeros((1, 4), jnp.int32), jnp.ones((1, 4))
    made = str(jax.make_jaxpr(lambda i, v: ways.histograms(i, v, 3))(index, values))
    assert ("scatter-add" in made) == (taken == "replicated")
    assert ways.way(4, values.dtype) == taken
    assert ways.way(300, index.dtype) == ways.way(300, None) == "replicated"


def test_one_way_can_be_taken_and_is_given_back():
    with ways.taking("comparison"):
        made = str(jax.make_jaxpr(lambda i: ways.histograms(i, None, 3))(jnp.zeros((1, 4), jnp.int32)))
        assert "scatter-add" not in made
    assert ways.way(3, None) == "packed"
    with (
        pytest.raises(ValueError, match=r"scatter, replicated, packed, comparison; found 'magic'"),
        ways.taking("magic"),
    ):
        pass


def test_comparison_makes_no_array_of_points_times_cells():
    index = jax.ShapeDtypeStruct((1, 10**9), jnp.int32)
    compiled = jax.jit(lambda i: ways.WAYS["comparison"](i, None, 200)).lower(index).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 8 * 10**9  # 200 · 10^9 comparisons
