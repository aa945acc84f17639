"""Sweeps: right numbers, nothing redone, nothing lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import stats

import fbgmm
from benchmarks.__main__ import main
from benchmarks.harness import environment
from benchmarks.harness.files import write_json, write_text
from benchmarks.harness.report import Estimate, estimate, median_estimate
from benchmarks.paper import experiment, sweep
from benchmarks.paper.config import Cell, read_config
from benchmarks.paper.experiment import Program, Shape, map_experiments

ROOT = Path(__file__).parents[3]
CONFIG = """
kind = ["normal"]
algorithm = [1, 2]
n = [5, 8, 12]
t = [1.0, 2.0]
data_size = [100]
experiments = 4
"""
CELL = Cell("normal", 2, 8, 2.0, 100, 0, 4, "float32")

# Dies as by kill -9 in the middle of the second group, with a file half written.
DYING_SWEEP = """
import os, signal, sys
from benchmarks.__main__ import main
finished, replace = [], os.replace
def dying_replace(source, target):
    if len(finished) == 6:
        open(source, "w").write('{"": ')
        os.kill(os.getpid(), signal.SIGKILL)
    finished.append(target)
    replace(source, target)
os.replace = dying_replace
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def config_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "grid.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def uninterrupted(config_path, tmp_path_factory):
    """The folder of a sweep that ran in one go."""
    out = tmp_path_factory.mktemp("uninterrupted")
    assert main(["sweep", str(config_path), "--out", str(out)]) == 0
    return out


@pytest.fixture
def finished(uninterrupted, tmp_path):
    """A copy of that folder, to spoil."""
    return shutil.copytree(uninterrupted, tmp_path / "out")


@pytest.fixture
def groups_run(monkeypatch):
    """The groups (seed, n) that are computed from now on."""
    groups, blocks = [], Program.blocks
    monkeypatch.setattr(Program, "blocks", lambda self, *group: (groups.append(group), blocks(self, *group))[1])
    return groups


def stamps(out: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in (out / "cells").iterdir()}


def losses(out: Path) -> dict[str, list[float]]:
    return {path.name: json.loads(path.read_text())[""]["measures"]["losses"] for path in (out / "cells").iterdir()}


def rows(out: Path) -> list[dict]:
    return json.loads((out / "results.json").read_text())["rows"]


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(config_path, uninterrupted, tmp_path, groups_run):
    arguments = ["sweep", str(config_path), "--out", str(tmp_path)]
    killed = subprocess.run([sys.executable, "-c", DYING_SWEEP, *arguments], cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    left = stamps(tmp_path)
    assert sorted(Path(name).suffix for name in left) == [".json"] * 6 + [".tmp"]
    assert not (tmp_path / "results.json").exists()

    assert main(arguments) == 0
    now = stamps(tmp_path)
    for name, stamp in left.items():
        assert name.endswith(".tmp") or now[name] == stamp
    assert sorted(groups_run) == [(0, 8), (0, 12)]
    assert losses(tmp_path) == losses(uninterrupted)
    assert rows(tmp_path) == rows(uninterrupted)


def test_a_finished_sweep_computes_nothing(config_path, finished, monkeypatch):
    before = stamps(finished)
    monkeypatch.setattr(sweep, "Program", None)
    assert main(["sweep", str(config_path), "--out", str(finished)]) == 0
    assert stamps(finished) == before


def test_a_cell_of_another_identity_is_not_believed(finished):
    path = sweep.cell_path(finished / "cells", CELL)
    assert sweep.read_cell(path.parent, CELL) is not None
    path.rename(sweep.cell_path(finished / "cells", CELL._replace(seed=9)))
    assert sweep.read_cell(path.parent, CELL._replace(seed=9)) is None


def test_corrupt_cells_are_redone_and_no_others(config_path, uninterrupted, finished, groups_run):
    before = stamps(finished)
    path = sweep.cell_path(finished / "cells", CELL)
    path.write_text(path.read_text()[:40])
    assert main(["sweep", str(config_path), "--out", str(finished)]) == 0
    after = stamps(finished)
    assert {name for name in before if after[name] != before[name]} == {path.name}
    assert groups_run == [(0, 8)]
    assert losses(finished) == losses(uninterrupted)


def test_a_cell_is_named_after_all_that_determines_it(tmp_path, monkeypatch):
    others = [
        CELL._replace(kind="mixed"),
        CELL._replace(algorithm="2:plain"),
        CELL._replace(n=9),
        CELL._replace(t=2.0000001),
        CELL._replace(data_size=101),
        CELL._replace(seed=1),
        CELL._replace(experiments=5),
        CELL._replace(precision="float64"),
    ]
    paths = {sweep.cell_path(tmp_path, cell) for cell in (CELL, *others)}
    monkeypatch.setattr(environment, "platform", lambda: "gpu")
    monkeypatch.setattr(sweep, "_code", sweep._code.__wrapped__)
    paths.add(sweep.cell_path(tmp_path, CELL))
    assert len(paths) == 1 + len(others) + 1


@pytest.mark.slow
def test_the_loss_is_that_of_a_fit(uninterrupted, config_path):
    config = read_config(config_path)

    @jax.jit
    def fitted() -> list[jax.Array]:
        targets, xs = map_experiments(lambda target, x: (target, x), "normal", 100, 0, 0, 2)
        batches = [fbgmm.fit_batch(xs, config.n, config.t, algorithm) for algorithm in config.algorithm]
        return [jax.vmap(lambda target, gmm: fbgmm.information_loss(target.cdf, gmm))(targets, b) for b in batches]

    with environment.use_precision("float32"):
        expected = dict(zip(config.algorithm, fitted(), strict=True))
    for cell in config.cells():
        found = sweep.read_cell(uninterrupted / "cells", cell).losses
        same = expected[cell.algorithm][:, config.n.index(cell.n), config.t.index(cell.t)]
        np.testing.assert_allclose(found[:2], same, atol=2e-5)


def test_experiments_do_not_depend_on_their_number_or_block(uninterrupted, monkeypatch):
    monkeypatch.setattr(experiment, "_NUMBERS_PER_BLOCK", 600)
    shape = Shape("normal", 100, (1, 2), (1.0, 2.0), 12, 5, "float32")
    assert shape.block == 2
    with environment.use_precision("float32"):
        blocks = list(Program(shape).blocks(0, 8))
    assert [len(block) for block in blocks] == [2, 2, 1]
    alone = sweep.read_cell(uninterrupted / "cells", CELL).losses
    np.testing.assert_allclose(np.concatenate(blocks)[:4, 1, 1], alone, atol=2e-5)
    assert len(set(np.concatenate(blocks)[:, 1, 1])) == 5


def test_the_summary_holds_every_cell(uninterrupted, config_path):
    results = json.loads((uninterrupted / "results.json").read_text())
    assert {"precision", "device", "versions", "compile_seconds", "run_seconds"} < results.keys()
    cells = list(read_config(config_path).cells())
    assert len(results["rows"]) == len(cells)
    for row, cell in zip(results["rows"], cells, strict=True):
        found = sweep.read_cell(uninterrupted / "cells", cell).losses
        assert row["mean"] == pytest.approx(found.mean())
        assert {key: row[key] for key in ("algorithm", "n", "t", "seed")} == {
            "algorithm": cell.algorithm,
            "n": cell.n,
            "t": cell.t,
            "seed": 0,
        }
    for name in ("results.csv", "results.md"):
        assert len((uninterrupted / name).read_text().splitlines()) >= len(cells) + 1


def test_losses_that_are_not_finite_are_kept_as_such(tmp_path):
    result = sweep.Result(CELL, np.array([0.1, np.nan, np.inf, 0.2]), 1.0, 2.0)
    sweep.write_cell(tmp_path, result)
    np.testing.assert_array_equal(sweep.read_cell(tmp_path, CELL).losses, [0.1, np.nan, np.nan, 0.2])
    row = sweep.summary_row(result)
    assert row["mean"] is None
    assert row["ci95"] is None


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_json(path, {"old": 1})

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert json.loads(path.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_json_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


def test_the_interval_is_student_t():
    values = np.random.default_rng(0).normal(size=7)
    mean, interval = estimate(values)
    expected = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert mean == pytest.approx(values.mean())
    assert interval == pytest.approx(expected)


def test_the_interval_of_the_median_covers_it():
    draws = np.random.default_rng(0).exponential(size=(2000, 40))
    covered = [low <= np.log(2) <= high for _, (low, high) in map(median_estimate, draws)]
    assert 0.93 < np.mean(covered) < 0.99
    assert median_estimate(np.array([3.0, 1.0])) == Estimate(2.0, (1.0, 3.0))
