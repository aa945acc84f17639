"""docs/extend.md works as it stands: its files and commands, in an empty folder outside the checkout."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extend.md").read_text()
FILES = dict(re.findall(r'```\w+ title="([\w.]+)"\n(.*?)```', PAGE, re.DOTALL))
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(command, folder):
    """As a user would, whose `pip install -e` has put the checkout on the path."""
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_page_runs_as_it_stands(folder):
    assert len(FILES) == 7
    shown = [run(command, folder) for command in COMMANDS]
    assert len(shown) == 5
    table = json.loads((folder / "results" / "table1.json").read_text())["rows"]
    ours = [row for row in table if row["algorithm"] == "smooth:make"]
    assert [row["t"] for row in ours] == [1.0, 2.0, 3.0]
    assert all(0.01 < row["mean"] < 0.5 and row["paper"] is None for row in ours)
    accuracy = json.loads((folder / "results" / "accuracy.json").read_text())["columns"]
    assert accuracy["estimator"] == ["auto", "others:wide", "others:OneNormal"]
    rows = json.loads((folder / "densities" / "results.json").read_text())["rows"]
    assert len(rows) == 5 * 5 * 3
    assert all(0 < row["mean"] < 2 for row in rows)
    by_algorithm = {row["algorithm"]: row["mean"] for row in rows if row["kind"] == "wave:target"}
    assert by_algorithm["others:OneNormal"] > by_algorithm["smooth:make"]
    heights = json.loads((folder / "heights" / "results.json").read_text())["rows"]
    assert all(-5 < row["mean"] < -3 for row in heights)
