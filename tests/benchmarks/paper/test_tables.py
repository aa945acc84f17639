"""The tables' files, and the table of ambiguities."""

import csv
import json

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.harness.environment import use_precision
from benchmarks.paper import ambiguities, tables
from benchmarks.paper.algorithm1_readings import READINGS
from benchmarks.paper.other_definitions import other_losses
from benchmarks.paper.printed_values import paper_loss
from benchmarks.paper.sweep import Result

KEYS = ["kind", "algorithm", "n", "t", "data_size", "experiments", "mean", "ci95", "paper"]
BESIDE = {"seed", "precision", "device", "versions", "compile_seconds", "run_seconds"}


def made_up(config, *_):
    """Results of all cells of a config, without computing them: 1 and 2 times what the paper has."""
    return [
        Result(cell, paper_loss(*cell[:5]) * np.linspace(1, 2, cell.experiments), 0.25, 0.5) for cell in config.cells()
    ]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Table 1 with few experiments."""
    out = tmp_path_factory.mktemp("real")
    assert main(["tables", "--table", "1", "--experiments", "3", "--seed", "5", "--out", str(out)]) == 0
    return out


def test_a_real_table_has_the_papers_magnitude(real):
    record = json.loads((real / "table1.json").read_text())
    assert record["seed"] == 5
    assert record["compile_seconds"] > 0
    assert record["run_seconds"] > 0
    for row in record["rows"]:
        assert 1 / 3 < row["mean"] / row["paper"] < 3
        assert row["ci95"][0] < row["mean"] < row["ci95"][1]
    assert {path.name for path in real.iterdir()} == {"cells", "table1.json", "table1.csv", "table1.md"}


def test_files_of_all_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "run_config", made_up)
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["tables", "--out", str(tmp_path), "--precision", "float64"]) == 0
    for number, kind, size, experiments in ((1, "normal", 6, 20), (2, "mixed", 6, 20), (3, "normal", 14, 30)):
        record = json.loads((tmp_path / f"table{number}.json").read_text())
        assert record.keys() == {"rows", *BESIDE}
        assert record["precision"] == "float64"
        assert record["versions"].keys() == {"python", "jax", "jaxlib", "numpy", "fbgmm"}
        assert (record["compile_seconds"], record["run_seconds"]) == (0.25 * size, 0.5 * size)
        assert len(record["rows"]) == size
        for row in record["rows"]:
            assert list(row) == KEYS
            assert row["kind"] == kind
            assert row["experiments"] == experiments
            assert row["algorithm"] in ((1, 2) if number < 3 else (2,))
            assert isinstance(row["t"], float)
            assert row["mean"] == pytest.approx(1.5 * row["paper"])
        written = list(csv.DictReader((tmp_path / f"table{number}.csv").read_text().splitlines()))
        assert [float(row["mean"]) for row in written] == [row["mean"] for row in record["rows"]]
        assert [float(row["ci95_low"]) for row in written] == [row["ci95"][0] for row in record["rows"]]
        assert (tmp_path / f"table{number}.md").read_text().count("| 1.50 |") == size
    screen = capsys.readouterr().out
    assert screen.count("1.50") == 6 + 6 + 14
    assert "0.0710" in screen  # Table 1, Algorithm 1, σ = 1r in the paper


def test_quick_and_table_choose(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "run_config", made_up)
    assert main(["tables", "--quick", "--table", "3", "--table", "1", "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["table1.json", "table3.json"]
    rows = json.loads((tmp_path / "table3.json").read_text())["rows"]
    assert {row["experiments"] for row in rows} == {tables.QUICK_EXPERIMENTS}


@pytest.mark.slow
def test_probes_are_paired_with_the_cells_of_the_table(real):
    with use_precision("float32"):  # that of the table
        probes = other_losses(3, seed=5)
    rows = json.loads((real / "table1.json").read_text())["rows"]
    for name, algorithm in (("default", 2), ("clipped", 1)):
        expected = [row["mean"] for row in rows if row["algorithm"] == algorithm]
        np.testing.assert_allclose(probes[name].mean(axis=0), expected, atol=2e-5)
    np.testing.assert_allclose(probes["overlapping_cells"][:, 1], probes["default"][:, 1], atol=2e-5)  # σ/4 = r/2
    assert (probes["elsewhere"] > 1.9).all()
    assert (probes["elsewhere"] <= 2 + 1e-5).all()
    assert (probes["negative_weights"] < 0.05).all()
    assert (probes["variance"][:, 2] > probes["default"][:, 2]).all()


def test_every_ambiguity_is_stated_and_measured(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    drawn = []

    def results(config, *_):
        drawn.extend(Result(cell, random.random(cell.experiments), 0.0, 0.0) for cell in config.cells())
        return drawn[-len(list(config.cells())) :]

    class Probes(dict):
        def __missing__(self, name):
            self[name] = random.random((8, 3))
            return self[name]

    probes = Probes()
    monkeypatch.setattr(ambiguities, "run_config", results)
    monkeypatch.setattr(ambiguities, "other_losses", lambda experiments, seed: probes)
    measured_readings = 1 + random.random((8, 3, len(READINGS))), 1 + random.random((8, 3))
    monkeypatch.setattr(ambiguities, "readings_losses", lambda experiments, seed: measured_readings)
    assert main(["ambiguities", "--quick", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "ambiguities.json").read_text())
    assert record["experiments"] == ambiguities.QUICK_EXPERIMENTS
    rows = {row["number"]: row for row in record["rows"]}
    assert list(rows) == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "9b", "10", "11", "11b"]
    assert [number for number, row in rows.items() if not row["measured"]] == ["4"]
    measured = {(one["quantity"], one["at"]): one for row in rows.values() for one in row["measured"]}
    assert sum(len(row["measured"]) for row in rows.values()) == len(measured)
    by_cell = {result.cell[:5]: result.losses for result in drawn}
    gap = by_cell["normal", 1, 200, 3.0, 5000] - by_cell["normal", 2, 200, 3.0, 5000]
    assert measured["Algorithm 1 − Algorithm 2, Normal targets", "σ = 3r"]["mean"] == pytest.approx(gap.mean())
    shift = probes["left_means"] - probes["default"]
    assert measured["means at low + i·r, change of the loss", "σ = 1r"]["mean"] == pytest.approx(shift[:, 0].mean())
    assert measured["the paper", "σ = 1r"]["mean"] == pytest.approx(0.07099 / 0.06866)
    markdown = (tmp_path / "ambiguities.md").read_text()
    assert markdown.count("\n| ") == 2 + len(rows)
