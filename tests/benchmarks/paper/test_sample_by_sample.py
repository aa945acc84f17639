"""Sweeps over methods, targets and metrics of any kind: the same samples and losses as in the compiled sweeps."""

import json
import sys

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.harness import dependencies, environment
from benchmarks.methods.own import own_method
from benchmarks.paper import sweep
from benchmarks.paper.config import Cell, ConfigError, make_config
from benchmarks.paper.sample_by_sample import measure, same_fits
from benchmarks.paper.tables import table_config

MODULE = """
import fbgmm

def make():
    return fbgmm.algorithm2()

def fit(x):
    return fbgmm.fit(x, n=8, t=2.0, algorithm=2)

def fails(x):
    raise ValueError("no root")
"""
GRID = {"kind": "normal", "algorithm": [2, "mine:fit"], "n": 8, "t": [2.0, 3.0], "data_size": 100, "experiments": 4}
CONFIG = """
kind = ["normal", "claw"]
algorithm = [2, "mine:make", "mine:fit"]
metric = ["information_loss", "held_out"]
n = 8
t = 2
data_size = 100
experiments = 4
"""


@pytest.fixture(autouse=True)
def _module(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "grid.toml").write_text(CONFIG, encoding="utf-8")
    np.savetxt(tmp_path / "few.csv", np.arange(5.0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("mine", "theirs"):
        sys.modules.pop(name, None)
    own_method.cache_clear()


def rows(folder):
    return json.loads((folder / "results.json").read_text())["rows"]


def test_a_sweep_over_methods_targets_and_metrics(tmp_path, monkeypatch):
    assert main(["sweep", "grid.toml", "--out", "out"]) == 0
    found = {(row["kind"], row["algorithm"], row["metric"]): row["mean"] for row in rows(tmp_path / "out")}
    assert len(found) == 2 * 3 * 2
    for kind in ("normal", "claw"):
        for metric in ("information_loss", "held_out"):  # three ways to the same fit
            same = [found[kind, algorithm, metric] for algorithm in (2, "mine:make", "mine:fit")]
            np.testing.assert_allclose(same, same[0], atol=2e-5, err_msg=f"{kind}, {metric}")
    monkeypatch.setattr(sweep, "measure", None)
    monkeypatch.setattr(sweep, "Program", None)
    assert main(["sweep", "grid.toml", "--out", "out"]) == 0


def test_a_change_of_the_users_code_makes_its_own_numbers_anew_and_no_others(tmp_path):
    """That of a module which theirs imports, too; a comment changes nothing."""
    (tmp_path / "theirs.py").write_text("WIDTH = 2.0\n", encoding="utf-8")
    (tmp_path / "mine.py").write_text("from theirs import WIDTH\n" + MODULE.replace("2.0", "WIDTH"), encoding="utf-8")
    found = []
    for text in ("WIDTH = 2.0\n", "WIDTH = 2.0  # of a Gaussian\n", "WIDTH = 3.0\n"):
        (tmp_path / "theirs.py").write_text(text, encoding="utf-8")
        for cached in (sweep._code, dependencies._source, dependencies._definition, dependencies.code_of):
            cached.cache_clear()
        found.append([sweep.identity(cell) for cell in make_config(GRID | {"t": 2}).cells()])
    assert found[0] == found[1]
    assert [one != other for one, other in zip(found[1], found[2], strict=True)] == [False, True]


def test_the_loss_without_cells_is_that_of_the_compiled_sweep():
    """Eq. 9 through the distribution function, on the cells over the range of the same sample."""
    cells = list(make_config(GRID).cells())
    assert [sweep.is_compiled(cell) for cell in cells] == [True, True, False, False]
    fits = same_fits(cells[2])
    assert fits == same_fits(cells[3])
    seen = []
    with environment.use_precision("float32"):
        losses, _ = measure(fits, cells[2:], seen.append)
        program = sweep.Program(sweep.Shape("normal", 100, (2,), (2.0,), 8, 4, "float32"))
        (compiled,) = program.blocks(0, 8)
    assert seen == [1] * 4
    np.testing.assert_allclose(losses[cells[2]], compiled[:, 0, 0], atol=2e-5)
    np.testing.assert_array_equal(losses[cells[3]], losses[cells[2]])  # it has its own t


def test_a_method_of_ones_own_changes_nothing_about_the_others():
    config = make_config(GRID | {"algorithm": [1, 2, "mine:make", "interior_point"]})
    groups = sweep._groups(config, config.cells())
    assert [shape.algorithm for shape in groups] == [(1, 2), ("mine:make",), ("interior point",)]
    table = table_config(1, ["mine:make", "2"])
    assert table.algorithm == (1, 2, "mine:make")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "file:few.csv", "metric": "L1"}, "'L1', which needs the true .* allowed with it: 'held_out'"),
        ({"kind": "file:few.csv", "metric": "held_out", "data_size": 5}, "holds 5 points, .* at most 4"),
        ({"metric": "l2"}, "metric: found 'l2', which is not known; there are: 'L1'"),
        ({"algorithm": "numpy.histogram"}, "algorithm: found 'numpy.histogram', which is not known"),
        ({"kind": ["beta22", "beta(2, 2)"]}, "kind must not repeat"),
    ],
)
def test_what_has_no_meaning_is_refused_before_anything_is_computed(change, said):
    with pytest.raises(ConfigError, match=said):
        make_config(GRID | change)


def test_an_error_says_on_which_sample_and_where_in_the_code():
    cell = Cell("claw", "mine:fails", 8, 2.0, 100, 5, 2, "float32", "held_out")
    with pytest.raises(ConfigError, match=r"'mine:fails' on 'claw', 100 points, seed 5, experiment 0: ValueError: no"):
        measure(same_fits(cell), [cell], lambda _: None)
