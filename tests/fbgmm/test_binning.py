"""Every fast way of counting against the plain one, on data that are hard to bin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fbgmm
from fbgmm import binning as room
from fbgmm.binning import cell_counts, cell_index, in_blocks, rows_at_a_time

N, CELLS = 40_000, 50


def plain(basis, x, present=None):
    """One addition for each point."""
    x, counts = np.asarray(x), np.zeros(basis.capacity, int)
    used = np.isfinite(x) & (np.abs(x) < 1e18) & (True if present is None else np.asarray(present))
    np.add.at(counts, np.asarray(cell_index(basis, jnp.asarray(x)))[used], 1)
    return counts


def hard_data(dtype):
    """By name: data of N points about the cells of [0, 1]."""
    rng = np.random.default_rng(0)
    edges = np.asarray(fbgmm.init_basis(0.0, 1.0, n=CELLS).edges, dtype)
    some = rng.choice(edges, N)
    tiny = np.finfo(dtype).smallest_subnormal
    return {
        "random": rng.random(N).astype(dtype),
        "sorted": np.sort(rng.random(N).astype(dtype)),
        "constant": np.full(N, 0.5, dtype),
        "edges": some,
        "an ulp above the edges": np.nextafter(some, dtype(2)),
        "an ulp below the edges": np.nextafter(some, dtype(-1)),
        "denormals and -0.0": rng.choice(np.array([-0.0, 0.0, tiny, -tiny, 1.0], dtype), N),
        "outside": rng.normal(0.5, 3, N).astype(dtype),
        "not finite": rng.choice(np.array([0.1, np.nan, np.inf, -np.inf, 0.9], dtype), N),
    }


@pytest.mark.parametrize("name", list(hard_data(np.float32)))
def test_all_ways_count_alike(name, dtype):
    x = hard_data(dtype)[name]
    basis = fbgmm.init_basis(0.0, 1.0, n=CELLS)
    expected = plain(basis, x)
    np.testing.assert_array_equal(cell_counts(basis, jnp.asarray(x)), expected)  # chunks
    arguments = (jnp.asarray(x), basis.low, basis.r, jnp.asarray(CELLS - 1, jnp.int32))
    flat = jax.jit(lambda *a: room._flat(CELLS, jnp.int32, *(b[None] for b in a)))(*arguments)
    np.testing.assert_array_equal(flat[0], expected)
    present = np.arange(N) % 3 == 0
    np.testing.assert_array_equal(cell_counts(basis, jnp.asarray(x), jnp.asarray(present)), plain(basis, x, present))
    rows = x.reshape(400, 100)
    each = jax.vmap(lambda row: cell_counts(basis, row))(jnp.asarray(rows))
    np.testing.assert_array_equal(each, [plain(basis, row) for row in rows])


@pytest.mark.parametrize("length", [255, 256, room._CHUNK, room._CHUNK + 1])
def test_one_cell_holds_all_points_of_a_row(length, dtype):
    """At the lengths where the integers that count become wider."""
    basis = fbgmm.init_basis(0.0, 1.0, n=3)
    rows = jnp.full((2, length), 0.9, dtype)
    found = jax.vmap(lambda row: cell_counts(basis, row))(rows)
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, [[0, 0, length]] * 2)


def test_cells_agree_with_the_nearest_mean(dtype):
    basis = fbgmm.init_basis(-3.0, 2.0, n=37)
    x = np.random.default_rng(1).uniform(-4, 3, 5000).astype(dtype)
    distance = np.abs(x[:, None].astype(float) - np.asarray(basis.mu, float)[None])
    index = np.asarray(cell_index(basis, jnp.asarray(x)))
    rounding = 1e-5 if dtype == np.float32 else 1e-13
    assert (distance[np.arange(5000), index] <= distance.min(1) + rounding).all()


def test_vmap_counts_all_rows_in_one_scatter_also_when_nested(dtype):
    x = jnp.asarray(np.random.default_rng(2).random((3, 4, 50)), dtype)
    bases = jax.vmap(lambda n: fbgmm.init_basis(0.0, 1.0, n, capacity=9))(jnp.array([2, 5, 9]))
    nested = jax.vmap(lambda basis, rows: jax.vmap(lambda row: cell_counts(basis, row))(rows))
    found = nested(bases, x)
    for i in range(3):
        basis = jax.tree.map(lambda leaf, i=i: leaf[i], bases)
        np.testing.assert_array_equal(found[i], [plain(basis, row) for row in x[i]])
    scatters = str(jax.make_jaxpr(nested)(bases, x)).count("scatter-add")
    assert scatters <= 4  # one for each platform and length, not one for each row


@pytest.mark.parametrize("count", [8, 9, 15, 16])
def test_blocks_change_nothing(count):
    rows = {"x": jnp.arange(3.0 * count).reshape(count, 3)}
    found = in_blocks(lambda block: (block["x"].sum(1), block["x"] * 2), rows, 4)
    np.testing.assert_array_equal(found[0], rows["x"].sum(1))
    np.testing.assert_array_equal(found[1], rows["x"] * 2)


def test_a_batch_in_blocks_equals_its_rows(monkeypatch):
    xs = np.random.default_rng(3).standard_normal((50, 20))
    expected = [fbgmm.fit(x, n=7).pi for x in xs]
    monkeypatch.setattr(room, "_BLOCK_POINTS", 320)
    assert rows_at_a_time(20, 7) == 16
    jax.clear_caches()
    np.testing.assert_array_equal(fbgmm.fit_batch(xs, n=7).pi, expected)
    jax.clear_caches()


@pytest.mark.parametrize("outside", ["end", "drop"])
def test_points_outside_are_counted_and_kept_or_dropped(outside, rounding):
    x = np.array([-5.0, 0.1, 0.2, 0.9, 7.0, 8.0])
    gmm = fbgmm.fit(x, n=4, low=0.0, high=1.0, outside=outside)
    assert int(gmm.outside) == 3
    kept = x[(x >= 0) & (x <= 1)] if outside == "drop" else np.clip(x, 0, 1)
    np.testing.assert_array_equal(gmm.pi, fbgmm.fit(kept, n=4, low=0.0, high=1.0).pi)
    batch = fbgmm.fit_batch([x, x[:3]], n=4, low=0.0, high=1.0, outside=outside)
    assert batch.outside.tolist() == [3, 1]
    np.testing.assert_array_equal(batch.pi[0], gmm.pi)
    stream = fbgmm.fit_stream(iter([x[:2], x[2:]]), n=4, low=0.0, high=1.0, outside=outside)
    assert int(stream.outside) == 3
    np.testing.assert_allclose(stream.pi, gmm.pi, rtol=rounding)  # the counts are the same, the programs not
