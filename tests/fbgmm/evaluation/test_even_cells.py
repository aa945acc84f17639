"""The polynomials of even cells are those of the sums over components, which other tests compare with a plain sum."""

import numpy as np
import pytest

import fbgmm
from fbgmm.evaluation import tables
from fbgmm.evaluation.even_cells import even_cells
from fbgmm.evaluation.local_sums import precision


def made(low, high, n, t, dtype, pi):
    basis = fbgmm.init_basis(np.asarray(low, dtype), np.asarray(high, dtype), n=n, t=t)
    return tables.tables_of(basis, np.asarray(pi, dtype))


def log_density(pieces, chosen, v):
    v = v[:, None]
    series = sum(c[chosen] * v**m for m, c in enumerate(pieces.coefficients))
    return pieces.offset[chosen] + v * (pieces.slope[chosen] - 0.5 * pieces.curvature[chosen] * v) + np.log(series)


WEIGHTS = {
    "smooth": lambda z, rng: np.exp(-0.5 * np.square(4 * z)),
    "rough": lambda z, rng: rng.exponential(size=z.size),
    "steep": lambda z, rng: np.exp(25 * z),
    "gaps": lambda z, rng: np.where(np.abs(np.abs(z) - 0.5) < 0.1, 1.0, 0.0),
    "one": lambda z, rng: (np.arange(z.size) == z.size // 3).astype(float),
}


@pytest.mark.parametrize("weights", list(WEIGHTS))
@pytest.mark.parametrize("t", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("n", [2, 30, 200])
def test_they_are_the_sums_polynomials(n, t, weights, dtype):
    pi = WEIGHTS[weights](np.linspace(-1, 1, n), np.random.default_rng(0))
    pi = (pi if pi.any() else np.ones(n)) / max(pi.sum(), 1)
    table = made(-1.0, 3.0, n, t, dtype, pi)
    found, even, degree = table.log_density, table._even, precision(table._dtype).degree
    assert even is not None
    assert even.stop - even.start == n
    summed = tables._log_density(table.shape, table._runs, degree, 4 * float(np.finfo(dtype).eps))
    fine = np.flatnonzero(~summed.hard)
    assert not found.hard[fine].any()
    v = np.linspace(-1, 1, 9)
    expected = log_density(summed, fine, v)
    rounding = 1e-12 if dtype == np.float64 else 3e-7
    np.testing.assert_allclose(log_density(found, fine, v), expected, rtol=rounding, atol=rounding)


def test_most_cells_need_no_sum(dtype):
    table = made(-4.0, 4.0, 500, 2.0, dtype, np.exp(-0.5 * np.square(np.linspace(-4, 4, 500))))
    shape, even = table.shape, table._even
    eps, degree = float(np.finfo(dtype).eps), precision(table._dtype).degree
    arguments = shape.mu, shape.sigma[0], shape.pi, shape.centre[even], shape.half[even][0], degree
    found = tables.Pieces(*even_cells(*arguments, precision(table._dtype).even_reach, 4 * eps))
    assert not found.hard.any()
    nearer = tables.Pieces(*even_cells(*arguments, 3.0, 4 * eps))  # what lies beyond the reach is known
    assert nearer.hard.all()


def test_means_that_rounding_makes_uneven_are_summed():
    pi = np.ones(200) / 200
    near, far = (made(low, low + 2.0, 200, 2.0, np.float32, pi) for low in (0.0, 10_000.0))
    for table, left in ((near, False), (far, True)):
        shape, even = table.shape, table._even
        arguments = shape.mu, shape.sigma[0], shape.pi, shape.centre[even], shape.half[even][0]
        assert (even_cells(*arguments, 12, 9.0, 5e-7) is None) == left
    assert even_cells(np.ones(1), 1.0, np.ones(1), np.ones(1), 0.5, 12, 9.0, 5e-7) is None


def test_cells_wider_than_their_component_are_cut():
    assert made(0.0, 1.0, 20, 0.5, np.float32, np.ones(20) / 20)._even is None


@pytest.mark.parametrize("n", [1, 7, 200, 4096])
def test_edges_are_the_basis_own(n, dtype):
    basis = fbgmm.init_basis(dtype(-0.1), dtype(3.3), n=n, t=2.0)
    np.testing.assert_array_equal(tables.cell_edges(basis, n), np.asarray(basis.edges)[: n + 1])
