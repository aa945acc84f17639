"""`python -m benchmarks everyday`: the yardstick, the kinds of data, an honest table."""

import json

import numpy as np
import pytest
from scipy import stats

from benchmarks.__main__ import main
from benchmarks.accuracy import cells
from benchmarks.accuracy.cells import Task
from benchmarks.everyday import report as everyday_report
from benchmarks.everyday import run as everyday
from benchmarks.everyday.kinds import KINDS, draw
from benchmarks.everyday.misfit import allowed, misfit
from benchmarks.methods import registry
from benchmarks.methods.fitted import Fitted
from benchmarks.methods.method import rival

ARGUMENTS = ["everyday", "--kinds", "yes or no", "latencies", "--sizes", "50", "100"]
NAMES = ["KDE Scott (scipy)", "KDE Silverman"]


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    def compute_all(self, todo, total, jobs):
        assert sum(self.compute(*item) for item in todo.items()) == total

    monkeypatch.setattr(cells.Cells, "compute_all", compute_all)


def test_the_misfit_is_taken_between_neighbouring_values():
    x = np.array([1.0, 1.0, 3.0, 3.0, 3.0, 5.0])
    assert misfit(lambda at: np.interp(at, [2, 4], [2 / 6, 5 / 6]), x) == (pytest.approx(0), 2.0)
    assert misfit(lambda at: np.full(at.shape, 0.5), x) == (pytest.approx(1 / 3), 4.0)
    assert np.isnan(misfit(lambda at: np.where(at > 3, np.nan, 0.9), x)[0])


def test_what_is_allowed_depends_on_ties():
    assert allowed(np.arange(100.0)) == pytest.approx(0.15)
    assert allowed(np.append(np.arange(70.0), np.zeros(30))) == pytest.approx(0.18)  # 31 of 100
    assert allowed(np.append(np.arange(71.0), np.zeros(29))) == pytest.approx(0.15)  # 30 of 100


def test_the_order_of_the_data_does_not_matter_to_the_yardstick():
    x = draw("ages", 50, 0)
    cdf = stats.norm(50, 20).cdf
    assert misfit(cdf, x) == misfit(cdf, np.sort(x))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_what_is_asked_for(name):
    for size in everyday.DEFAULTS.sizes:
        x = draw(name, size, 0)
        assert x.shape == (size,)
        assert x.dtype == np.float64
        assert np.isfinite(x).all()
        assert np.unique(x).size > 1
    np.testing.assert_array_equal(x, draw(name, size, 0))


def test_shares_are_kept_at_every_size():
    for size in everyday.DEFAULTS.sizes:
        assert (draw("zero-inflated amounts", size, 0) == 0).mean() == 0.8
        assert (draw("latencies", size, 0) > 10_000).mean() == 0.2
        assert (draw("yes or no", size, 0) == 1).mean() == 0.3
        assert (draw("one outlier", size, 0) == 1e6).sum() == 1
        columns = draw("table by columns", size, 0) > 500
        assert columns[size // 2 :].all()
        assert not columns[: size // 2].any()
        assert (draw("table by rows", size, 0) > 500)[1::2].all()
    found = np.bincount(draw("ratings 1 … 5", 1000, 0).astype(int), minlength=6)
    np.testing.assert_array_equal(found, [0, 45, 45, 104, 280, 526])


def test_silverman_misses_zero_inflated_amounts_and_fits_a_normal():
    names = "zero-inflated amounts", "normal"
    ratios = [everyday_report.ratio(everyday.measure(Task(name, 500, 0), "KDE Silverman")) for name in names]
    assert ratios[0] > 1.5
    assert ratios[1] < 0.6


def results(out):
    return json.loads((out / "everyday.json").read_text())


def test_a_run_leaves_its_tables_and_computes_nothing_twice(tmp_path, monkeypatch):
    run = [*ARGUMENTS, "--out", str(tmp_path), "--estimators", *NAMES]
    assert main(run) == 0
    found = results(tmp_path)
    assert len(found["rows"]) == 2 * 2 * 2
    assert found["misses"] == {"KDE Scott (scipy)": {"missed": 2, "of": 4}, "KDE Silverman": {"missed": 0, "of": 4}}
    text = (tmp_path / "everyday.md").read_text()
    assert "| missed | 2 of 4 | 0 of 4 |" in text
    monkeypatch.setattr(cells.Cells, "compute_all", None)
    assert main(run) == 0
    assert results(tmp_path) == found


def test_what_fails_has_missed_and_is_named(tmp_path, monkeypatch):
    def fails(x):
        raise ValueError("no root")

    nan = Fitted(*3 * [lambda at: np.where(at > 1, np.nan, 0.5)])
    monkeypatch.setitem(registry.METHODS, "raises", rival("scipy", fails))
    monkeypatch.setitem(registry.METHODS, "is NaN", rival("scipy", lambda x: nan))
    names = ["raises", "is NaN"]
    arguments = ["everyday", "--kinds", "latencies", "--sizes", "50", "--out", str(tmp_path), "--estimators", *names]
    assert main(arguments) == 0
    assert results(tmp_path)["misses"] == {name: {"missed": 1, "of": 1} for name in names}
    text = (tmp_path / "everyday.md").read_text()
    assert "| latencies | **failed** | **failed** |" in text
    assert "| raises | 1 | ValueError: no root | latencies (N = 50) |" in text
    assert "ValueError: the cdf is not finite at" in text


@pytest.mark.parametrize(
    "arguments", [["--kinds", "cats"], ["--estimators", "best"], ["--sizes", "3"], ["--sizes", "51"], ["--jobs", "0"]]
)
def test_a_request_that_cannot_be_run_is_refused(arguments, tmp_path, capsys):
    assert main(["everyday", *arguments, "--out", str(tmp_path)]) == 2
    assert arguments[0] in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_absent_rivals_are_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "absent", lambda: ["khisto"])
    monkeypatch.setattr(everyday, "DEFAULTS", everyday.DEFAULTS._replace(estimators=("khisto", *NAMES)))
    assert main([*ARGUMENTS, "--out", str(tmp_path)]) == 0
    assert results(tmp_path)["misses"].keys() == set(NAMES)
    assert "Not installed, so not measured: khisto." in (tmp_path / "everyday.md").read_text()


@pytest.mark.slow
def test_ours_take_part(tmp_path):
    assert main([*ARGUMENTS, "--out", str(tmp_path), "--estimators", "auto", "Algorithm 2, 3r"]) == 0
    assert results(tmp_path)["misses"]["Algorithm 2, 3r"] == {"missed": 2, "of": 4}
    assert not any(row["error"] for row in results(tmp_path)["rows"])
