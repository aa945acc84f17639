"""Few lengths for any length: what is compiled once serves the next data set."""

import jax
import numpy as np
import pytest

import fbgmm
from fbgmm.fitting.padding import padded_length, standard_pieces
from fbgmm.fitting.prepare import on_host
from fbgmm.fitting.shards import _on_one_device, fit_on_host


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 79, 80, 1000, 1 << 16, (1 << 16) + 1, 99_999])
def test_pieces_hold_the_points_once_and_pad_with_weight_zero(length, dtype):
    x = np.arange(length, dtype=dtype)
    parts = standard_pieces(x)
    kept = [part if w is None else part[w] for part, w in parts]
    np.testing.assert_array_equal(np.concatenate(kept), x)
    assert sum(len(part) for part, _ in parts) == padded_length(length)
    assert padded_length(length) <= max(64, 1.25 * length)
    weighted = standard_pieces(x, 2 * np.arange(length))
    assert sum(w.sum() for _, w in weighted) == length * (length - 1)


def test_lengths_are_few():
    shapes = {tuple(len(part) for part, _ in standard_pieces(np.zeros(n, np.float32))) for n in range(1, 5000)}
    assert len(shapes) <= 2 + 8 * np.log2(5000 / 64)  # four heads an octave, with and without a rest
    assert len({padded_length(n) for n in range(1, 5000)}) <= 2 + 4 * np.log2(5000 / 64)


def test_the_head_is_not_copied():
    x = np.zeros(1000)
    head = standard_pieces(x)[0][0]
    assert np.shares_memory(head, x)


@pytest.mark.slow
def test_new_lengths_seldom_compile_again(dtype):
    x = np.random.default_rng(0).normal(size=3000).astype(dtype)
    before = fit_on_host._cache_size()
    for n in range(2048, 2560, 7):
        fbgmm.fit(x[:n], 37, 1.5)
        fbgmm.fit(jax.numpy.asarray(x[: n - 1]), 37, 1.5)  # on a CPU also arrays of JAX
    assert fit_on_host._cache_size() - before <= 4


def test_ragged_rows_of_new_lengths_seldom_compile_again(dtype):
    x = np.random.default_rng(0).normal(size=3000).astype(dtype)
    before = _on_one_device._cache_size()
    for n in range(2049, 2560, 57):
        fbgmm.fit_batch([x[:n], x[: n - 5]], 37, 1.5)
    assert _on_one_device._cache_size() - before == 1


def test_a_given_range_shares_the_program_and_bad_data_need_none(dtype):
    x = np.random.default_rng(0).normal(size=1000).astype(dtype)
    fbgmm.fit(x, 37, 1.5)
    before = fit_on_host._cache_size()
    fbgmm.fit(x, 37, 1.5, low=-1.0, high=1.0)
    fbgmm.fit(x, 37, 1.5, low=-9.0)
    with pytest.raises(ValueError, match="x must be finite"):
        fbgmm.fit(np.full(1000, np.nan, dtype), 38, 1.5)
    assert fit_on_host._cache_size() == before


@pytest.mark.slow
@pytest.mark.parametrize("length", [2, 70, 300])
def test_pieces_change_nothing(length, dtype, rounding):
    """Under jit the data is one part; weights and a range are carried through both ways."""
    x = np.random.default_rng(1).normal(size=length).astype(dtype)
    w = np.random.default_rng(2).integers(0, 3, length)
    w[:2] = 1
    for weights in (None, w, w.astype(dtype)):
        for options in ({}, {"low": -1.0, "high": 1.5}, {"low": -1.0, "high": 1.5, "outside": "drop"}):
            parts = fbgmm.fit(x, 20, weights=weights, **options)
            whole = jax.jit(lambda x, options=options, weights=weights: fbgmm.fit(x, 20, weights=weights, **options))(x)
            np.testing.assert_allclose(parts.pi, whole.pi, rtol=rounding, atol=rounding)
            assert int(parts.outside) == int(whole.outside)


def test_tracers_and_spread_arrays_stay_where_they_are():
    assert on_host([1.0, 2.0], None, np.zeros(3), jax.numpy.zeros(3))
    assert not jax.jit(lambda x: jax.numpy.asarray(on_host(x)))(1.0)
