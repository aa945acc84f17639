"""Running sums and maxima are numpy's, whatever their number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fbgmm.evaluation.cumulative import running_max, running_min_back, running_sum


@jax.jit
def all_four(a, i):
    return running_sum(a), running_max(a, -jnp.inf), running_max(i, -9), running_min_back(i, 9)


@pytest.mark.parametrize("size", [1, 2, 16, 17, 300, 5000])
def test_they_are_those_of_numpy(size, dtype):
    a = np.random.default_rng(size).normal(size=size).astype(dtype)
    i = np.random.default_rng(size).integers(-5, 5, size)
    sums, greatest, greatest_index, least_index = all_four(a, i)
    np.testing.assert_allclose(sums, np.cumsum(a, dtype=np.float64), atol=size * np.finfo(dtype).eps)
    np.testing.assert_array_equal(greatest, np.maximum.accumulate(a))
    np.testing.assert_array_equal(greatest_index, np.maximum.accumulate(i))
    np.testing.assert_array_equal(least_index, np.minimum.accumulate(i[::-1])[::-1])
    np.testing.assert_array_equal(all_four(np.ones(size, dtype), i)[0], np.arange(1, size + 1))


def test_they_are_mapped_and_differentiated():
    a = jnp.asarray(np.random.default_rng(0).normal(size=(3, 40)), jnp.float32)
    np.testing.assert_allclose(jax.vmap(running_sum)(a), np.cumsum(a, axis=1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(jax.grad(lambda a: running_sum(a)[30])(a[0]), np.arange(40) <= 30)
