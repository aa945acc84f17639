"""`python -m benchmarks accuracy`: right losses, right rivals, nothing redone, an honest report."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import special, stats

import fbgmm
from benchmarks.__main__ import main
from benchmarks.accuracy import cells, estimator_report, request
from benchmarks.accuracy import real_samples as accuracy_real
from benchmarks.accuracy import report as accuracy_report
from benchmarks.accuracy import run as accuracy
from benchmarks.accuracy.cells import Task
from benchmarks.accuracy.densities import entries, of_laws, of_normals
from benchmarks.accuracy.losses import cell_masses, distances, log_likelihood, reference
from benchmarks.accuracy.report import Mean, Ratio
from benchmarks.methods import method, own, registry, rivals
from benchmarks.methods.fitted import Fitted
from benchmarks.methods.method import rival
from benchmarks.paper import target_registry

ROOT = Path(__file__).parents[3]
RNG = np.random.default_rng(0)
NORMAL = of_normals((1, 0, 1))
FAST = ("Algorithm 2, 2r", "auto", "KDE Silverman", "KDE Sheather–Jones")
ARGUMENTS = ["accuracy", "--densities", "claw", "uniform", "--sizes", "50", "80", "--seeds", "2", "--jobs", "1"]
ARGUMENTS += ["--estimators", *FAST]


def needs(*packages):
    gone = [package for package in packages if importlib.util.find_spec(package) is None]
    return pytest.mark.skipif(bool(gone), reason=f"{gone} not installed")


# Losses


def l1_of_normals(shift):
    return 2 * (2 * stats.norm.cdf(shift / 2) - 1)


@pytest.mark.parametrize("shift", [1e-3, 0.1, 1.0, 5.0])
def test_distances_between_normals_are_the_closed_forms(shift):
    found = distances(reference(NORMAL, RNG.normal(size=500)), lambda x: stats.norm.pdf(x, shift))
    assert found.l1 == pytest.approx(l1_of_normals(shift), rel=1e-4)
    assert found.hellinger == pytest.approx(np.sqrt(1 - np.exp(-(shift**2) / 8)), rel=1e-4)
    assert found.mass == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
def test_sharp_edges_and_spikes_are_integrated():
    x = RNG.uniform(size=300)
    uniform = entries()["uniform"].make(0)
    found = distances(reference(uniform, x), lambda x: ((x >= 0.1) & (x <= 1.1)).astype(float))
    assert found.l1 == pytest.approx(0.2, abs=2e-4)
    assert found.hellinger == pytest.approx(np.sqrt(0.1), abs=2e-4)
    same = distances(reference(uniform, x), uniform.pdf)
    assert max(same.l1, same.hellinger**2, same.paper_loss) < 2e-4
    comb, claw = entries()["smooth comb"].make(0), entries()["claw"].make(0)
    x = comb.sample(RNG, 300)
    points = np.linspace(-12, 12, 4_000_001)
    expected = np.trapezoid(np.abs(comb.pdf(points) - claw.pdf(points)), points)
    assert distances(reference(comb, x), claw.pdf).l1 == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["infinite peak", "chi-square(1)", "normal cubed", "logarithmic peak"])
def test_infinite_peaks_are_integrated(name):
    density = entries()[name].make(0)
    x = density.sample(RNG, 1000)
    mean, deviation = x.mean(), x.std()
    found = distances(reference(density, x), lambda x: stats.norm.pdf(x, mean, deviation))
    # The same integral over the probability scale of f, where f itself is flat: ∫ |1 − g/f| dF and what f leaves out.
    edges = density.nodes(400_000)
    masses = np.abs(np.diff(density.cdf(edges)) - np.diff(stats.norm.cdf(edges, mean, deviation)))
    beyond = stats.norm.cdf(edges[0], mean, deviation) + stats.norm.sf(edges[-1], mean, deviation)
    assert found.l1 == pytest.approx(masses.sum() + beyond, abs=2e-4)


def test_mass_outside_the_data_counts():
    """An estimate on the wrong place altogether, and one with less mass than one."""
    known = reference(NORMAL, RNG.normal(size=100))
    assert distances(known, lambda x: stats.norm.pdf(x, 9, 0.5)).l1 == pytest.approx(2, abs=1e-4)
    half = distances(known, lambda x: stats.norm.pdf(x) / 2)
    assert half.l1 == pytest.approx(0.5, abs=1e-5)
    assert half.mass == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("t", [1.0, 3.0])
def test_the_papers_loss_is_that_of_the_library(t, accuracy):
    x = NORMAL.sample(RNG, 2000)
    gmm = fbgmm.fit(x, n=200, t=t)
    expected = float(fbgmm.information_loss(jax.scipy.stats.norm.cdf, gmm))
    found = distances(reference(NORMAL, x), own.of_mixture(gmm).pdf)
    assert found.paper_loss == pytest.approx(expected, abs=2e-4)
    assert found.l1 > found.paper_loss


def test_simpson_is_exact_for_cubics():
    edges = np.sort(RNG.uniform(size=40))
    np.testing.assert_allclose(cell_masses(lambda x: 4 * x**3, edges), np.diff(edges**4), atol=1e-14)


def test_no_likelihood_is_cut_off():
    law = stats.norm(0, 0.1)
    assert log_likelihood(law.logpdf, np.array([0.0, 100.0])) == (pytest.approx(np.mean(law.logpdf([0, 100]))), 0)
    assert log_likelihood(stats.uniform(0, 2).logpdf, np.array([0.5, 5.0, 1.0, -1.0])) == (-np.inf, 0.5)


# Rivals


def exact_kde(x, bandwidth, at):
    return stats.norm.pdf(at[:, None], x, bandwidth).mean(axis=1)


@pytest.mark.parametrize("bandwidth", [0.002, 0.05, 0.7])
def test_the_gridded_kernel_estimate_is_the_exact_one(bandwidth):
    x = np.concatenate([RNG.normal(size=200), [9.0]])
    at = np.linspace(-4, 10, 5001)
    expected = exact_kde(x, bandwidth, at)
    np.testing.assert_allclose(rivals.gaussian_kde(x, bandwidth).pdf(at), expected, atol=4e-3 * expected.max())


def test_a_kernel_estimate_over_a_long_range_has_mass_one():
    x = np.concatenate([RNG.normal(size=500), [4000.0]])
    pdf = rivals.gaussian_kde(x, 0.1).pdf
    parts = [np.linspace(-6, 6, 40_001), np.linspace(3999, 4001, 40_001)]
    assert sum(np.trapezoid(pdf(part), part) for part in parts) == pytest.approx(1, abs=1e-3)


def slow_sheather_jones(x):
    """Sheather and Jones's estimates with sums over all pairs, and their equation by bisection."""
    n, gaps = x.size, x[:, None] - x
    scale = rivals.spread(x)

    def roughness(order, h):
        sign = 1 if order == 4 else -1
        hermite = special.eval_hermitenorm(order, gaps / h) * stats.norm.pdf(gaps / h)
        return sign * hermite.sum() / (n * (n - 1) * h ** (order + 1))

    ratio = roughness(4, 1.24 * scale * n ** (-1 / 7)) / roughness(6, 1.23 * scale * n ** (-1 / 9))
    low, high = 0.01 * scale, 2 * scale
    while high - low > 1e-7:
        h = (low + high) / 2
        right = (1 / (2 * np.sqrt(np.pi) * n * roughness(4, 1.357 * ratio ** (1 / 7) * h ** (5 / 7)))) ** 0.2
        low, high = (h, high) if right > h else (low, h)
    return h


@pytest.mark.parametrize("draw", ["normal", "standard_gamma", "claw"])
def test_the_sheather_jones_bandwidth_is_that_of_the_slow_sums(draw):
    rng = np.random.default_rng(1)
    x = {
        "normal": lambda: rng.normal(size=200),
        "standard_gamma": lambda: 7 + rng.standard_gamma(2, 300),
        "claw": lambda: entries()["claw"].make(0).sample(rng, 400),
    }[draw]()
    assert rivals.sheather_jones_bandwidth(x) == pytest.approx(slow_sheather_jones(x), rel=1e-3)


def test_bandwidths_have_the_unit_of_the_data():
    x = RNG.normal(size=400)
    for bandwidth in (rivals.silverman_bandwidth, rivals.sheather_jones_bandwidth):
        assert bandwidth(1000 * x - 5) == pytest.approx(1000 * bandwidth(x), rel=1e-3)
    assert rivals.silverman_bandwidth(x) == pytest.approx(0.9 * 400**-0.2, rel=0.1)


def check_consistent(fitted, points, tolerance):
    """log_pdf is the logarithm of pdf, and cdf its integral; both keep the shape of the points."""
    density = fitted.pdf(points)
    seen = density > 1e-6 * density.max()
    np.testing.assert_allclose(fitted.log_pdf(points)[seen], np.log(density[seen]), atol=2e-3)
    risen = fitted.cdf(points[1:]) - fitted.cdf(points[:1])
    np.testing.assert_allclose(risen, np.cumsum(cell_masses(fitted.pdf, points)), atol=tolerance)
    assert np.abs(fitted.cdf(np.array([-1e9, 1e9])) - [0, 1]).max() < 1e-12
    for function in (fitted.pdf, fitted.log_pdf, fitted.cdf):
        np.testing.assert_allclose(function(points[:6].reshape(2, 3)).ravel(), function(points[:6]), rtol=1e-12)


SLOW = {"EM, K by BIC"}
RIVALS = [
    pytest.param(name, marks=[needs(rival.package), *([pytest.mark.slow] if name in SLOW else [])])
    for name, rival in rivals.RIVALS.items()
]


@pytest.mark.parametrize("name", RIVALS)
def test_every_rival_estimates_a_normal(name):
    # The place and unit of the data do not matter, save where KDEpy's released bandwidth is wrong by them.
    loc, scale = (0, 10) if name == "KDE ISJ (KDEpy)" else (100, 0.01)
    x = loc + scale * np.random.default_rng(2).normal(size=400)
    fitted = registry.fit_of(name)(x)
    found = distances(reference(of_laws((1, stats.norm(loc, scale))), x), fitted.pdf)
    assert found.l1 < 0.3
    assert found.mass == pytest.approx(1, abs=0.02)
    # The scores of the Bayesian mixture are bounds, and their exponentials not quite a density.
    check_consistent(fitted, np.linspace(x.min(), x.max(), 2001), 2e-2 if name == "Bayesian mixture" else 1e-3)


@needs("KDEpy", "kde_diffusion")
def test_the_corrected_bandwidth_is_that_of_the_equation():
    """Two implementations of it agree, on any scale, where the density is far from the ends of the data's range."""
    x = np.random.default_rng(2).normal(size=2000)
    for scale in (0.01, 1.0, 100.0):
        ours, theirs = rivals.isj_kdepy_corrected(scale * x), rivals.isj_diffusion(scale * x)
        points = np.linspace(-2, 2, 101)
        np.testing.assert_allclose(scale * ours.pdf(scale * points), scale * theirs.pdf(scale * points), atol=4e-3)
    released = rivals.isj_kdepy(x).pdf(points)
    assert np.max(np.abs(released - ours.pdf(100 * points) * 100)) > 0.02


@pytest.mark.slow
@pytest.mark.slow
@needs("sklearn")
def test_em_finds_the_number_of_components():
    x = entries()["separated bimodal"].make(0).sample(np.random.default_rng(3), 400)
    assert distances(reference(entries()["separated bimodal"].make(0), x), rivals.em_bic(x).pdf).l1 < 0.12


def test_absent_rivals_are_named(monkeypatch):
    monkeypatch.setattr(method.importlib.util, "find_spec", lambda name: None if name == "KDEpy" else object())
    assert "KDE ISJ (KDEpy)" in registry.absent()
    assert "KDE ISJ (KDEpy)" not in registry.in_group("ours", "rivals")
    assert "auto" in registry.in_group("ours", "rivals")


@pytest.mark.slow
def test_ours_are_the_fits_of_the_library(rounding):
    x = RNG.normal(size=300)
    at = np.linspace(-9, 9, 37)
    expected = np.asarray(fbgmm.fit(x, n=200, t=3.0, algorithm=1).prob(at))
    found = registry.fit_of("Algorithm 1, 3r")(x).pdf(at)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=100 * rounding)
    assert registry.fit_of("auto")(x).pdf(at.reshape(1, 37)).shape == (1, 37)


def test_slow_rivals_are_run_on_fewer_seeds(monkeypatch, tmp_path):
    monkeypatch.setitem(registry.METHODS, "slow", rival("scipy", rivals.silverman, ((100, 2), (1000, 1))))
    assert [registry.METHODS["slow"].seeds_allowed(size) for size in (99, 100, 5000)] == [float("inf"), 2, 1]
    wanted = [accuracy.cells(tmp_path).missing(Task("claw", 100, seed), ["slow", "auto"], 5) for seed in (5, 6, 7)]
    assert wanted == [["slow", "auto"], ["slow", "auto"], ["auto"]]


# Runs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run that went through."""
    out = tmp_path_factory.mktemp("accuracy")
    assert main([*ARGUMENTS, "--out", str(out)]) == 0
    return out


def results(out):
    return json.loads((out / "accuracy.json").read_text())


def rows_of(record):
    columns = record["columns"]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def stamps(out):
    return {path.name: path.read_bytes() for path in (out / "accuracy-cells").iterdir()}


@pytest.mark.slow
def test_a_run_leaves_its_tables_and_every_cell(finished):
    rows = rows_of(results(finished))
    assert len(rows) == 2 * 2 * len(FAST)
    assert all(row["seeds"] == 2 and row["failures"] == 0 and row["median_ms"] > 0 for row in rows)
    assert {row["half"] for row in rows if row["density"] == "claw"} == {"hold-out"}
    assert len(stamps(finished)) == 2 * 2 * 2
    text = (finished / "accuracy.md").read_text()
    for name in FAST:
        assert f"| {name} |" in text
    assert results(finished)["ratios"]["berlinet-devroye"][0].keys() >= {"rival", "ratio", "worst", "tune", "hold-out"}


@pytest.mark.slow
def test_a_finished_run_computes_nothing(finished, monkeypatch):
    before, rows = stamps(finished), rows_of(results(finished))
    monkeypatch.setattr(cells.Cells, "compute_all", None)
    assert main([*ARGUMENTS, "--out", str(finished)]) == 0
    assert stamps(finished) == before
    assert rows_of(results(finished)) == rows


@pytest.mark.slow
def test_a_report_of_an_unfinished_run_computes_nothing(finished, monkeypatch):
    rows = rows_of(results(finished))
    monkeypatch.setattr(cells.Cells, "compute_all", None)
    assert main([*ARGUMENTS, "--out", str(finished), "--seeds", "5", "--report"]) == 0
    assert rows_of(results(finished)) == rows


@pytest.mark.slow
def test_a_result_is_that_of_the_sample_alone(finished):
    task = Task("claw", 80, 1)
    record = accuracy.cells(finished).read(task, FAST)["KDE Silverman"]
    again = accuracy.measure(task, "KDE Silverman")
    assert again["losses"] == pytest.approx(record["losses"], rel=1e-9)
    x, held_out, _ = accuracy.sample(task)
    assert x.size == 80
    assert held_out.size == target_registry.NEW_POINTS
    assert not np.isin(x, held_out).any()


DYING_RUN = """
import os, signal, sys
from pathlib import Path
from benchmarks.accuracy import run as accuracy
replace, finished = os.replace, []
def dying_replace(source, target):
    if len(finished) == 2:
        open(source, "w").write('{"": ')
        os.kill(os.getpid(), signal.SIGKILL)
    finished.append(target)
    replace(source, target)
os.replace = dying_replace
accuracy.cells(Path(sys.argv[1])).compute(accuracy.Task("claw", 50, 0), sys.argv[2:])
"""


@pytest.mark.slow
def test_a_killed_task_keeps_what_it_had(tmp_path):
    names = ["KDE Silverman", "KDE Sheather–Jones", "auto"]
    command = [sys.executable, "-c", DYING_RUN, str(tmp_path), *names]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, env={**os.environ, "PYTHONUTF8": "1"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    task = Task("claw", 50, 0)
    assert accuracy.cells(tmp_path).missing(task, names) == ["auto"]
    before = accuracy.cells(tmp_path).read(task, names)
    assert accuracy.cells(tmp_path).compute(task, ["auto"]) == 1
    after = accuracy.cells(tmp_path).read(task, names)
    assert {name: after[name] for name in before} == before
    assert accuracy.cells(tmp_path).missing(task, names) == []


def test_results_of_rivals_that_are_not_installed_are_kept(tmp_path, monkeypatch):
    task, names = Task("claw", 50, 0), ["elsewhere", "KDE Silverman"]
    monkeypatch.setitem(registry.METHODS, "elsewhere", rival("scipy", rivals.silverman))
    accuracy.cells(tmp_path).compute(task, names[:1])
    with monkeypatch.context() as patch:
        patch.delitem(registry.METHODS, "elsewhere")
        accuracy.cells(tmp_path).compute(task, names[1:])
    assert accuracy.cells(tmp_path).read(task, names).keys() == {*names}


def test_a_result_of_another_task_is_not_believed(tmp_path):
    one, other = (accuracy.cells(tmp_path).path(Task("claw", size, 0)) for size in (50, 60))
    accuracy.cells(tmp_path).compute(Task("claw", 50, 0), FAST[2:])
    one.rename(other)
    assert accuracy.cells(tmp_path).read(Task("claw", 60, 0), FAST) == {}


def test_a_fit_that_raises_is_recorded_and_reported(monkeypatch):
    def raises(x):
        raise ValueError("no root")

    monkeypatch.setitem(registry.METHODS, "bad", rival("scipy", raises))
    record = accuracy.measure(Task("claw", 50, 0), "bad")
    assert record == {"losses": None, "seconds": None, "error": "ValueError: no root"}
    nan = rival("scipy", lambda x: Fitted(*3 * [lambda at: np.full(at.shape, np.nan)]))
    monkeypatch.setitem(registry.METHODS, "bad", nan)
    assert accuracy.measure(Task("claw", 50, 0), "bad")["error"] == "ValueError: the density is not finite"
    sheet = estimator_report.failure_sheet({("claw", 50, "bad"): {0: record}})
    assert sheet.lines == [["bad", "1", "ValueError: no root", "claw (N = 50)"]]


@pytest.mark.parametrize(
    "arguments",
    [["--densities", "clew"], ["--estimators", "best"], ["--sizes", "1"], ["--seeds", "0"], ["--first-seed", "-1"]],
)
def test_a_request_that_cannot_be_run_is_refused(arguments, tmp_path, capsys):
    assert main(["accuracy", *arguments, "--out", str(tmp_path)]) == 2
    assert arguments[0] in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_groups_of_names():
    assert request.chosen(["paper", "claw"], accuracy.known_densities(), "")[:2] == ["paper's normal", "paper's mixed"]
    assert len(request.chosen(["marron-wand", "claw"], accuracy.known_densities(), "")) == 15
    assert request.chosen(["ours"], registry.by_group(), "") == registry.in_group("ours")


# The report


def records(*l1):
    return {i: {"losses": {"l1": v, "log_likelihood": v}, "seconds": 0.5, "error": None} for i, v in enumerate(l1)}


TABLE = {
    ("claw", 200, "auto"): records(0.1, 0.2),
    ("claw", 200, "KDE ISJ (KDEpy)"): records(0.2, 0.4, 9.0),
    ("claw", 200, "KDE ISJ (kde-diffusion)"): records(0.1, 0.1),
    ("uniform", 200, "auto"): records(0.3),
    ("uniform", 200, "KDE ISJ (KDEpy)"): records(0.1),
}


def test_ratios_are_of_the_means_over_common_seeds():
    ratio = accuracy_report.cell_ratio(TABLE, "claw", 200, "auto", "KDE ISJ (KDEpy)")
    assert ratio == Ratio("claw", 200, pytest.approx(0.5), pytest.approx(0, abs=1e-12))
    assert accuracy_report.cell_ratio(TABLE, "uniform", 200, "auto", "KDE ISJ (kde-diffusion)") is None
    row = accuracy_report.ratio_row(TABLE, "auto", accuracy_report.BEST_ISJ, ["marron-wand", "berlinet-devroye"])
    assert row["ratio"] == pytest.approx(np.sqrt(1.5 * 3))
    assert (row["wins"], row["losses"], row["worst_density"]) == (0, 2, "uniform")
    assert (row["tune"], row["hold-out"]) == (pytest.approx(3), pytest.approx(1.5))
    assert row["log_error"] is None


def test_a_mean_over_a_family_needs_all_its_densities():
    both = ["claw", "uniform"]
    assert accuracy_report.family_mean(TABLE, both, 200, "KDE ISJ (kde-diffusion)", "l1") is None
    mean = accuracy_report.family_mean(TABLE, both, 200, "auto", "l1")
    assert mean == Mean(pytest.approx(0.225), None, 1)
    mean = accuracy_report.family_mean(TABLE, ["claw"], 200, "auto", "l1")
    assert mean == Mean(pytest.approx(0.15), pytest.approx(0.05), 2)
    assert accuracy_report.mean_text(mean, 3) == "0.1500 ± 0.05 (2 seeds)"


def test_the_heat_map_shows_every_cell():
    pytest.importorskip("matplotlib")
    figure = accuracy_report.heat_map(TABLE, accuracy_report.BEST_ISJ)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["claw", "uniform"]
    assert [text.get_text() for text in axes.texts] == ["1.50", "3.00"]
    assert accuracy_report.heat_map({}, accuracy_report.BEST_ISJ) is None


def test_real_data_are_compared_in_pairs():
    table = {("wine: alcohol", 0, "auto"): records(-1, -2), ("wine: alcohol", 0, "KDE Silverman"): records(-1.5, -2.5)}
    sheet = accuracy_report.real_sheet(table, ["KDE Silverman", "auto"])
    assert [line[0] for line in sheet.lines] == ["auto", "KDE Silverman − auto"]
    assert sheet.lines[1][1].startswith("-0.500")


@needs("sklearn")
def test_real_samples_are_there_and_split():
    samples = accuracy_real.samples()
    assert len(samples) >= 5
    for x in samples.values():
        assert x.ndim == 1
        assert np.isfinite(x).all()
        assert accuracy_real.distinct_share(x) >= accuracy_real.FEWEST_VALUES
    name, x = next(iter(samples.items()))
    first, second, known = accuracy.sample(Task(name, 0, 1))
    assert known is None
    np.testing.assert_array_equal(np.sort(np.concatenate([first, second])), np.sort(x))
    record = accuracy.measure(Task(name, 0, 1), "KDE Silverman")
    assert record["losses"].keys() == {"log_likelihood", "impossible"}
