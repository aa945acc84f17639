"""The accelerator's benchmark, in small on the CPU: parts that fail or take too long leave the others alone."""

import importlib
import json

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import __main__
from benchmarks.accelerator import correctness, counting, run
from fbgmm.counting import ways

PARTS = """
import json, os, time

def hangs(quick, out):
    yield {"first": 1.5}
    time.sleep(100)

def fails(quick, out):
    yield {"first": 1}
    raise ValueError("no luck")

def dies(quick, out):
    os._exit(3)
    yield

def fine(quick, out):
    assert json.loads((out / "accelerator.json").read_text())["parts"]["fails"]["error"] == "ValueError: no luck"
    yield {"second": [2, 3]}
"""


def test_what_was_measured_is_kept_and_the_rest_goes_on(tmp_path, monkeypatch):
    (tmp_path / "some_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)  # a spawned process has the path of the one that starts it
    some = importlib.import_module("some_parts")
    parts = {"hangs": (some.hangs, 6.0)} | {name: (getattr(some, name), 60.0) for name in ("fails", "dies", "fine")}
    monkeypatch.setattr(run, "PARTS", parts)
    assert __main__.main(["accelerator", "--quick", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "accelerator.json").read_text())
    assert {"device", "driver", "versions"} <= record.keys()
    found = record["parts"]
    assert (found["hangs"]["rows"], found["hangs"]["error"]) == ([{"first": 1.5}], "ended after 6 seconds")
    assert (found["fails"]["rows"], found["fails"]["error"]) == ([{"first": 1}], "ValueError: no luck")
    assert found["dies"]["error"] == "the process ended with code 3"
    assert (found["fine"]["rows"], found["fine"]["error"]) == ([{"second": [2, 3]}], None)
    assert "| 2 × 3 |" in (tmp_path / "accelerator.md").read_text()


def test_the_parts_take_less_than_six_minutes():
    assert sum(budget for _, budget in run.PARTS.values()) <= 345


def test_a_wrong_count_is_found(tmp_path, monkeypatch):
    moved = {"off by one": lambda i, v, n: jnp.roll(ways.scattered(i, v, n), 1, 1)}
    monkeypatch.setattr(ways, "WAYS", {"scatter": ways.scattered, **moved})
    good, _, bad, _ = correctness.measure(True, tmp_path)
    assert good["counts that differ"] == "none"
    assert 0 < good["worst error of a sum over its bound"] < 1
    assert bad["counts that differ"].startswith("random, sorted")
    assert bad["worst error of a sum over its bound"] > 1


def test_counting_has_every_way_and_what_is_left_out_says_so(tmp_path, monkeypatch):
    def refuse(index, values, capacity):
        raise ValueError(f"found {capacity}")

    monkeypatch.setattr(ways, "WAYS", {**ways.WAYS, "refusing": refuse})
    rows = list(counting._shape(jnp.ones((1, 640)), None, 1 << 15))
    found = {row["contender"]: row for row in rows}
    assert found["fbgmm, scatter"]["points_per_second"] == pytest.approx(640 / found["fbgmm, scatter"]["seconds"])
    assert "found 32768" in found["fbgmm, refusing"]["error"]
    assert np.isfinite(found["copy of the data"]["share_of_bandwidth"])
    monkeypatch.setattr(counting, "_LONGEST", 0.0)
    assert counting._guarded(counting._counter(5), jnp.ones((1, 640)), None) == (None,)


@pytest.mark.slow
def test_the_command_measures_all_parts(tmp_path):
    assert __main__.main(["accelerator", "--quick", "--out", str(tmp_path)]) == 0
    parts = json.loads((tmp_path / "accelerator.json").read_text())["parts"]
    assert list(parts) == list(run.PARTS)
    assert all(part["rows"] and part["error"] is None for part in parts.values())
    assert parts["tests"]["rows"][0]["ended"] == "exit 0"
    assert {row["contender"] for row in parts["counting"]["rows"]} >= {f"fbgmm, {name}" for name in ways.WAYS}
