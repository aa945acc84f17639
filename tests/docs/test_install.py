"""What the pages say about installing can be followed today, in a fresh virtual environment."""

import re
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "docs" / "notebooks" / "index.md"]


def install_lines(page):
    """The requests to pip in a page's blocks for the shell."""
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)
    return re.findall(r"^pip install [^&#\n]+", "\n".join(blocks), re.MULTILINE)


LINES = sorted({line.strip() for page in PAGES for line in install_lines(page)})


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_pages_install_from_a_clone(page):
    """No package index has fbgmm."""
    for line in install_lines(page):
        assert re.search(r' -e "?\.', line), line


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The programs of a fresh virtual environment."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin")


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_the_lines_install_and_fbgmm_can_be_imported(environment, line, tmp_path):
    _, *arguments = shlex.split(line)
    subprocess.run([environment / "pip", "--quiet", *arguments], cwd=ROOT, check=True)
    program = "import fbgmm; print(fbgmm.fit([1.0, 2.0, 4.0], n=5, t=1.0).cdf(10.0))"
    done = subprocess.run([environment / "python", "-c", program], cwd=tmp_path, check=True, capture_output=True)
    assert float(done.stdout) == pytest.approx(1, abs=0.01)
