"""The notebooks run from top to bottom and show what they say, at the small size in which they are kept."""

import json
import os
from pathlib import Path

import jax
import matplotlib
import pytest
from matplotlib import pyplot

X64 = bool(jax.config.jax_enable_x64)
DATA = Path(os.environ.get("FBGMM_DATA", "/nowhere"))
NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


def run(name, monkeypatch):
    """The names at the end. Cells are plain Python, so that no kernel is needed to run them."""
    monkeypatch.setattr(pyplot, "rcParams", matplotlib.rcParams.copy())
    matplotlib.use("Agg")
    cells = json.loads((NOTEBOOKS / name).read_text())["cells"]
    scope: dict = {}
    for i, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{name}, cell {i}", "exec"), scope)
    pyplot.close("all")
    return scope


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_what_is_kept_is_small_and_free_of_warnings(path):
    assert path.stat().st_size < 300_000
    outputs = [output for cell in json.loads(path.read_text())["cells"] for output in cell.get("outputs", [])]
    assert outputs
    assert {output["output_type"] for output in outputs} <= {"display_data", "execute_result"}


@pytest.mark.slow
@pytest.mark.skipif(X64, reason="the networks are in float32")
@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="FBGMM_DATA names no MNIST")
def test_digits(monkeypatch):
    scope = run("digits.ipynb", monkeypatch)
    error = scope["trained"].history.error
    assert error[-1] < 0.6 * error[0]


@pytest.mark.slow
@pytest.mark.skipif(X64, reason="the networks are in float32")
@pytest.mark.skipif(not (DATA / "paintings").is_dir(), reason="FBGMM_DATA names no paintings")
def test_style(monkeypatch):
    ratios = run("style.ipynb", monkeypatch)["ratios"]
    assert ratios[0.0].max() < ratios[0.8].min()
