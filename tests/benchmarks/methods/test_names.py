"""Names of methods, targets and metrics: those of the registries, the user's own, and what errors say."""

import sys

import numpy as np
import pytest
from scipy import stats

import fbgmm
from benchmarks.methods import registry
from benchmarks.methods.names import ConfigError, resolve
from benchmarks.methods.own import own_method
from benchmarks.paper import metrics, target_registry

X = np.random.default_rng(0).normal(3, 2, 200)
AT = np.linspace(-5, 12, 101)

MODULE = """
import numpy as np
from scipy import stats
import fbgmm

algorithm = fbgmm.algorithm2()

def make():
    return fbgmm.algorithm2()

def function(x):
    return stats.norm(x.mean(), x.std())

class Estimator:
    def fit(self, x, y=None):
        self.law = stats.norm(x[:, 0].mean(), x[:, 0].std())

    def score_samples(self, x):
        return self.law.logpdf(x[:, 0])

estimator = Estimator()
nothing = 3

def broken():
    raise OSError("no disk")

def wrong(x):
    return 3.0

class Target:
    def sample(self, rng, number):
        return rng.exponential(size=number)
    def cdf(self, x):
        return stats.expon.cdf(x)

target = Target()
law = stats.expon()

def draws(rng, number):
    return rng.exponential(size=number)

def short(rng, number):
    return rng.exponential(size=number - 1)

def metric(estimate, experiment):
    return estimate.cdf(np.median(experiment.new))
"""


@pytest.fixture(autouse=True)
def _module(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "typo.py").write_text("x = (\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("mine", None)
    own_method.cache_clear()
    target_registry._own.cache_clear()


def test_spelling_does_not_matter_where_it_tells_nothing_apart():
    known = {1: "one", "beta(2, 2)": "beta", "2:over_n": "n", "2:over_N": "N"}
    assert [resolve(name, known, "key") for name in (1, "1", "beta22", "BETA(2,2)", "2:over_N")] == [
        (1, "one"),
        (1, "one"),
        ("beta(2, 2)", "beta"),
        ("beta(2, 2)", "beta"),
        ("2:over_N", "N"),
    ]
    for name in ("2:OVER_N", True, None, 2, "gamma"):
        with pytest.raises(ConfigError, match="key: found"):
            resolve(name, known, "key")


def test_an_unknown_name_gets_the_closest():
    with pytest.raises(ConfigError, match=r"'interior_pont', which is not known; there are: 'interior point', .* more"):
        registry.find("interior_pont")
    assert registry.find("interior_point")[0] == "interior point"
    assert target_registry.find("papers mixed")[0] == "paper's mixed"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mime:make", "'mime:make': no such module in .*; found 'mime', which is not known; there are: 'mine', 'typo'"),
        ("mine:mak", "no such name; found 'mak', which is not known; there are: 'make'"),
        ("typo:make", r"SyntaxError: .*typo\.py, line 1"),
        ("mine:nothing", "mine:nothing is 3; allowed: an fbgmm.Algorithm"),
        ("mine:broken", r"OSError: no disk \(mine\.py, line \d+\)"),
        ("mine:draws", "allowed: an fbgmm.Algorithm"),
    ],
)
def test_an_error_says_what_was_found_and_what_to_do(name, said):
    with pytest.raises(ConfigError, match=said):
        registry.find(name)


@pytest.mark.parametrize("name", ["mine:algorithm", "mine:make"])
def test_an_algorithm_enters_by_its_name(name):
    found, method = registry.find(name)
    assert found == name
    assert method.algorithm is registry.find(name)[1].algorithm  # once: programs are found by it
    expected = fbgmm.fit(X, n=200, t=2.0, algorithm=2)
    np.testing.assert_allclose(registry.fit_of(name)(X).pdf(AT), expected.prob(AT), rtol=1e-5, atol=1e-37)


@pytest.mark.parametrize("name", ["mine:function", "mine:Estimator", "mine:estimator"])
def test_functions_and_estimators_enter_by_their_names(name):
    fitted, law = registry.fit_of(name)(X), stats.norm(X.mean(), X.std())
    np.testing.assert_allclose(fitted.pdf(AT), law.pdf(AT), rtol=1e-12)
    np.testing.assert_allclose(fitted.log_pdf(AT.reshape(1, -1))[0], law.logpdf(AT), rtol=1e-12)
    np.testing.assert_allclose(fitted.cdf(AT), law.cdf(AT), atol=2e-4)


def test_a_function_that_returns_no_density_is_told_so():
    with pytest.raises(TypeError, match=r"returned 3\.0; allowed: a Mixture"):
        registry.fit_of("mine:wrong")(X)


def test_a_fit_leaves_the_users_estimator_as_it_was():
    registry.fit_of("mine:estimator")(X)
    assert not hasattr(sys.modules["mine"].estimator, "law")


@pytest.mark.parametrize("name", ["mine:target", "mine:Target", "mine:law", "mine:draws"])
def test_a_target_enters_by_its_name(name):
    drawn, again, other = (target_registry.find(name)[1].draw(300, seeds) for seeds in ((1, 2), (1, 2), (1, 3)))
    assert stats.kstest(drawn.x, stats.expon.cdf).pvalue > 1e-3
    np.testing.assert_array_equal(drawn.x, again.x)
    assert not np.isin(drawn.x, [*drawn.draw_new(), *other.x]).any()
    known = target_registry.find(name)[1].known
    assert known == (name != "mine:draws") == (drawn.density is not None)
    if known:
        experiment = metrics.Experiment(drawn, 20)
        np.testing.assert_allclose(experiment.cdf(AT), stats.expon.cdf(AT))
        estimate = registry.fit_of("mine:function")(drawn.x)
        assert 0.3 < metrics.information_loss(estimate, experiment) < metrics.l1(estimate, experiment) < 1


def test_what_cannot_be_a_target_is_refused():
    with pytest.raises(ConfigError, match="mine:nothing is 3; allowed: a distribution of scipy"):
        target_registry.find("mine:nothing")
    with pytest.raises(ConfigError, match=r"mine:short drew shape \(9,\); allowed: 10 finite numbers"):
        target_registry.find("mine:short")[1].draw(10, (0,))


def test_a_file_is_split_at_random(tmp_path):
    x = np.arange(20.0)
    np.savetxt(tmp_path / "two.csv", np.stack([x, -x], 1), delimiter=",", header="a,b", comments="")
    name, kind = target_registry.find("file:two.csv#b")
    assert (name, kind.known, kind.most) == ("file:two.csv#b", False, 19)
    drawn, other = kind.draw(15, (0, 0)), kind.draw(15, (0, 1))
    assert (drawn.x.size, drawn.draw_new().size) == (15, 5)
    np.testing.assert_array_equal(np.sort([*drawn.x, *drawn.draw_new()]), np.sort(-x))
    assert not np.array_equal(drawn.x, other.x)
    for bad, said in (("file:two.csv", "2 columns"), ("file:none.csv", "none.csv"), ("file:x.txt", "suffix")):
        with pytest.raises(ConfigError, match=said):
            target_registry.find(bad)


def test_a_metric_enters_by_its_name():
    name, metric = metrics.find("mine:metric")
    experiment = metrics.Experiment(target_registry.find("mine:law")[1].draw(100, (0, 0)), 10)
    assert (name, metric.needs_truth) == ("mine:metric", False)
    assert metric.measure(registry.fit_of("mine:function")(experiment.x), experiment) == pytest.approx(0.4, abs=0.1)
    with pytest.raises(ConfigError, match=r"allowed: a function \(estimate, experiment\)"):
        metrics.find("mine:function")
