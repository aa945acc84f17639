"""Finished results: what gives them another identity, what does not, and what is not believed."""

import functools
import importlib
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks.accuracy import cells as accuracy_cells
from benchmarks.accuracy import run as accuracy
from benchmarks.everyday import run as everyday
from benchmarks.harness import cells, dependencies
from benchmarks.methods import registry
from benchmarks.mnist import case as mnist_case
from benchmarks.mnist import cells as mnist_cells
from benchmarks.mnist.judge import judge
from benchmarks.mnist.methods import METHODS
from benchmarks.mnist.report import INDEPENDENT, OURS, SW
from benchmarks.paper import sweep
from benchmarks.paper.config import Cell
from fbgmm.nn.digits.training import AutoencoderSettings, train

ROOT = Path(__file__).parents[3]


FROM_TWELVE = "EM, K by BIC", "Bayesian mixture"  # components


def identities():
    """One of each kind of result, by name."""
    accuracy_cells._identity.cache_clear()
    sweep._code.cache_clear()
    rivals = registry.in_group("rivals")  # an identity holds the version of what is installed
    found = {name: accuracy_cells._identity(accuracy.measure, name) for name in (*rivals, "auto", "roughness")}
    everyday_of = functools.partial(accuracy_cells._identity, everyday.measure)
    found |= {f"everyday, {name}": everyday_of(name) for name in ("auto", "KDE Silverman")}
    found |= {f"digits, {name}": mnist_cells.identity("digits", name, mnist_case.FULL) for name in METHODS}
    found["autoencoder"] = cells.identity(train, AutoencoderSettings())
    found["judge"] = cells.identity(judge, 6)
    found["sweep"] = sweep.identity(Cell("normal", 2, 8, 2.0, 100, 0, 4, "float32"))
    return found


@pytest.fixture(scope="module")
def before():
    return identities()


@pytest.fixture
def changed_by(before, tmp_path, monkeypatch):
    """changed_by((file, old, new), …) → names of what has another identity with these edits of the sources."""

    def forget():
        for cached in (dependencies._source, dependencies._definition, dependencies.code_of):
            cached.cache_clear()

    def changed(*edits):
        real = dependencies._path
        for file, old, new in edits:
            text = (ROOT / file).read_text()
            assert old in text
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace(old, new))

        def edited(module):
            path = real(module)
            copy = None if path is None else tmp_path / path.relative_to(ROOT)
            return copy if copy is not None and copy.is_file() else path

        monkeypatch.setattr(dependencies, "_path", edited)
        forget()
        return {name for name, identity in identities().items() if before[name] != identity}

    yield changed
    monkeypatch.undo()
    forget()


def test_docstrings_layout_and_code_that_is_not_used_change_nothing(changed_by):
    found = changed_by(
        ("fbgmm/nn/digits/adversarial.py", '"""Eq. 10, averaged', '"""Other words'),
        ("fbgmm/basis.py", '"""The fixed basis', '"""Other words'),
        ("fbgmm/updates.py", "\n\n\ndef ", "\n\n\n# a remark\n\n\ndef "),
        ("fbgmm/plot.py", "def density(", "def densities("),
        ("fbgmm/api.py", "from .saving import load, save\n", ""),
        ("benchmarks/methods/rivals.py", '    """scipy\'s', '    """Another\'s'),
    )
    assert found == set()


DIGITS = {f"digits, {name}" for name in METHODS}
LATENT = {f"digits, {OURS}", f"digits, {INDEPENDENT}"}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("fbgmm/nn/digits/adversarial.py", "jnp.mean(", "2 * jnp.mean(", {"autoencoder", *DIGITS}),
        ("fbgmm/basis.py", "(self) ->", "(self, other) ->", {"auto", "roughness", "everyday, auto", "sweep", *LATENT}),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (
                    "fbgmm/nn/train/loop.py",
                    "_REPORT_EVERY = 25",
                    "_REPORT_EVERY = 26",
                    {"autoencoder", "judge", *DIGITS},
                ),
                ("fbgmm/nn/digits/latent.py", "CLUSTER_T = 16, 300", "CLUSTER_T = 17, 300", LATENT),
                ("benchmarks/mnist/sliced_wasserstein.py", "GRID = 128", "GRID = 129", {f"digits, {SW}"}),
                ("benchmarks/mnist/sample_quality.py", "def frechet_distance(", "def frechet(", DIGITS),
                ("benchmarks/methods/rivals.py", "\nCOMPONENTS = 12", "\nCOMPONENTS = 11", {*FROM_TWELVE}),
            )
        ),
    ],
)
def test_a_change_of_code_gives_what_follows_from_it_another_identity_and_nothing_else(
    changed_by, file, old, new, expected
):
    assert changed_by((file, old, new)) == expected


def test_versions_are_those_of_the_packages_that_are_used():
    roots = frozenset({dependencies.Name("benchmarks.methods.rivals", "em_bic")})
    assert dependencies.code_of(roots).versions.keys() == {"numpy", "scipy", "sklearn"}
    roots = frozenset({dependencies.Name("benchmarks.methods.rivals", "isj_diffusion")})
    assert "kde_diffusion" in dependencies.code_of(roots).versions


MODULE = """
import numpy as np
from helper import factor

def make(x):
    '''Nothing.'''
    return factor() * np.mean(x)

def other(x):
    return 1
"""


def test_a_module_of_a_researcher_counts_with_what_it_imports(tmp_path, monkeypatch):
    def found():
        for cached in (dependencies._source, dependencies._definition, dependencies.code_of):
            cached.cache_clear()
        return cells.identity(importlib.import_module("mine").make)

    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "helper.py").write_text("def factor():\n    return 2\n")
    before = found()
    (tmp_path / "mine.py").write_text(MODULE.replace("Nothing", "Something").replace("return 1", "return 3"))
    assert found() == before
    (tmp_path / "helper.py").write_text("def factor():\n    return 3\n")
    assert found() != before


def scaled(by):
    return lambda x: by * x


class Estimator:
    def __init__(self, width):
        self.width = width

    def fit(self, x):
        return self


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (scaled(1), scaled(2)),
        (functools.partial(np.add, 1), functools.partial(np.add, 2)),
        (Estimator(1), Estimator(2)),
        (Estimator(1).fit, Estimator(2).fit),
        (AutoencoderSettings(), AutoencoderSettings(epochs=1)),
        (np.zeros(2), np.zeros(3)),
        (jax.random.key(0), jax.random.key(1)),
        ({"t": 1.0}, {"t": 2.0}),
        (None, False),
    ],
)
def test_what_is_held_counts(one, other):
    assert cells.identity(one) == cells.identity(one)
    assert cells.identity(one) != cells.identity(other)


def test_compiled_functions_are_those_they_were_made_of():
    assert cells.identity(jax.jit(identities)) == cells.identity(identities)


def test_platform_and_versions_count_where_jax_computes(monkeypatch):
    ours, rival = (functools.partial(cells.identity, made) for made in (train, registry.METHODS["KDE Silverman"].fit))
    before = ours(), rival()
    with monkeypatch.context() as patch:
        patch.setattr(cells.environment, "platform", lambda: "gpu")
        assert ours() != before[0]
        assert rival() == before[1]
    dependencies.code_of.cache_clear()
    with monkeypatch.context() as patch:
        version = importlib.metadata.version
        patch.setattr(importlib.metadata, "version", lambda name: "9" if name == "jax" else version(name))
        assert (ours() != before[0], rival()) == (True, before[1])
    dependencies.code_of.cache_clear()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace("0.5", "0.6"),
        lambda text: text.replace('"identity": "a"', '"identity": "b"'),
    ],
    ids=["half", "empty", "other JSON", "another number", "another identity"],
)
def test_a_damaged_or_foreign_file_is_none(tmp_path, spoil):
    path = tmp_path / "cell.json"
    assert cells.read(path, "a") is None
    cells.write(path, "a", {"loss": 0.5, "rest": [1, None]})
    assert cells.read(path, "a") == {"loss": 0.5, "rest": [1, None]}
    path.write_text(spoil(path.read_text()))
    assert cells.read(path, "a") is None
    cells.write(path, "a", {"loss": 0.7})
    assert cells.read(path, "a") == {"loss": 0.7}


def test_results_beside_each_other_stay(tmp_path):
    path = tmp_path / "cells.json"
    cells.write(path, "a", {"loss": 1}, "one")
    cells.write(path, "b", {"loss": 2}, "two")
    assert cells.read_all(path, {"one": "a", "two": "b", "three": "c"}) == {"one": {"loss": 1}, "two": {"loss": 2}}
    assert cells.read_all(path, {"one": "b"}) == {}
    with pytest.raises(ValueError, match="JSON"):
        cells.write(path, "c", {"loss": float("inf")}, "three")
    assert json.loads(path.read_text()).keys() == {"one", "two"}
