"""The search that quantiles of mixtures and of predictions and normal scores share, against roots that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr

import fbgmm
from fbgmm.evaluation.quantiles import differentiable, search, solve_icdf, with_ends
from fbgmm.evaluation.tables import tables_of


def cubic(y):
    return lambda x: (x**3 - y, 3 * x * x)


def test_halving_and_newton_find_roots_of_a_cubic(dtype, accuracy):
    y = jnp.asarray([-8.0, -1e-3, 0.0, 0.5, 27.0], dtype)
    lower, upper = jnp.full_like(y, -5), jnp.full_like(y, 4)
    x = search(cubic(y), lower, upper, halvings=14, newton=6)
    np.testing.assert_allclose(x, np.cbrt(np.asarray(y, float)), rtol=5 * accuracy, atol=1e-4)


def test_newton_alone_from_a_start_in_an_open_bracket(dtype, accuracy):
    y = jnp.asarray([1.0, 30.0], dtype)
    x = search(cubic(y), jnp.zeros_like(y), jnp.full_like(y, jnp.inf), jnp.asarray([0.9, 3.2], dtype), newton=6)
    np.testing.assert_allclose(x, np.cbrt(np.asarray(y, float)), rtol=5 * accuracy)


def test_the_derivative_is_that_of_the_root(dtype):
    def root(y):
        x = search(cubic(jax.lax.stop_gradient(y)), jnp.zeros(()), jnp.full((), 5.0), halvings=14, newton=6)
        return differentiable(x, x**3 - y, 3 * x * x)

    y = jnp.asarray(8.0, dtype)
    assert float(jax.grad(root)(y)) == pytest.approx(1 / 12, rel=1e-5)


def test_ends():
    q = jnp.asarray([-0.1, 0.0, 0.5, 1.0, 1.1, jnp.nan])
    np.testing.assert_array_equal(with_ends(jnp.full(6, 3.0), q), [np.nan, -np.inf, 3, np.inf, np.nan, np.nan])


@pytest.mark.parametrize(("n", "t"), [(3, 2.0), (200, 0.05), (200, 2.0)])
def test_quantiles_of_traced_mixtures(n, t, dtype):
    """Many probabilities, as rounding leads a step out of its bracket for few in a million; narrow components, between
    which a Newton step leads anywhere; and small probabilities, whose quantiles lie in a tail."""
    rng = np.random.default_rng(1)
    gmm = fbgmm.fit(np.random.default_rng(0).normal(size=3000).astype(dtype), n=n, t=t)
    many = 300_000 if n == 3 else 3000
    q = np.concatenate([rng.random(many), 10.0 ** -rng.uniform(1, 7, 300)]).astype(dtype)
    x = np.asarray(jax.jit(solve_icdf)(gmm.basis, gmm.pi, jnp.asarray(q)), np.float64)
    mu, pi = (np.asarray(a, np.float64) for a in (gmm.basis.mu, gmm.pi))
    z = (x[:, None] - mu) / float(gmm.basis.sigma)
    rounding = np.exp(-0.5 * z * z) @ pi / float(gmm.basis.sigma) * np.spacing(np.abs(x).astype(dtype))
    bound = 1e-6 if dtype == np.float32 else 1e-12
    assert (np.abs(ndtr(z) @ pi - q) <= bound + rounding).all()


@pytest.mark.parametrize("t", [1e-5, 1e-3, 0.1])
@pytest.mark.parametrize("traced", [False, True])
def test_quantiles_of_components_that_are_needles(t, traced):
    """Within two roundings of x, as the distribution function has it in float64."""
    rng = np.random.default_rng(0)
    basis = fbgmm.init_basis(0.0, 1.0, n=200, t=t)
    gmm, q = fbgmm.Mixture(basis, jnp.asarray(rng.dirichlet(np.ones(200)), basis.dtype)), rng.random(300)
    q = jnp.asarray(q, basis.dtype)
    x = np.asarray(jax.jit(lambda gmm: gmm.icdf(q))(gmm) if traced else gmm.icdf(q))
    mu, sigma, pi = (np.asarray(a, np.float64) for a in (basis.mu, basis.sigma, gmm.pi))
    below, above = (
        ndtr((np.nextafter(np.nextafter(x, end), end)[:, None].astype(float) - mu) / sigma) @ pi
        for end in (x.dtype.type(-1), x.dtype.type(2))
    )
    assert (below - 1e-6 <= np.asarray(q)).all()
    assert (np.asarray(q) <= above + 1e-6).all()


def test_needles_take_no_memory():
    """A table of them would have a piece for each sigma: 2 GB."""
    gmm = fbgmm.Mixture(basis := fbgmm.init_basis(0.0, 1.0, n=200, t=1e-6), jnp.full(200, 1 / 200, basis.dtype))
    assert tables_of(basis, np.asarray(gmm.pi)) is None
    x = np.asarray(basis.mu)[:3]
    peak = -np.log(200 * np.sqrt(2 * np.pi) * float(basis.sigma))
    np.testing.assert_allclose(gmm.log_prob(x), peak, rtol=1e-6)
