"""The code of the pages in docs runs as it stands, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_code_runs(page):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    for block in blocks:
        if block.startswith("# ") and block.split("\n")[0].endswith(".py"):  # a script for a cluster: its syntax only
            compile(block, page.name, "exec")
        elif "import dask" in block and not _installed("dask"):
            pytest.skip("dask is not installed")
        else:
            exec(compile(block, page.name, "exec"), {})


def _installed(name):
    import importlib.util

    return importlib.util.find_spec(name) is not None


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / link).exists(), link
