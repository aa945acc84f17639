"""The accelerator's benchmark, in small on the CPU: parts that fail or take too long leave the others alone."""

import json
import time

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import __main__
from benchmarks.accelerator import correctness, counting, fits, run
from fbgmm.counting import ways


def cut_short(quick, out):
    yield {"first": 1.5}
    time.sleep(10)


def broken(quick, out):
    yield {"first": 1}
    raise ValueError("no luck")


def fine(quick, out):
    assert json.loads((out / "accelerator.json").read_text())["parts"]["broken"]["error"] == "ValueError: no luck"
    yield {"second": [2, 3]}


def test_what_was_measured_is_kept_and_the_rest_goes_on(tmp_path, monkeypatch):
    for function in (cut_short, broken, fine):
        monkeypatch.setattr(fits, function.__name__, function, raising=False)
    parts = {"late": ("fits.cut_short", 0.5), "broken": ("fits.broken", 5.0), "fine": ("fits.fine", 5.0)}
    monkeypatch.setattr(run, "PARTS", {**parts, "absent": ("no_such_module.measure", 5.0)})
    assert __main__.main(["accelerator", "--quick", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "accelerator.json").read_text())
    assert {"device", "driver", "versions"} <= record.keys()
    found = record["parts"]
    assert found["late"]["rows"] == [{"first": 1.5}]
    assert found["late"]["error"] == "TimeoutError: cut off after 0.5 seconds"
    assert found["broken"]["rows"] == [{"first": 1}]
    assert (found["fine"]["rows"], found["fine"]["error"]) == ([{"second": [2, 3]}], None)
    assert found["absent"]["error"].startswith("ModuleNotFoundError")
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
