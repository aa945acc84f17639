"""Mixtures as distributions of scipy, numpyro, distrax and scikit-learn: the same density, moments and draws."""

import pickle
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

import fbgmm

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal(-2.0, 0.5, 400), rng.gamma(2.0, 1.0, 600)])
AT = np.linspace(-6.0, 12.0, 41)


@pytest.fixture
def gmm():
    return fbgmm.fit(X, n=60, t=1.5)


@pytest.fixture
def gmms():
    """A batch over several n: components that are not live, of weight zero."""
    return fbgmm.fit_batch([X, X[:300] ** 2], n=(20, 60), t=2.0)


def components(gmm):
    """Weights, means and sigma in float64."""
    pi = np.asarray(gmm.pi, np.float64)
    return pi / pi.sum(), np.asarray(gmm.basis.mu, np.float64), float(gmm.basis.sigma)


class TestScipy:
    def test_density_and_distribution_are_those_of_the_mixture(self, gmm):
        pi, mu, sigma = components(gmm)
        d = gmm.to_scipy()
        normal = scipy.stats.norm(mu[:, None], sigma)
        np.testing.assert_allclose(d.pdf(AT), pi @ normal.pdf(AT), rtol=1e-5)
        np.testing.assert_allclose(d.cdf(AT), pi @ normal.cdf(AT), rtol=2e-5)
        np.testing.assert_allclose(d.sf(AT), pi @ normal.sf(AT), rtol=2e-5)
        np.testing.assert_allclose(d.logpdf(AT), gmm.log_prob(AT), rtol=2e-6, atol=1e-6)
        assert d.pdf(AT).dtype == np.float64

    def test_quantiles_are_exact_in_float64_in_both_tails(self, gmm):
        d = gmm.to_scipy()
        q = np.array([1e-14, 1e-6, 0.1, 0.5, 0.9])
        np.testing.assert_allclose(d.cdf(d.ppf(q)), q, rtol=1e-11)
        np.testing.assert_allclose(d.sf(d.isf(q)), q, rtol=1e-11)
        assert d.ppf(0) == -np.inf
        assert d.ppf(1) == np.inf
        assert np.isnan(d.ppf(1.5))
        assert d.median() == pytest.approx(d.ppf(0.5))

    def test_logarithms_far_out_are_those_of_all_components(self, gmm):
        """scipy#6869: also where densities and probabilities underflow."""
        pi, mu, sigma = components(gmm)
        d, x = gmm.to_scipy(), np.array([-1e4, -50.0, -4.0, 1.0, 14.0, 80.0, 1e4])
        normal, log_pi = scipy.stats.norm(mu, sigma), np.log(pi)
        for name in ("logpdf", "logcdf", "logsf"):
            expected = scipy.special.logsumexp(log_pi + getattr(normal, name)(x[:, None]), axis=1)
            np.testing.assert_allclose(getattr(d, name)(x), expected, rtol=1e-5, atol=1e-7, err_msg=name)

    def test_moments_are_exact(self, gmm):
        pi, mu, sigma = components(gmm)
        d = gmm.to_scipy()
        mean, variance, skew, kurtosis = d.stats(moments="mvsk")
        for order in range(1, 7):
            expected = pi @ [scipy.stats.norm.moment(order, loc=m, scale=sigma) for m in mu]
            assert d.moment(order) == pytest.approx(expected, rel=1e-6)
        assert mean == pytest.approx(float(gmm.mean()), rel=1e-5)
        assert variance == pytest.approx(float(gmm.variance()), rel=1e-5)
        assert d.entropy() == pytest.approx(float(gmm.entropy()), rel=1e-5)
        assert d.expect(lambda x: ((x - mean) / variance**0.5) ** 3) == pytest.approx(skew, rel=1e-7)
        assert d.expect(lambda x: ((x - mean) / variance**0.5) ** 4) - 3 == pytest.approx(kurtosis, rel=1e-7)

    def test_expectations_far_from_the_origin_and_over_a_part(self):
        d = fbgmm.fit(1e4 + X, n=60).to_scipy()
        assert d.expect(lambda x: x) == pytest.approx(d.mean(), rel=1e-10)
        assert d.expect(lb=d.ppf(0.25), ub=d.ppf(0.75), func=lambda x: 1.0) == pytest.approx(0.5, rel=1e-7)
        assert d.dist(loc=3.0, scale=2.0).expect(lambda x: x) == pytest.approx(3 + 2 * d.mean(), rel=1e-10)

    def test_draws_have_the_distribution_and_obey_the_seed(self, gmm):
        d = gmm.to_scipy()
        draws = d.rvs(size=(2000,), random_state=1)
        assert scipy.stats.kstest(draws, d.cdf).pvalue > 0.01
        np.testing.assert_array_equal(draws, d.rvs(size=(2000,), random_state=1))
        assert np.isfinite(d.rvs(random_state=2))
        assert d.rvs(3).shape == (3,)

    def test_frozen_shifted_and_pickled_it_is_the_same(self, gmm):
        d = gmm.to_scipy()
        frozen = d.dist(loc=1.0, scale=2.0)
        np.testing.assert_allclose(frozen.pdf(AT), d.pdf((AT - 1) / 2) / 2, rtol=1e-12)
        np.testing.assert_allclose(frozen.ppf(0.3), 1 + 2 * d.ppf(0.3), rtol=1e-12)
        assert frozen.mean() == pytest.approx(1 + 2 * d.mean())
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(d)).cdf(AT), d.cdf(AT))

    def test_padded_components_do_not_count_and_precision_stays_as_set(self, gmms):
        before = jax.config.jax_enable_x64
        d = gmms[0, 0].to_scipy()
        assert d.mean() == pytest.approx(float(gmms[0, 0].mean()), rel=1e-5)
        np.testing.assert_allclose(d.sf(AT), 1 - d.cdf(AT), atol=1e-12)
        assert jax.config.jax_enable_x64 == before


class TestSklearn:
    def test_scores_shares_and_draws(self, gmm):
        model = gmm.to_sklearn()
        np.testing.assert_allclose(model.score_samples(AT[:, None]), gmm.log_prob(AT), rtol=1e-5)
        shares = model.predict_proba(AT[:, None])
        pi, mu, sigma = components(gmm)
        expected = pi * scipy.stats.norm.pdf(AT[:, None], mu, sigma)
        np.testing.assert_allclose(shares, expected / expected.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-6)
        np.testing.assert_array_equal(model.predict(AT[:, None]), shares.argmax(axis=1))
        draws, _ = model.set_params(random_state=0).sample(4000)
        assert scipy.stats.kstest(draws[:, 0], gmm.to_scipy().cdf).pvalue > 0.01

    def test_weights_of_zero_are_left_out(self, gmms):
        model = gmms[0, 0].to_sklearn()
        assert model.n_components == 20
        np.testing.assert_allclose(model.score_samples(AT[:, None]), gmms[0, 0].log_prob(AT), rtol=1e-5)


def to_distrax(gmm):
    pytest.importorskip("distrax", exc_type=ImportError)
    return gmm.to_distrax()


LIBRARIES = {"numpyro": fbgmm.Mixture.to_numpyro, "distrax": to_distrax}


@pytest.mark.parametrize("library", list(LIBRARIES))
class TestJaxLibraries:
    @pytest.fixture(autouse=True)
    def ranks(self):
        with jax.numpy_rank_promotion("allow"):  # these libraries broadcast as numpy does
            yield

    def test_log_density_and_moments_of_one_and_of_a_batch(self, library, gmm, gmms):
        for g in (gmm, gmms):
            d = LIBRARIES[library](g)
            assert d.batch_shape == g.batch_shape
            at = AT.reshape((-1,) + (1,) * len(g.batch_shape)) * jnp.ones(g.batch_shape)
            np.testing.assert_allclose(d.log_prob(at), g.log_prob(at), rtol=2e-5, atol=2e-5)
            mean, variance = (d.mean, d.variance) if library == "numpyro" else (d.mean(), d.variance())
            np.testing.assert_allclose(mean, g.mean(), rtol=1e-5)
            np.testing.assert_allclose(variance, g.variance(), rtol=1e-4)

    def test_draws(self, library, gmm):
        d = LIBRARIES[library](gmm)
        arguments = {"sample_shape": (4000,)}
        key = jax.random.key(0)
        draws = d.sample(key, **arguments) if library == "numpyro" else d.sample(seed=key, **arguments)
        assert scipy.stats.kstest(np.asarray(draws, np.float64), gmm.to_scipy().cdf).pvalue > 0.01

    def test_under_jit_and_grad(self, library, gmms):
        def score(pi, x):
            return LIBRARIES[library](fbgmm.Mixture(gmms.basis, pi)[0, 0]).log_prob(x)

        for argument in (0, 1):
            slope = jax.jit(jax.grad(score, argument))(gmms.pi, 0.3)
            own = jax.grad(lambda pi, x: fbgmm.Mixture(gmms.basis, pi)[0, 0].log_prob(x), argument)(gmms.pi, 0.3)
            assert np.isfinite(slope).all()
            if argument:
                np.testing.assert_allclose(slope, own, rtol=1e-4)


@pytest.mark.slow
def test_a_prior_in_a_numpyro_model_is_sampled_by_nuts(gmm):
    numpyro = pytest.importorskip("numpyro")
    prior = gmm.to_numpyro()

    def model(y):
        x = numpyro.sample("x", prior)
        numpyro.sample("y", numpyro.distributions.Normal(x, 1.0), obs=y)

    with jax.numpy_rank_promotion("allow"):
        mcmc = numpyro.infer.MCMC(numpyro.infer.NUTS(model), num_warmup=300, num_samples=1500, progress_bar=False)
        mcmc.run(jax.random.key(0), 2.0)
        draws = np.asarray(mcmc.get_samples()["x"])
    x = np.linspace(-8.0, 12.0, 4001)
    posterior = np.asarray(gmm.prob(x), np.float64) * np.exp(-0.5 * (x - 2) ** 2)
    expected = (posterior @ x) / posterior.sum()
    assert draws.mean() == pytest.approx(expected, abs=0.15)


def test_numpyro_accepts_weights_of_zero_when_it_validates(gmms):
    numpyro = pytest.importorskip("numpyro")
    with numpyro.validation_enabled(), jax.numpy_rank_promotion("allow"):
        found = gmms.to_numpyro().log_prob(0.5)
    for i, j in np.ndindex(2, 2):
        pi, mu, sigma = components(gmms[i, j])
        assert float(found[i, j]) == pytest.approx(np.log(pi @ scipy.stats.norm.pdf(0.5, mu, sigma)), rel=1e-5)


@pytest.mark.parametrize("method", ["to_scipy", "to_sklearn"])
def test_batches_and_traced_mixtures_are_refused_where_the_library_has_none(method, gmm, gmms):
    with pytest.raises(ValueError, match=rf"found batch shape \(2, 2\): take gmms\[i\].{method}\(\)"):
        getattr(gmms, method)()
    with pytest.raises(TypeError, match="traced"):
        jax.jit(lambda g: getattr(g, method)())(gmm)


@pytest.mark.parametrize("method", ["to_scipy", "to_sklearn", "to_numpyro", "to_distrax"])
def test_negative_weights_and_absent_libraries_are_named(method, gmm, monkeypatch):
    package = method.removeprefix("to_")
    if package == "distrax":
        pytest.importorskip("distrax", exc_type=ImportError)
    with pytest.raises(ValueError, match=r"pi must be at least 0 .* found -0.5"):
        getattr(fbgmm.Mixture(gmm.basis, gmm.pi.at[3].set(-0.5)), method)()
    for module in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=rf'needs {package}.*pip install "fbgmm\[interchange\]"'):
        getattr(gmm, method)()
