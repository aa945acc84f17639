"""The comparison in several dimensions: its data, its bookkeeping, and scores of normal data as they should be."""

import numpy as np
import pytest

from benchmarks.several import run as several
from benchmarks.several.densities import DENSITIES
from benchmarks.several.estimators import em_by_bic, kernel_estimate


def test_all_densities_have_the_asked_number_of_finite_points_and_a_full_covariance():
    for name, draw in DENSITIES.items():
        x = draw(np.random.default_rng(0), 300)
        assert len(x) == 300, name
        assert np.linalg.eigvalsh(np.cov(x.T)).min() > 0, name


def test_cases_hold_different_points_and_are_made_again():
    first, again = (next(several.cases(quick=True)) for _ in range(2))
    np.testing.assert_array_equal(first.x, again.x)
    assert first.new.shape == (several.NEW, 2)
    assert not np.isin(first.new, first.x).any()


@pytest.mark.parametrize("estimator", [em_by_bic, kernel_estimate])
def test_scores_of_normal_data_are_near_the_negative_entropy(estimator):
    x, new = np.split(np.random.default_rng(0).normal(size=(4000, 2)), 2)
    found = several.judged(estimator, several.Case("normal", x[:200], new))
    assert found["mean"] == pytest.approx(-np.log(2 * np.pi) - 1, abs=0.1)
    assert found["error"] == pytest.approx(1 / np.sqrt(2000), rel=0.15)


def test_finished_work_is_not_done_again(tmp_path):
    points, calls = np.random.default_rng(0).normal(size=(300, 2)), []

    def estimator(x):
        calls.append(len(x))
        return kernel_estimate(x)

    case = several.Case("a, b", points[:200], points[200:])
    rows = [several.finished(tmp_path, "one", kernel_estimate, case) for _ in range(2)]
    assert rows[0] == rows[1]
    several.finished(tmp_path, "one", estimator, case)  # other code
    several.finished(tmp_path, "one", estimator, case._replace(x=points[:100]))  # other data
    assert calls == [200, 100]


def test_the_table_has_a_line_for_each_case_and_a_column_for_each_estimator():
    cells = {"mean": -2.5, "error": 0.01, "fit_seconds": 1.0, "evaluation_seconds": 0.1}
    rows = [{"case": c, "estimator": e, **cells} for c in ("a", "b") for e in ("one", "two")]
    scores, times = several.sheets(rows)
    assert list(scores.header) == ["data", "one", "two"]
    assert scores.lines == [[c, "-2.500 ± 0.010", "-2.500 ± 0.010"] for c in "ab"]
    assert times.lines[0] == ["a", "1 + 0.1", "1 + 0.1"]
