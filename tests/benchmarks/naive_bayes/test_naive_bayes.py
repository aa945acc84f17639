"""The comparison of naive Bayes classifiers: its bookkeeping, and the peer that scikit-learn does not have."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity

from benchmarks import __main__
from benchmarks.naive_bayes import run as naive_bayes
from benchmarks.naive_bayes.kernel_naive_bayes import KernelNB, searched

X, Y = load_iris(return_X_y=True)


def test_folds_judge_and_errors_are_corrected_for_common_data():
    folds = naive_bayes.judged(DummyClassifier(strategy="prior"), X, Y, repeats=2)
    assert len(folds) == 10
    assert {round(fold.accuracy, 6) for fold in folds} == {round(1 / 3, 6)}
    assert folds[0].log_loss == pytest.approx(np.log(3))
    made = [naive_bayes.Judged(a, 2 * a, 0.1) for a in (0.5, 0.7, 0.9, 0.7)]
    found = naive_bayes.summary(made, 100, 1)
    assert found["accuracy"] == pytest.approx(0.7)
    assert found["accuracy_error"] == pytest.approx(np.std([0.5, 0.7, 0.9, 0.7], ddof=1) * np.sqrt(1 / 4 + 1 / 4))
    assert found["log_loss_error"] == pytest.approx(2 * found["accuracy_error"])


def test_the_kernel_classifier_is_bayes_rule_with_kernel_estimates():
    model = KernelNB(0.3).fit(X, Y)
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    joint = np.stack(
        [
            sum(KernelDensity(bandwidth=0.3).fit(z[k == Y][:, [d]]).score_samples(z[:, [d]]) for d in range(4))
            for k in range(3)
        ],
        axis=1,
    )
    expected = np.exp(joint) / np.exp(joint).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)
    assert (model.predict(X) == Y).mean() > 0.9


def test_silverman_stands_on_the_scale_of_each_class_and_constant_columns_do_no_harm():
    x = np.c_[X, np.where(Y == 0, 0.0, X[:, 0]), np.ones(len(X))]
    p = KernelNB().fit(x, Y).predict_proba(x)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p, KernelNB().fit(1e3 * x, Y).predict_proba(1e3 * x), rtol=1e-6)
    assert clone(searched()).fit(x, Y).best_params_["bandwidth"] > 0.05


def test_the_command_writes_json_and_markdown(tmp_path, monkeypatch):
    monkeypatch.setattr(naive_bayes, "classifiers", lambda: {"GaussianNB": GaussianNB()})
    assert __main__.main(["naive_bayes", "--quick", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "naive_bayes.json").read_text())
    assert [row["data"] for row in record["rows"]] == ["iris", "wine"]
    assert record["rows"][0]["accuracy"] == pytest.approx(0.95, abs=0.03)
    assert "scikit-learn" in record["versions"]
    assert "| iris | GaussianNB |" in (tmp_path / "naive_bayes.md").read_text()
    assert __main__.main(["naive_bayes", "--repeats", "0", "--out", str(tmp_path)]) == 2


def test_the_committed_table_is_that_of_the_committed_numbers():
    folder = Path(__file__).parents[3] / "docs" / "results" / "naive-bayes"
    record = json.loads((folder / "naive_bayes.json").read_text())
    table = naive_bayes.sheet(record["rows"], f"{record['device']}, {record['precision']}")
    assert table.markdown() == (folder / "naive_bayes.md").read_text()
