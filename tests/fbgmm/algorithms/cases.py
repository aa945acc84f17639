"""What the tests of several algorithms share."""

import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

import fbgmm
from fbgmm.basis import init_basis


def counted(algorithm, x, n, t, dtype):
    basis = init_basis(dtype(x.min()), dtype(x.max()), n, dtype(t))
    return basis, algorithm.update(algorithm.init(basis), basis, jnp.asarray(x, dtype), None)


def against_the_paper(algorithm, dtype):
    """With a sigma much below the width of the density: the penalties see by themselves that it is smooth."""
    rng = np.random.default_rng(0)
    u = np.linspace(-5, 5, 500)
    error = {}
    xs = rng.normal(0, 1, (4, 1000)).astype(dtype)
    for name, each in (("penalised", algorithm), ("paper", fbgmm.algorithm2()), ("ml", fbgmm.maximum_likelihood(64))):
        gmms = fbgmm.fit_batch(xs, 200, 3.0, each)
        g = np.asarray(gmms.prob(np.repeat(u[:, None], 4, 1).astype(dtype)))
        error[name] = np.abs(g - norm.pdf(u)[:, None]).sum(0).mean() * (u[1] - u[0])
    assert error["penalised"] < 0.7 * error["paper"]
    assert error["penalised"] < 0.5 * error["ml"]


def batches_are_single_fits(algorithm, dtype):
    rng = np.random.default_rng(1)
    xs = [rng.normal(0, 1, 300).astype(dtype), rng.exponential(1, 200).astype(dtype)]
    gmms = fbgmm.fit_batch(xs, n=(30, 50), t=(1.0, 2.0), algorithm=algorithm)
    for i, x in enumerate(xs):
        alone, tolerance = fbgmm.fit(x, 30, 2.0, algorithm).pi, 1e-6 if dtype == np.float64 else 1e-4
        np.testing.assert_allclose(gmms.pi[i, 0, 1, :30], alone, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(gmms.pi[i, 0, 1, 30:], 0)
