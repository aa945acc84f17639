"""The speed benchmark's bookkeeping; its figures are for docs, never for tests."""

import json
import types

import numpy as np
import pytest
from rich.console import Console

from benchmarks import __main__
from benchmarks.harness import timing
from benchmarks.methods import registry
from benchmarks.methods.method import Method
from benchmarks.speed import run as speed


def test_a_race_runs_all_contenders_in_turn_and_the_first_call_apart():
    calls = []
    works = {name: lambda name=name: calls.append(name) for name in "ab"}
    timings = dict(timing.race(works, rounds=4, budget=10.0))
    assert calls == list("ab" * 5)
    assert timings["a"].rounds == 4
    assert timings["a"].quartiles[0] <= timings["a"].median <= timings["a"].quartiles[1]


def test_a_slow_contender_stops_when_its_budget_is_spent():
    timings = dict(timing.race({"slow": lambda: None}, rounds=50, budget=0.0))
    assert timings["slow"].rounds == 3


@pytest.mark.slow
def test_added_memory_sees_what_a_program_adds_and_reads_what_it_prints():
    program = "import numpy as np\nbefore()\nx = np.ones({})\nprint(12.5)\n"
    most, printed = timing.added_memory(program.format(10**7))
    least, _ = timing.added_memory(program.format(10))
    assert 60 < most < 100  # 76 MiB
    assert least < 5
    assert printed == [12.5]


def test_added_memory_is_not_hidden_by_an_earlier_peak():
    added, _ = timing.added_memory("a = bytes(10**8)\ndel a\nbefore()\nb = b'x' * 10**7")
    assert added == pytest.approx(10**7 / 2**20, rel=0.1)


def test_slope():
    found = [{"contender": "c", "work": str(n), "median_seconds": 3e-9 * n**1.5} for n in (10, 100, 1000)]
    assert speed.slope(found, "c", {"10": 10, "100": 100, "1000": 1000}) == pytest.approx(1.5)


def test_a_peer_that_is_not_installed_is_named_as_absent(monkeypatch):
    missing = Method("timed", None, package="no_such_package", timed=lambda x: x)
    monkeypatch.setitem(registry.METHODS, "none", missing)
    assert "none" in registry.absent("timed")
    assert "none" not in speed.peers()
    assert speed.peers().keys() >= {"numpy.histogram", "scikit-learn EM (8, 10 steps)"}


@pytest.mark.parametrize("name", ["numpy.histogram", "scipy gaussian_kde (bandwidth only)"])
def test_peers_run(name):
    assert speed.peers()[name](np.random.default_rng(0).normal(size=100)) is not None


def test_a_part_of_a_loop_is_extrapolated():
    works, factors = speed.batch(40, 10)
    assert factors["numpy.histogram, loop"] == 2.0
    assert factors[speed.OURS] == factors[speed.FLOOR] == 1.0
    assert works[speed.OURS]().shape == (40, 200)


@pytest.mark.slow
def test_the_command_writes_json_markdown_and_a_plot(tmp_path, monkeypatch):
    small = {"numpy.histogram": registry.METHODS["numpy.histogram"].timed}
    monkeypatch.setattr(speed, "peers", lambda: small)
    monkeypatch.setattr(speed, "memory", lambda points: {"points": points, "data_mib": 1.0, "added_mib": {"x": 2.0}})
    monkeypatch.setattr(speed, "stream", lambda points: {"points": points, "seconds": 1.0, "added_mib": 3.0})
    assert __main__.main(["speed", "--quick", "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["speed.json", "speed.md", "speed.png"]
    record = json.loads((tmp_path / "speed.json").read_text())
    ours = [row for row in record["rows"] if row["contender"] == speed.OURS]
    assert len(ours) == 4
    assert all(row["median_seconds"] > 0 and row["of_floor"] > 0 for row in ours)
    assert "## " not in (tmp_path / "speed.md").read_text()


def test_only_some_races_are_run(tmp_path, monkeypatch, capsys):
    def nothing(mixture, points):
        works = {speed.INTERPOLATION: lambda: None, mixture: lambda: None}
        return works, dict.fromkeys(works, 1.0)

    monkeypatch.setattr(speed, "evaluation", nothing)
    assert __main__.main(["speed", "--quick", "--only", "chosen", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "speed.json").read_text())
    assert {row["contender"] for row in record["rows"]} == {speed.INTERPOLATION, "chosen by the data"}
    assert __main__.main(["speed", "--only", "nothing", "--out", str(tmp_path)]) == 2
    assert "--only: no race has 'nothing' in its name; there are: one fit" in capsys.readouterr().err


def test_tables_name_what_was_extrapolated():
    row = {
        "work": "w",
        "contender": "c",
        "first_call_seconds": 1.0,
        "median_seconds": 0.002,
        "quartiles_seconds": [0.001, 0.003],
        "of_floor": None,
        "extrapolated_by": 5.0,
    }
    (table,) = speed.sheets([row], "a machine")
    assert table.title == "w (a machine)"
    assert table.lines == [["c (×5 of a part)", "2", "1 – 3", "", "1.00"]]
    table.show(Console(file=types.SimpleNamespace(write=lambda text: None, flush=lambda: None, isatty=lambda: False)))
