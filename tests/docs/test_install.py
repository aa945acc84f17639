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


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_pages_install_from_a_clone(page):
    """No package index has fbgmm."""
    for line in install_lines(page):
        assert re.search(r' -e "?\.', line), line


@pytest.mark.slow
def test_what_the_pages_install_can_be_installed_and_imported(tmp_path):
    """All extras and packages that any page names, in one request: one after the other they take minutes."""
    words = [word for page in PAGES for line in install_lines(page) for word in shlex.split(line)[2:] if word != "-e"]
    extras = {extra for word in words if word.startswith(".") for extra in word.strip(".[]").split(",") if extra}
    packages = {word for word in words if not word.startswith(".")}
    venv.create(tmp_path, with_pip=True)
    programs = tmp_path / ("Scripts" if sys.platform == "win32" else "bin")
    request = ["-e", f".[{','.join(sorted(extras))}]", *sorted(packages)]
    subprocess.run([programs / "pip", "install", "--quiet", "--no-compile", *request], cwd=ROOT, check=True)
    program = "import fbgmm; print(fbgmm.fit([1.0, 2.0, 4.0], n=5, t=1.0).cdf(10.0))"
    done = subprocess.run([programs / "python", "-c", program], cwd=tmp_path, check=True, capture_output=True)
    assert float(done.stdout) == pytest.approx(1, abs=0.01)
