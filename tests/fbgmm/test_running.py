"""Running sums and maxima are numpy's, whatever their number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fbgmm.running import running_max, running_min_back, running_sum


@pytest.mark.parametrize("size", [1, 2, 16, 17, 300, 5000])
def test_they_are_those_of_numpy(size, dtype):
    a = np.random.default_rng(size).normal(size=size).astype(dtype)
    np.testing.assert_allclose(
        running_sum(jnp.asarray(a)), np.cumsum(a, dtype=np.float64), atol=size * np.finfo(dtype).eps
    )
    np.testing.assert_array_equal(running_max(jnp.asarray(a), -jnp.inf), np.maximum.accumulate(a))
    i = np.random.default_rng(size).integers(-5, 5, size)
    np.testing.assert_array_equal(running_max(jnp.asarray(i), -9), np.maximum.accumulate(i))
    np.testing.assert_array_equal(running_min_back(jnp.asarray(i), 9), np.minimum.accumulate(i[::-1])[::-1])
    np.testing.assert_array_equal(running_sum(jnp.ones(size, dtype)), np.arange(1, size + 1))


def test_they_are_mapped_and_differentiated():
    a = jnp.asarray(np.random.default_rng(0).normal(size=(3, 40)), jnp.float32)
    np.testing.assert_allclose(jax.vmap(running_sum)(a), np.cumsum(a, axis=1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(jax.grad(lambda a: running_sum(a)[30])(a[0]), np.arange(40) <= 30)
