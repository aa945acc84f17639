"""Docstrings: every example runs and prints what it says, in both precisions; public names are documented."""

import doctest
import importlib
import inspect
import os
import pkgutil
import typing
from pathlib import Path

import jaxtyping
import pytest

import fbgmm

MODULES = sorted(m.name for m in pkgutil.walk_packages(fbgmm.__path__, "fbgmm.") if ".nn" not in m.name)
PUBLIC = [name for name in fbgmm.__all__ if not inspect.ismodule(getattr(fbgmm, name))]
FUNCTIONS = [name for name in PUBLIC if not inspect.isclass(getattr(fbgmm, name))]


SLOW = {
    *(
        "fbgmm.plot",
        "fbgmm.multivariate.rotated",
        "fbgmm.bandwidth",
        "fbgmm.interop.scipy",
        "fbgmm.sklearn.naive_bayes",
    ),
    *(f"fbgmm.algorithms.{name}" for name in ("duality_gap", "interior_point", "multi_scale", "roughness")),
}


@pytest.mark.parametrize(
    "name", ["fbgmm", *(pytest.param(m, marks=pytest.mark.slow) if m in SLOW else m for m in MODULES)]
)
def test_examples_run(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_examples_are_found():
    """doctest overlooks wrapped functions, and cached ones above all."""
    found = {
        test.name.split(".")[-1]
        for name in MODULES
        for test in doctest.DocTestFinder().find(importlib.import_module(name))
        if test.examples
    }
    assert found >= set(PUBLIC) - NO_EXAMPLE


# Plain records: their fields are documented, and the functions that return them have examples.
NO_EXAMPLE = {"Basis", "LocalBound", "MisfitWarning", "PrecisionWarning", "Status"}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_have_a_docstring_with_an_example(name):
    doc = inspect.getdoc(getattr(fbgmm, name))
    assert doc
    assert doc.splitlines()[0].endswith((".", ":")), "a summary line"
    if name not in NO_EXAMPLE:
        assert "Example:\n    >>> import fbgmm" in doc


NEVER_RAISES = {"init_pi", "information_loss", "interior_point"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_they_raise_and_name_their_arguments(name):
    function = getattr(fbgmm, name)
    doc = inspect.getdoc(function)
    if name not in NEVER_RAISES:
        assert "Raises:\n" in doc
    arguments = list(inspect.signature(function).parameters)
    if len(arguments) > 1:
        for argument in arguments:
            assert argument in doc, f"{argument} is not documented"


def test_public_names_exist_and_are_annotated():
    assert sorted(fbgmm.__all__) == fbgmm.__all__
    for name in FUNCTIONS:
        function = inspect.unwrap(getattr(fbgmm, name))
        hints = typing.get_type_hints(function)
        assert set(hints) >= {*inspect.signature(function).parameters, "return"}


def test_methods_of_a_mixture_are_documented():
    for name, method in inspect.getmembers(fbgmm.Mixture, inspect.isfunction):
        if not name.startswith("_"):
            assert method.__doc__, name


@pytest.mark.skipif("JAXTYPING_DISABLE" in os.environ, reason="shapes are not checked with jax 0.7")
def test_the_shapes_of_annotations_are_checked_here():
    basis = fbgmm.init_basis(0.0, 1.0, n=4)
    with pytest.raises(jaxtyping.TypeCheckError):
        fbgmm.Mixture(basis, "weights")


def test_the_version_is_that_of_the_project():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'version = "{fbgmm.__version__}"' in text
