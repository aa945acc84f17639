"""The README's examples run as they stand, and its commands exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_examples_run_as_they_stand(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    scope: dict = {}
    for block in blocks:
        exec(block, scope)
    median, upper, score, loss, *shape = capsys.readouterr().out.split()
    assert abs(float(median)) < 0.1
    assert abs(float(upper) - 1.96) < 0.15
    assert abs(float(score) + 1.42) < 0.1  # minus the entropy of a standard normal
    assert 0 < float(loss) < 0.1
    assert " ".join(shape) == "(2, 2, 2)"


def test_the_two_commands_are_there():
    assert 'pip install -e ".[bench]" && python -m benchmarks tables' in README
    assert 'pip install -e ".[test]" && python -m pytest' in README


def test_every_linked_file_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
