"""One mixture at many points by tables of polynomials: against sums of all components in float64, and against few."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import fbgmm
from fbgmm.evaluation.lookup import EvenLookup, find, lookup
from fbgmm.evaluation.polynomials import FEW, on_device
from tests import oracle
from tests.conftest import X64

RNG = np.random.default_rng(0)


def fitted(n, t, size=400):
    return fbgmm.fit(np.random.default_rng(n).standard_normal(size).astype(np.float64 if X64 else np.float32), n=n, t=t)


def with_weights(pi, t):
    dtype = np.float64 if X64 else np.float32
    pi = np.asarray(pi, dtype)
    return fbgmm.Mixture(fbgmm.init_basis(dtype(0), dtype(10), n=pi.size, t=t), jnp.asarray(pi / pi.sum()))


def two_scales():
    x = np.concatenate([1e-4 * RNG.standard_normal(3000), RNG.standard_t(2, 3000)])
    return fbgmm.fit(x.astype(np.float64 if X64 else np.float32))


MIXTURES = {
    "narrow": lambda: fitted(60, 0.3),
    "as wide as a cell": lambda: fitted(200, 1.0),
    "usual": lambda: fitted(200, 2.0),
    "wide": lambda: fitted(50, 7.0),
    "gaps": lambda: with_weights(np.where(np.arange(300) % 100 < 3, 1.0, 0.0), 1.0),
    "one component": lambda: with_weights([0, 0, 1, 0, 0], 1.0),
    "steep": lambda: with_weights(10.0 ** -np.linspace(0, 30, 80), 1.5),
    "chosen, two scales and a heavy tail": two_scales,
}


@pytest.fixture(scope="module", params=MIXTURES)
def gmm(request):
    return MIXTURES[request.param]()


def exact(gmm, x):
    """log g and the distribution function at each point, by all components in float64."""
    mu, sigma, pi = (np.asarray(a, np.float64) for a in (gmm.basis.mu, gmm.basis.widths, gmm.pi))
    x, log_g, below = np.asarray(x, np.float64), [], []
    with np.errstate(divide="ignore"):
        log_height = np.log(pi / sigma) - 0.5 * np.log(2 * np.pi)
    for part in np.array_split(x, x.size // 1000 + 1):
        z = (part[:, None] - mu) / sigma
        log_g.append(special.logsumexp(log_height - 0.5 * z * z, axis=1))
        below.append(special.ndtr(z) @ pi)
    return np.concatenate(log_g), np.concatenate(below)


def points(gmm, size=FEW):
    """Inside, on the edges of the cells, and beyond both ends."""
    edges, widths = np.asarray(gmm.basis.edges, np.float64), np.asarray(gmm.basis.widths, np.float64)
    low, high = edges[0], edges[-1]
    inside = np.random.default_rng(1).choice(edges[:-1], size) + np.random.default_rng(2).random(size) * np.min(
        np.diff(edges)
    )
    outside = [low - widths[0] * 10 ** np.linspace(-3, 3, 40), high + widths[-1] * 10 ** np.linspace(-3, 3, 40)]
    return np.concatenate([inside, edges, *outside]).astype(gmm.pi.dtype)


def test_many_points_against_sums_of_all_components(gmm):
    x, accuracy = points(gmm), 1e-12 if X64 else 1e-6
    expected, below = exact(gmm, x)
    error = np.abs(np.asarray(gmm.log_prob(x)) - expected) / np.maximum(1, np.abs(expected))
    assert error.max() <= accuracy, (x[error.argmax()], error.max())
    high = expected > expected.max() - 69  # above 1e-30 of the peak
    np.testing.assert_allclose(np.asarray(gmm.prob(x))[high], np.exp(expected)[high], rtol=1e-11 if X64 else 1e-6)
    np.testing.assert_allclose(gmm.cdf(x), below, rtol=0, atol=accuracy)


def test_densities_beyond_the_least_number_are_zero(dtype):
    """Between a spike and its neighbours the logarithm falls to −10¹⁶ within a cell."""
    x = np.abs(np.random.default_rng(0).standard_normal(60)).astype(dtype)
    gmm = fbgmm.fit(x, low=0.0, edges="low")
    at = np.linspace(-3, 5, 4 * FEW).astype(dtype)
    expected = np.exp(exact(gmm, at)[0])
    np.testing.assert_allclose(gmm.prob(at), expected, rtol=1e-5, atol=1e-37)


def test_few_points_are_those_of_many(gmm):
    x = points(gmm)
    for name in ("log_prob", "cdf"):
        f = getattr(gmm, name)
        np.testing.assert_allclose(f(x[-500:]), f(x)[-500:], rtol=1e-12 if X64 else 2e-6, atol=1e-13 if X64 else 2e-7)


def test_quantiles_of_many_and_of_few(gmm):
    q = np.concatenate([RNG.random(FEW), 10.0 ** -np.arange(1, 12), 1 - 2.0 ** -np.arange(2, 20), [0.0, 1.0, -1, 2]])
    q = q.astype(gmm.pi.dtype)
    for asked in (q, q[-200:]):
        x = np.asarray(gmm.icdf(asked))
        proper = (asked > 0) & (asked < 1)
        np.testing.assert_array_equal(x[-4:], [-np.inf, np.inf, np.nan, np.nan])
        log_g, below = exact(gmm, x[proper])
        miss = np.abs(below - asked[proper].astype(np.float64))
        # A quantile is rounded too: where the density is high, that is a step of the distribution function.
        spacing = np.exp(log_g) * np.spacing(np.abs(x[proper]))
        assert (miss <= (1e-12 if X64 else 1e-6) + spacing).all()


def test_slope_and_curvature_of_many_points():
    gmm = MIXTURES["usual"]()
    x = jnp.asarray(RNG.uniform(-2.5, 2.5, 2 * FEW).astype(gmm.pi.dtype))
    slope = jax.jit(jax.grad(lambda x: gmm.log_prob(x).sum()))
    np.testing.assert_allclose(slope(x), oracle.score(gmm, x), rtol=1e-4, atol=1e-4)
    bend = jax.jit(lambda x: jax.jvp(jax.grad(lambda x: gmm.log_prob(x).sum()), (x,), (jnp.ones_like(x),))[1])(x)
    of_sums = jax.vmap(jax.hessian(lambda x: gmm.log_prob(x)))(x[:200])
    np.testing.assert_allclose(bend[:200], of_sums, rtol=1e-3, atol=1e-3 * float(jnp.abs(of_sums).max()))
    np.testing.assert_allclose(jax.grad(lambda x: gmm.cdf(x).sum())(x), gmm.prob(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["log_density", "cdf"])
def test_polynomials_are_shorter_where_that_does(gmm, kind):
    tables = gmm._evaluator.tables
    full, used = getattr(tables, kind), on_device(tables, kind, gmm.pi.dtype).pieces
    degree, v = len(used.coefficients) - 1, np.linspace(-1, 1, 41)[:, None]
    assert degree in (len(full.coefficients) - 1, 2 * (len(full.coefficients) - 1) // 3)
    values = [
        sum(np.asarray(c, np.float64) * v**m for m, c in enumerate(p.coefficients))[:, ~full.hard] for p in (full, used)
    ]
    info = np.finfo(gmm.pi.dtype)
    rounding = 8 * info.eps * np.abs(full.coefficients[:, ~full.hard]).sum(axis=0) + info.tiny
    assert np.all(np.abs(values[1] - values[0]) <= rounding)


def test_which_polynomials_are_short(dtype):
    def degrees(n, t):
        basis = fbgmm.init_basis(dtype(0), dtype(1), n=n, t=t)
        tables = fbgmm.Mixture(basis, jnp.full(n, 1 / n, dtype))._evaluator.tables
        return [len(on_device(tables, kind, dtype).pieces.coefficients) - 1 for kind in ("log_density", "cdf")]

    assert degrees(200, 2.0) == ([13, 20] if X64 else [8, 8])
    assert degrees(50, 0.3) == ([20, 20] if X64 else [8, 12])  # pieces of .83 sigma


def test_the_lower_tail_is_right_relative_to_itself(dtype):
    gmm = fitted(200, 2.0)
    low, sigma = float(gmm.basis.low), float(gmm.basis.widths[0])
    x = (low - sigma * np.linspace(0, 35 if X64 else 11, FEW)).astype(dtype)
    np.testing.assert_allclose(gmm.cdf(x), exact(gmm, x)[1], rtol=1e-10 if X64 else 2e-5)


EDGES = {
    "even": np.linspace(-3.0, 5.0, 401),
    "about even": np.arange(400) + np.random.default_rng(0).uniform(0, 0.5, 400),
    "growing": np.concatenate([-(1.06 ** np.arange(300, 0, -1)), 1.06 ** np.arange(300)]),
    "two scales": np.sort(np.concatenate([1 + 1e-4 * np.arange(200), np.arange(-50.0, 150.0)])),
    "equal ones": np.repeat([0.0, 1e-9, 0.5, 1.0], 5),
}


@pytest.mark.parametrize("closed", ["left", "right"])
@pytest.mark.parametrize("name", EDGES)
def test_lookup_is_bisection(name, closed, dtype):
    edges = np.unique(EDGES[name].astype(dtype)) if name != "equal ones" else EDGES[name].astype(dtype)
    at = lookup(edges, np.dtype(dtype), float(edges[edges.size // 2]))
    assert isinstance(at, EvenLookup) == (name in ("even", "about even"))
    x = np.concatenate([RNG.uniform(edges[0] - 1, edges[-1] + 1, 5000), edges, np.nextafter(edges, -np.inf)]).astype(
        dtype
    )
    x = np.concatenate([x[np.abs(x) > 1e-30], [0, np.inf, -np.inf, np.nan]]).astype(dtype)  # programs flush tiny ones
    i, crowded = find(jax.tree.map(jnp.asarray, at), jnp.asarray(x), closed)
    side = "right" if closed == "left" else "left"
    expected = np.clip(np.searchsorted(edges, x, side=side) - 1, 0, edges.size - 2)
    sure = ~np.asarray(crowded) & ~np.isnan(x)
    np.testing.assert_array_equal(np.asarray(i)[sure], expected[sure])
    assert name == "equal ones" or sure.mean() > 0.9


@pytest.mark.parametrize("traced", [False, True])
def test_the_distribution_function_stays_within_0_and_1(traced):
    """Weights whose sum is above 1 by rounding, few points and many, tables and sums."""
    gmm = fitted(200, 2.0)
    gmm = fbgmm.Mixture(gmm.basis, gmm.pi * (1 + 4 * jnp.finfo(gmm.pi.dtype).eps))
    assert float(np.asarray(gmm.pi, np.float64).sum()) > 1
    for points in (100, FEW + 1):
        x = jnp.linspace(-9, 9, points)
        below = jax.jit(lambda gmm, x: gmm.cdf(x))(gmm, x) if traced else gmm.cdf(x)
        assert float(below.min()) >= 0
        assert float(below.max()) == 1


def test_a_distribution_function_of_negative_weights_is_shown_as_it_is():
    basis = fbgmm.init_basis(-1.0, 1.0, n=20, t=1.0)
    pi = jnp.full(20, 0.06).at[5].set(-0.14)
    gmm, x = fbgmm.Mixture(basis, pi), jnp.asarray([-0.4, 0.0, 3.0])
    gmm = fbgmm.Mixture(basis, gmm.pi * jnp.where(jnp.arange(20) < 5, -1, 1))
    z = (np.asarray(x)[:, None] - np.asarray(basis.mu)) / float(basis.sigma)
    expected = special.ndtr(z) @ np.asarray(gmm.pi, np.float64)
    assert expected.min() < -0.1
    for found in (gmm.cdf(x), jax.jit(lambda gmm: gmm.cdf(x))(gmm)):
        np.testing.assert_allclose(found, expected, atol=2e-6)
