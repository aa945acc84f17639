"""`python -m benchmarks regression`: padding, measures, files, resuming, tables; on toy data."""

import argparse
import json

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from benchmarks.paper.config import ConfigError
from benchmarks.regression import (
    cells as regression_cells,
)
from benchmarks.regression import (
    report as regression_report,
)
from benchmarks.regression import (
    run as regression,
)
from benchmarks.regression import (
    training as regression_training,
)
from benchmarks.regression.report import HETERO, MDN, OURS, PLAIN, RESIDUAL, RIVALS
from fbgmm.nn.conditional.training import TrainingSettings, Trials
from fbgmm.nn.data.uci import Regression
from fbgmm.nn.train.progress import silent


def toy(N=300, splits=2):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (N, 2))
    y = 10 + 2 * x[:, 0] + 0.5 * rng.normal(size=N)
    orders = [rng.permutation(N) for _ in range(splits)]
    return Regression(x, y, [o[: N - 60] for o in orders], [o[N - 60 :] for o in orders])


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Ours, which stacks two forms, on toy data with a known density."""
    case = regression_training.prepare("yacht", toy())
    plan = regression_training.Plan(TrainingSettings(40, 32, checks=5), Trials.grid(2, decay=(1e-3,)), 2, 16)
    folder = tmp_path_factory.mktemp("cells")
    names = PLAIN, RESIDUAL
    trained = [
        regression_training.train_variant(case, plan, n, regression_training.VARIANTS[n], folder, silent) for n in names
    ]
    return case, plan, trained, regression_cells.measure(case, plan, trained, names)


@pytest.mark.slow
def test_measures_of_a_normal_density_are_near_the_truth(measured):
    case, _, _, found = measured
    assert all(len(found[key]) == 2 for key in regression_report.TABLES)
    exact = -stats.norm.logpdf(case.y, 10 + 2 * case.x[..., 0], 0.5).mean()
    assert exact - 0.1 < np.mean(found["nll"]) < exact + 0.3
    assert np.mean(found["nll"]) < np.mean(found["single"])  # an average of densities
    assert np.mean(found["rmse"]) == pytest.approx(0.5, abs=0.12)
    assert np.mean(found["crps"]) == pytest.approx(0.5 / np.sqrt(np.pi), abs=0.08)
    assert 0.75 < np.mean(found["coverage"]) < 1
    assert 0.75 < np.mean(found["conformal_coverage"]) < 1
    assert np.mean(found["nll_cells"]) == pytest.approx(np.mean(found["nll"]), abs=1e-2)  # not rounded
    assert found["worse_than_no_features"] == [0, 0]
    json.dumps(found, allow_nan=False)


@pytest.mark.slow
def test_the_forms_are_stacked_by_what_the_members_left_out(measured):
    case, plan, trained, found = measured
    outside = [regression_cells.left_out(case, plan, t, t.best(2)) for t in trained]
    for s in range(2):
        weights = {name: column[s] for name, column in found["weights"].items()}
        assert set(weights) == {PLAIN, RESIDUAL}
        log_prob = np.stack([o[s][0] for o in outside])
        reached = np.log(np.array([weights[PLAIN], weights[RESIDUAL]]) @ np.exp(log_prob)).mean()
        assert reached >= log_prob.mean(axis=1).max() - 1e-6


@pytest.mark.slow
def test_rows_left_out_are_judged_by_the_member_that_left_them_out(measured):
    case, plan, trained, _ = measured
    best = trained[1].best(2)
    found = regression_cells.left_out(case, plan, trained[1], best)
    density = trained[1].predict(case.data.x, best)
    y = case.data.y[:, None].astype(np.float32)
    for values, part in ((density.log_prob(y), 0), (density.cdf(y), 1)):
        for s in range(2):
            rows = np.flatnonzero(case.data.fold[s] < 2)
            expected = np.asarray(values)[s, case.data.fold[s][rows], rows]
            np.testing.assert_allclose(found[s][part], expected, atol=1e-4)


def test_no_test_row_is_seen_in_training():
    data = toy()
    case = regression_training.prepare("yacht", data)
    for s in range(2):
        assert not set(map(float, case.y[s])) & set(map(float, case.data.y[s]))
    assert regression_training.prepare("yacht", data, 1).y.shape == (1, 60)


def test_splits_of_different_lengths_are_padded_by_weights_of_zero():
    data = toy()
    data.train[1] = data.train[1][:100]
    case = regression_training.prepare("yacht", data)
    assert case.data.weights.sum(axis=1).tolist() == [240, 100]
    assert case.lengths.tolist() == [60, 60]


def fake(seed=0, level=1.0):
    rng = np.random.default_rng(seed)
    rows = {key: (level + 0.01 * rng.normal(size=4)).tolist() for key in regression_report.TABLES}
    return {**rows, "trainings": 24, "not_finite": 1, "worse_than_no_features": [0, 1, 0, 0], "seconds": 3.0}


@pytest.fixture
def without_training(monkeypatch):
    made = []

    def run_method(case, plan, method, folder, progress):
        made.append((case.name, method))
        return fake()

    monkeypatch.setattr(regression_cells, "run_method", run_method)
    monkeypatch.setattr(regression_training, "load_uci", lambda name: toy())
    return made


def run(folder, **options):
    arguments = argparse.Namespace(out=folder, sets=["yacht", "wine"], quick=False)
    vars(arguments).update(options)
    regression.run(arguments, Console(quiet=True))


@pytest.mark.slow
def test_a_run_makes_all_cells_and_a_second_none(tmp_path, without_training):
    run(tmp_path)
    assert len(without_training) == 2 * len(regression_cells.METHODS)
    report = json.loads((tmp_path / "regression.json").read_text())
    assert len(report["records"]) == len(without_training)
    without_training.clear()
    run(tmp_path)
    assert without_training == []
    path = regression_cells.path_of(tmp_path / "regression-cells", "wine", MDN)
    path.write_text(path.read_text().replace('"identity": "', '"identity": "x'))
    run(tmp_path)
    assert without_training == [("wine", MDN)]


def test_bad_requests_are_refused(tmp_path, monkeypatch, without_training):
    with pytest.raises(ConfigError, match="--sets: unknown iris; allowed: boston"):
        run(tmp_path, sets=["iris"])

    def other(*_):
        raise ValueError("holds checkpoints of another training")

    monkeypatch.setattr(regression_cells, "run_method", other)
    with pytest.raises(ConfigError, match="yacht, Gaussian: holds checkpoints of another training"):
        run(tmp_path)
    monkeypatch.setattr(regression, "find_spec", lambda name: None if name == "flax" else object())
    with pytest.raises(ConfigError, match=r"regression needs flax; install with: pip install -e"):
        run(tmp_path)


def test_the_tables_hold_means_errors_published_figures_and_comparisons():
    records = {("boston", m): fake(i, 2.0 + i) for i, m in enumerate((OURS, HETERO, MDN, RIVALS))}
    records["wine", HETERO] = fake()
    nll, *_, against, failed, spent = regression_report.sheets(records)
    assert nll.header == ["set", OURS, HETERO, MDN, RIVALS, *regression_report.PUBLISHED]
    boston, wine = nll.lines
    assert boston[1].startswith(f"{np.mean(records['boston', OURS]['nll']):.3f} ± ")
    assert boston[-2:] == ["2.40", "2.62"]
    assert wine[1] == ""
    (line,) = against.lines
    assert line[:2] == ["boston", HETERO]
    assert [float(text.split()[0]) for text in line[2:5]] == pytest.approx([-1, -3, -1], abs=0.05)
    assert line[-1] == "yes"
    assert failed.lines[0][1] == "1 of 24; 1"
    assert spent.lines[0][1] == "3.0"


def test_paired_differences_have_the_t_tests_p():
    a, b = np.random.default_rng(0).normal(size=(2, 20))
    p = stats.ttest_rel(a, b).pvalue
    assert regression_report.paired(a, b).endswith(f"(p {p:.2g})")
    assert regression_report.paired([1.0], [3.0]) == "-2.000"


def test_boosted_trees_cover_and_are_measured(monkeypatch):
    def quantiles(x, y, new, seed):
        middle = 10 + 2 * new[:, 0]
        return {"mean": middle, "low": middle - 0.82, "high": middle + 0.82}

    monkeypatch.setattr(regression_cells, "boosted_quantiles", quantiles)
    found = regression_cells.measure_boosted(regression_training.prepare("yacht", toy()), silent)
    assert np.mean(found["coverage"]) == pytest.approx(0.9, abs=0.08)
    assert found["width"] == pytest.approx([1.64, 1.64])
    assert np.mean(found["rmse"]) == pytest.approx(0.5, abs=0.1)
