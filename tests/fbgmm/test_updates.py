"""The paper's updates by counts; the comparison with the loop as printed is in test_algorithms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

import fbgmm
from fbgmm.counts import count, total
from fbgmm.updates import increment1, interval_mass, step1, step2
from tests.conftest import X64

BASIS = fbgmm.init_basis(0.0, 8.0, 16, 2.0)


def test_interval_mass_keeps_its_precision_in_both_tails(dtype):
    a = np.concatenate([np.linspace(-12, 12, 97), [-1.0, 0.0]]).astype(dtype)
    b = (a + 0.25).astype(dtype)
    x, y = a.astype(np.float64), b.astype(np.float64)
    upper = x + y > 0
    expected = special.ndtr(np.where(upper, -x, y)) - special.ndtr(np.where(upper, -y, x))
    np.testing.assert_allclose(interval_mass(jnp.asarray(a), jnp.asarray(b)), expected, rtol=1e-12 if X64 else 3e-5)


def test_kernel_of_algorithm1_is_symmetric_and_has_the_moments_of_its_intervals(dtype):
    lags = jnp.arange(-30, 31)
    for t in (0.6, 1.0, 3.0):
        kernel = np.asarray(step1(lags.astype(dtype), jnp.asarray(t, dtype)), np.float64)
        np.testing.assert_allclose(kernel, kernel[::-1], atol=1e-7)
        share = kernel / kernel.sum()
        # Second moment in r²: of a Gaussian and of the intervals, (−d, d) less two of length d about ±(r − d/2).
        moment = (share * np.asarray(lags) ** 2).sum()
        d = t / 4
        np.testing.assert_allclose(moment, t**2 + 7 * d**2 / 12 - (1 - d / 2) ** 2, atol=0.02)


def test_the_step_of_algorithm2_is_the_middle_of_the_kernel_of_algorithm1(dtype, accuracy):
    for t in (0.5, 1.0, 3.0):
        t_ = jnp.asarray(t, dtype)
        np.testing.assert_allclose(step2(t_), step1(jnp.zeros((), dtype), t_), atol=accuracy)
        d, r = 0.25, 1 / t
        cdf = stats.norm.cdf
        np.testing.assert_allclose(step2(t_), cdf(d) - cdf(-d) - cdf(r) + cdf(r - d), atol=accuracy)


def test_the_matrix_of_algorithm1_is_toeplitz(dtype, rounding):
    columns = np.asarray(jax.vmap(lambda c: increment1(c, BASIS))(jnp.eye(16, dtype=dtype)))
    for lag in range(16):
        diagonal = np.diagonal(columns, lag)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=rounding)
        np.testing.assert_allclose(np.diagonal(columns, -lag), diagonal[0], rtol=0, atol=rounding)


@pytest.mark.parametrize("algorithm", [1, 2])
def test_passes_add_up(algorithm, dtype, rounding):
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 8, 60), dtype)
    pi = fbgmm.init_pi(BASIS)
    parts = pi
    for part in (x[:20], x[20:]):
        parts = fbgmm.update_pi(parts, BASIS, part, algorithm=algorithm)
    np.testing.assert_allclose(parts, fbgmm.update_pi(pi, BASIS, x, algorithm=algorithm), rtol=10 * rounding)


@pytest.mark.parametrize("algorithm", [1, 2])
def test_update_pi_and_normalize_are_fit(algorithm, dtype, rounding):
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 8, 60), dtype)
    basis = fbgmm.init_basis_from(x, 16, 2.0)
    pi = fbgmm.normalize(fbgmm.update_pi(fbgmm.init_pi(basis), basis, x, algorithm=algorithm))
    np.testing.assert_allclose(pi, fbgmm.fit(x, 16, 2.0, algorithm).pi, atol=rounding)


def test_update_pi_runs_under_jit_vmap_scan_and_grad(dtype, rounding):
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 8, (3, 20)), dtype)
    pi = fbgmm.init_pi(BASIS)
    step = lambda pi, x: (fbgmm.update_pi(pi, BASIS, x), None)  # noqa: E731
    scanned = jax.jit(lambda pi, x: jax.lax.scan(step, pi, x)[0])(pi, x)
    np.testing.assert_allclose(scanned, fbgmm.update_pi(pi, BASIS, x.reshape(-1)), rtol=10 * rounding)
    many = jax.vmap(fbgmm.update_pi, in_axes=(None, None, 0))(pi, BASIS, x)
    np.testing.assert_allclose(many[1], fbgmm.update_pi(pi, BASIS, x[1]), rtol=rounding)
    by_weight = jax.grad(lambda w: fbgmm.update_pi(pi, BASIS, x[0], w)[3])(jnp.ones(20, dtype))
    in_cell = np.asarray(x[0] // 0.5) == 3
    np.testing.assert_allclose(by_weight, in_cell * float(step2(BASIS.t)), atol=rounding)


def test_normalize():
    assert fbgmm.normalize([1, 3]).tolist() == [0.25, 0.75]
    np.testing.assert_allclose(fbgmm.normalize([[1.0, 1.0], [2.0, 6.0]]), [[0.5, 0.5], [0.25, 0.75]])
    np.testing.assert_allclose(fbgmm.normalize([-1.0, 3.0]), [-0.5, 1.5])
    for bad in ([0.0, 0.0], [1.0, -1.0], [-1.0, -1.0], [float("nan"), 1.0], [float("inf"), 1.0]):
        with pytest.raises(ValueError, match="pi must have a finite sum above 0; found"):
            fbgmm.normalize(bad)
        np.testing.assert_array_equal(jax.jit(fbgmm.normalize)(jnp.asarray(bad)), [0.5, 0.5])
    assert np.isfinite(jax.jacobian(fbgmm.normalize)(jnp.zeros(2))).all()


def test_bad_arguments_of_update_pi(unchecked_types):
    pi = fbgmm.init_pi(BASIS)
    for wrong in (0, 3, "2", None):
        with pytest.raises(ValueError, match="algorithm must be 1 or 2; found"):
            fbgmm.update_pi(pi, BASIS, [1.0], algorithm=wrong)
    with pytest.raises(ValueError, match=r"weights has shape \(3,\); allowed: the shape of x, \(1,\)"):
        fbgmm.update_pi(pi, BASIS, [1.0], weights=[1, 1, 1])
    with pytest.raises(TypeError, match="x has dtype"):
        fbgmm.update_pi(pi, BASIS, ["a"])
    with pytest.raises(ValueError, match=r"pi .*shape"):
        fbgmm.update_pi(pi[:5], BASIS, [1.0])


@given(st.lists(st.floats(0, 8, width=32), max_size=30))
def test_the_mass_added_by_algorithm2_is_dl_for_each_point(x):
    pi = fbgmm.update_pi(fbgmm.init_pi(BASIS), BASIS, jnp.asarray(x + [0.0] * (30 - len(x))), jnp.arange(30) < len(x))
    np.testing.assert_allclose(pi.sum(), 1 + len(x) * float(step2(BASIS.t)), rtol=1e-5)


def test_counts_are_all_that_matters(dtype):
    """Moving points within their cells changes nothing."""
    rng = np.random.default_rng(3)
    cells = rng.integers(0, 16, 50)
    a, b = (jnp.asarray((cells + rng.uniform(0.1, 0.9, 50)) / 2, dtype) for _ in range(2))
    np.testing.assert_array_equal(total(count(BASIS, a)), total(count(BASIS, b)))
    for algorithm in (1, 2):
        pis = [fbgmm.update_pi(fbgmm.init_pi(BASIS), BASIS, x, algorithm=algorithm) for x in (a, b)]
        np.testing.assert_array_equal(*pis)


@pytest.fixture
def compilations():
    """The programs compiled while a test runs, one entry each."""
    seen = []

    def listen(event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


CALLS = {
    "init_basis_from": lambda x: fbgmm.init_basis_from(x, 16),
    "update_pi, algorithm 1": lambda x: fbgmm.update_pi(fbgmm.init_pi(BASIS), BASIS, x, algorithm=1),
    "update_pi, algorithm 2": lambda x: fbgmm.update_pi(fbgmm.init_pi(BASIS), BASIS, x),
    "fit": lambda x: fbgmm.fit(x, 16).log_prob(x),
    "fit_stream": lambda x: fbgmm.fit_stream([x], n=16),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_second_call_compiles_nothing(name, compilations, dtype):
    """Also outside jit: one that compiles a loop or a branch anew costs a tenth of a second for each chunk of data."""
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 8, (2, 64)), dtype)
    first, second = x[0], x[1]
    jax.jit(lambda x: x + 1)(first)
    assert compilations  # they are seen
    CALLS[name](first)
    compilations.clear()
    CALLS[name](second)
    assert not compilations
