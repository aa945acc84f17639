"""Bandwidths from counts against direct implementations on the points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dct
from scipy.optimize import brentq

import fbgmm


def samples():
    rng = np.random.default_rng(0)
    return {
        "normal": rng.normal(0, 1, 300),
        "two peaks": np.concatenate([rng.normal(0, 1, 150), rng.normal(5, 0.3, 150)]),
        "heavy tails": rng.standard_t(3, 300),
        "edge": rng.exponential(1, 300),
        "uniform": rng.uniform(2, 3, 300),
        "large": rng.normal(-100, 20, 3000),
    }


def binned(x, dtype, bins=800):
    """Counts over the range of the data, and the width of a bin."""
    return jnp.asarray(np.histogram(x, bins)[0], dtype), (x.max() - x.min()) / bins


def direct_isj(x, bins=2**14):
    """Botev, Grotowski and Kroese 2010, as printed: t = ξ γ^[7](t) on twice the data's range."""
    width = x.max() - x.min()
    p = np.histogram(x, bins, (x.min() - width / 2, x.max() + width / 2))[0] / x.size
    squared, k2 = dct(p)[1:] ** 2 / 4, np.arange(1, bins) ** 2.0

    def excess(t):
        f = 2 * np.pi**14 * np.sum(k2**7 * squared * np.exp(-k2 * np.pi**2 * t))
        for s in range(6, 1, -1):
            odd = np.prod(np.arange(1, 2 * s, 2)) / np.sqrt(2 * np.pi)
            pilot = (2 * (1 + 0.5 ** (s + 0.5)) / 3 * odd / (x.size * f)) ** (2 / (3 + 2 * s))
            f = 2 * np.pi ** (2 * s) * np.sum(k2**s * squared * np.exp(-k2 * np.pi**2 * pilot))
        return t - (2 * x.size * np.sqrt(np.pi) * f) ** -0.4

    trials = np.geomspace(1e-8, 0.1, 300)
    values = np.array([excess(t) for t in trials])
    first = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))[0]
    return np.sqrt(brentq(excess, trials[first], trials[first + 1])) * 2 * width


def direct_sheather_jones(x):
    """Sheather and Jones 1991 by all pairs of points, with the constants of R's bw.SJ."""
    n, d = x.size, x[:, None] - x[None, :]
    scale = min(x.std(), np.subtract(*np.percentile(x, [75, 25])) / 1.349)

    def fourth(h):
        z = (d / h) ** 2
        return (np.exp(-z / 2) * (z**2 - 6 * z + 3)).sum() / (n * (n - 1) * h**5 * np.sqrt(2 * np.pi))

    def sixth(h):
        z = (d / h) ** 2
        return (np.exp(-z / 2) * (z**3 - 15 * z**2 + 45 * z - 15)).sum() / (n * (n - 1) * h**7 * np.sqrt(2 * np.pi))

    ratio = 1.357 * (fourth(1.24 * scale * n ** (-1 / 7)) / -sixth(1.23 * scale * n ** (-1 / 9))) ** (1 / 7)
    return brentq(
        lambda h: (1 / (2 * np.sqrt(np.pi) * n * fourth(ratio * h ** (5 / 7)))) ** 0.2 - h, 0.02 * scale, 2 * scale
    )


@pytest.mark.parametrize("name", samples())
def test_isj_against_the_paper(name, dtype):
    x = samples()[name]
    np.testing.assert_allclose(fbgmm.isj(*binned(x, dtype)), direct_isj(x), rtol=0.005)


@pytest.mark.parametrize("name", samples())
def test_isj_against_kde_diffusion(name, dtype):
    kde1d = pytest.importorskip("kde_diffusion").kde1d
    x = samples()[name]
    half = np.ptp(x) / 2
    expected = kde1d(x, limits=(x.min() - half, x.max() + half))[2]
    np.testing.assert_allclose(fbgmm.isj(*binned(x, dtype)), expected, rtol=0.005)


@pytest.mark.parametrize("name", samples())
def test_isj_against_kdepy(name, dtype):
    """KDEpy 1.1.12 solves for t on a wider grid but multiplies √t by the range of the data, not by the grid's."""
    selection = pytest.importorskip("KDEpy.bw_selection")
    x = samples()[name]
    grid = selection.autogrid(x[:, None], boundary_abs=6, num_points=2**10, boundary_rel=0.5)
    expected = selection.improved_sheather_jones(x[:, None]) * np.ptp(grid) / np.ptp(x)
    np.testing.assert_allclose(fbgmm.isj(*binned(x, dtype)), expected, rtol=0.02)


@pytest.mark.parametrize("name", [name for name in samples() if name != "large"])
def test_sheather_jones_against_all_pairs(name, dtype):
    x = samples()[name]
    np.testing.assert_allclose(fbgmm.sheather_jones(*binned(x, dtype)), direct_sheather_jones(x), rtol=0.01)


@pytest.mark.parametrize("rule", [fbgmm.isj, fbgmm.sheather_jones])
def test_units_and_bins(rule, dtype):
    x = samples()["two peaks"]
    c, width = binned(x, dtype)
    np.testing.assert_allclose(rule(c, width), rule(c) * width, rtol=1e-6)
    np.testing.assert_allclose(rule(c, width), rule(*binned(x, dtype, 400)), rtol=0.02)
    empty = jnp.concatenate([jnp.zeros(300, dtype), c, jnp.zeros(100, dtype)])
    np.testing.assert_allclose(rule(empty, width), rule(c, width), rtol=0.02)


@pytest.mark.parametrize("rule", [fbgmm.isj, fbgmm.sheather_jones])
@pytest.mark.parametrize(("size", "within"), [(10**3, 0.12), (10**6, 0.02)])
def test_the_known_best_of_a_normal_density(rule, size, within, dtype):
    """Exact counts of a normal density: the bandwidth of least mean integrated squared error is 1.0592 N^(−1/5)."""
    at = np.linspace(-5, 5, 1000)
    c = np.exp(-0.5 * at**2)
    h = rule(jnp.asarray(c * size / c.sum(), dtype), at[1] - at[0])
    np.testing.assert_allclose(h, 1.0592 * size**-0.2, rtol=within)


@pytest.mark.parametrize("rule", [fbgmm.isj, fbgmm.sheather_jones])
def test_jit_and_vmap(rule, dtype):
    rows = [binned(x, dtype) for x in samples().values()]
    c, width = jnp.stack([c for c, _ in rows]), jnp.asarray([w for _, w in rows], dtype)
    many = jax.jit(jax.vmap(rule))(c, width)
    for h, row in zip(many, rows, strict=True):
        np.testing.assert_allclose(h, rule(*row), rtol=1e-5)


@pytest.mark.parametrize("rule", [fbgmm.isj, fbgmm.sheather_jones])
def test_no_data_no_spread_few_points(rule, dtype):
    c = np.zeros(100, dtype)
    np.testing.assert_allclose(rule(jnp.asarray(c), 0.1), 0.05, rtol=1e-5)
    c[40] = 7
    np.testing.assert_allclose(rule(jnp.asarray(c), 0.1), 0.05, rtol=1e-5)
    c[60] = 1
    assert 0 < float(rule(jnp.asarray(c), 0.1)) < 10
    c[:] = 0
    c[[10, 30, 90]] = 1
    assert 0 < float(rule(jnp.asarray(c), 0.1)) < 10
    assert 0 < float(rule(jnp.asarray(0.01 * c), 0.1)) < 20


def test_a_choice_of_t(dtype):
    """Algorithm 2 with the chosen sigma is a kernel estimate with that bandwidth; with 1r, 9r it is worse."""
    x = np.random.default_rng(0).normal(0, 1, 2000).astype(dtype)
    basis = fbgmm.init_basis_from(x, n=200)
    c, width = binned(x, dtype)
    t = float(fbgmm.isj(c, width) / basis.r)
    u = np.linspace(-4, 4, 500, dtype=dtype)
    f = np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi)

    def error(t):
        return np.abs(np.asarray(fbgmm.fit(x, 200, t).prob(u)) - f).mean()

    assert error(t) < 0.7 * error(1.0)
    assert error(t) < error(3 * t)


@pytest.mark.parametrize("rule", [fbgmm.isj, fbgmm.sheather_jones])
def test_one_dimension_only(rule, unchecked_types):
    with pytest.raises(ValueError, match=r"c has shape \(2, 3\)"):
        rule(jnp.ones((2, 3)))
