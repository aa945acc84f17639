"""fbgmm.nn as a package: its examples run, it says what it needs, and the core does without it."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
from importlib import util

import pytest

import fbgmm.nn

MODULES = sorted(module.name for module in pkgutil.walk_packages(fbgmm.nn.__path__, "fbgmm.nn."))


SLOW = {"fbgmm.nn.digits.latent", "fbgmm.nn.conditional.training", "fbgmm.nn.conditional.component_count"}


@pytest.mark.parametrize(
    "name", ["fbgmm.nn", *(pytest.param(m, marks=pytest.mark.slow) if m in SLOW else m for m in MODULES)]
)
def test_examples_run(name):
    module = importlib.import_module(name)
    assert module.__doc__
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


def test_what_is_missing_is_named(monkeypatch):
    find = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name in ("flax", "PIL") else find(name))
    with pytest.raises(ModuleNotFoundError, match=r'needs pillow, flax; install with: pip install "fbgmm\[nn\]"'):
        importlib.reload(fbgmm.nn)
    monkeypatch.undo()
    importlib.reload(fbgmm.nn)


def test_the_main_names_are_in_the_package_and_load_only_what_they_need():
    program = "import sys; from fbgmm.nn import load_uci; print(*sorted(m for m in sys.modules if m.count('.') == 2 "
    program += "and m.startswith('fbgmm.nn.')))"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["fbgmm.nn.data", "fbgmm.nn.train"]
    for name in sum(fbgmm.nn._NAMES.values(), ()):
        assert getattr(fbgmm.nn, name).__name__ == name
    with pytest.raises(AttributeError, match=r"module 'fbgmm\.nn' has no attribute 'DensityTail'"):
        _ = fbgmm.nn.DensityTail


def test_the_core_does_not_load_it():
    program = "import sys, fbgmm; print(*{'flax', 'optax', 'orbax', 'pooch', 'rich', 'fbgmm.nn'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == ""
