"""`python -m benchmarks new_points`: regrets against closed forms, ratios, nothing cut off."""

import json
import math

import numpy as np
import pytest
from scipy import integrate, stats

from benchmarks.__main__ import main
from benchmarks.accuracy import cells, new_points, new_points_report
from benchmarks.accuracy.cells import Task
from benchmarks.accuracy.new_points import LAWS
from benchmarks.methods import registry
from benchmarks.methods.fitted import Fitted, of_normals, of_steps
from benchmarks.methods.method import rival

NORMALS = of_normals(np.ones(1), np.zeros(1), np.full(1, 0.05))
EARLY_END = of_steps(np.array([-2.0, 2.0]), np.array([0.25]))


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    def compute_all(self, todo, total, jobs):
        assert sum(self.compute(*item) for item in todo.items()) == total

    monkeypatch.setattr(cells.Cells, "compute_all", compute_all)


@pytest.mark.parametrize("name", LAWS)
def test_draws_are_those_of_the_density(name):
    law = LAWS[name]
    x = np.sort(law.draw(np.random.default_rng(0), 20_000))
    low, high = np.quantile(x, [0.2, 0.7])
    mass = integrate.quad(lambda at: float(np.exp(law.log_pdf(np.array(at)))), low, high)[0]
    assert mass == pytest.approx(0.5, abs=0.02)


def test_the_regret_is_the_divergence_from_the_truth(monkeypatch):
    monkeypatch.setitem(registry.METHODS, "narrow", rival("scipy", lambda x: NORMALS))
    found = new_points.measure(Task("normal", 50, 0), "narrow")["losses"]
    expected = np.log(0.05) + (1 / 0.05**2 - 1) / 2  # 196.5 nats, nothing cut off
    assert found["regret"] == pytest.approx(expected, rel=0.03)
    assert found["impossible"] == 0


def test_a_point_that_is_held_impossible_costs_everything(monkeypatch, tmp_path):
    monkeypatch.setitem(registry.METHODS, "histogram", rival("scipy", lambda x: EARLY_END))
    found = new_points.measure(Task("normal", 50, 0), "histogram")["losses"]
    assert found == {"regret": math.inf, "impossible": pytest.approx(0.0455, abs=0.006)}
    arguments = ["--estimators", "histogram", "KDE Scott (scipy)", "--densities", "normal", "--sizes", "50"]
    assert main(["new_points", *arguments, "--seeds", "1", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "new_points.json").read_text())
    assert record["ratios"] == {"histogram": "inf"}
    assert record["rows"][0]["regret"] == "inf"
    text = (tmp_path / "new_points.md").read_text()
    assert f"| normal | inf ({100 * found['impossible']:.2g} %) |" in text
    assert "| histogram | normal | 50 | inf |" in text


def test_a_fit_that_is_nan_has_failed(monkeypatch, tmp_path):
    nan = Fitted(*3 * [lambda at: np.where(at > 1, np.nan, -1.0)])
    monkeypatch.setitem(registry.METHODS, "is NaN", rival("scipy", lambda x: nan))
    assert new_points.measure(Task("normal", 50, 0), "is NaN")["losses"] is None
    arguments = ["--estimators", "is NaN", "--densities", "normal", "--sizes", "50", "--seeds", "1"]
    assert main(["new_points", *arguments, "--out", str(tmp_path)]) == 0
    assert "| normal | failed |" in (tmp_path / "new_points.md").read_text()


def records(*regrets):
    losses = [{"regret": value, "impossible": 0.0} for value in regrets]
    return {seed: {"losses": each, "seconds": 0.1, "error": None} for seed, each in enumerate(losses)}


REFERENCE = new_points_report.REFERENCE
TABLE = {
    ("normal", 50, "ours"): records(0.01, 0.03),
    ("normal", 50, REFERENCE): records(0.03, 0.05),
    ("uniform", 50, "ours"): records(0.8, 0.8),
    ("uniform", 50, REFERENCE): records(0.1, 0.1),
    ("uniform", 300, "ours"): records(0.0132),
    ("uniform", 300, REFERENCE): records(0.01),
    ("normal", 300, "ours"): records(-0.001),
    ("normal", 300, REFERENCE): records(0.001),
}


def test_ratios_and_what_is_worse():
    found = new_points_report.comparisons(TABLE, "ours")
    assert [each.ratio for each in found] == [pytest.approx(0.5), pytest.approx(8), pytest.approx(1.32), None]
    assert [each.worse for each in found] == [False, True, False, False]  # 1.32, but by less than .01
    assert new_points_report.geometric_mean(found) == pytest.approx((0.5 * 8 * 1.32) ** (1 / 3))
    sheet = new_points_report.ratio_sheet(TABLE, ["ours", REFERENCE])
    assert sheet.lines == [["ours", "1.74", "2", "1.32", "1 of 4", "normal (300)"]]
    assert [line[1] for line in new_points_report.worst_sheet(TABLE, ["ours", REFERENCE]).lines] == ["uniform"]
    assert new_points_report.regret(TABLE["normal", 50, "ours"]).error == pytest.approx(0.01)


def test_scipys_estimate_of_a_normal_costs_what_it_is_known_to():
    """Against the integral of the divergence, for one sample."""
    task = Task("normal", 300, 1)
    x, _ = new_points.sample(task)
    kde = stats.gaussian_kde(x)
    points = np.linspace(-8, 8, 4001)
    expected = np.trapezoid(stats.norm.pdf(points) * (stats.norm.logpdf(points) - kde.logpdf(points)), points)
    assert new_points.measure(task, REFERENCE)["losses"]["regret"] == pytest.approx(expected, rel=0.25)


@pytest.mark.slow
def test_ours_take_part(tmp_path):
    arguments = ["--estimators", "auto", REFERENCE, "--densities", "uniform", "--sizes", "300", "--seeds", "1"]
    assert main(["new_points", *arguments, "--out", str(tmp_path)]) == 0
    assert 0 < json.loads((tmp_path / "new_points.json").read_text())["ratios"]["auto"] < 1


@pytest.mark.parametrize(
    "arguments",
    [["--densities", "clew"], ["--estimators", "best"], ["--sizes", "1"], ["--seeds", "0"], ["--first-seed", "-1"]],
)
def test_a_request_that_cannot_be_run_is_refused(arguments, tmp_path, capsys):
    assert main(["new_points", *arguments, "--out", str(tmp_path)]) == 2
    assert arguments[0] in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
