"""The code of the pages in docs runs as it stands, and their links lead somewhere."""

import importlib
import importlib.util
import os
import re
import shlex
from pathlib import Path

import jax
import matplotlib
import pytest

import fbgmm
from fbgmm.cli.arguments import OK, main

matplotlib.use("Agg")

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README = DOCS.parent / "README.md"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_code_runs(page, tmp_path, monkeypatch, unchecked_types):
    """In an empty folder, the blocks of a page one after the other, those of the command `fbgmm` among them.

    As users run them: without the suite's checks of types and ranks.
    """
    monkeypatch.chdir(tmp_path)
    scope: dict = {}
    for language, block in re.findall(r"```(python|bash)\n(.*?)```", page.read_text(), re.DOTALL):
        if language == "bash":
            for line in block.splitlines():
                if line.startswith("fbgmm "):
                    assert main(shlex.split(line)[1:]) == OK, line
        elif block.startswith("# ") and block.split("\n")[0].endswith(".py"):  # a script for a cluster: its syntax only
            compile(block, page.name, "exec")
        elif "FBGMM_DATA" in block and "FBGMM_DATA" not in os.environ:
            pytest.skip("FBGMM_DATA names no folder")
        elif "import dask" in block and not _installed("dask"):
            pytest.skip("dask is not installed")
        else:
            with jax.numpy_rank_promotion("allow"):
                exec(compile(block, page.name, "exec"), scope)


def _installed(name):
    return importlib.util.find_spec(name) is not None


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: page.name)
def test_drawings_fit_the_column_of_the_site(page):
    for language, block in re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
        if not language:
            assert max(map(len, block.splitlines())) <= 72, block


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_every_page_is_in_the_navigation_and_every_entry_of_it_is_there():
    entries = re.findall(r"^ +- .*: (\S+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(entries) == sorted([page.name for page in PAGES] + ["notebooks/index.md"])


def test_every_public_name_is_in_the_reference():
    pages = re.findall(r"^::: (\S+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    modules = {"plot", "sources", "testing"}
    assert {page.split(".")[-1] for page in pages} >= set(fbgmm.__all__) - modules
    for page in pages:
        module, _, name = page.rpartition(".")
        assert hasattr(importlib.import_module(module), name), page
