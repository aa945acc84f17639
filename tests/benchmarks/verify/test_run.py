"""`python -m benchmarks verify`."""

import shlex

import pytest

from benchmarks import __main__ as command
from benchmarks.verify import run as module
from benchmarks.verify.results import Results
from benchmarks.verify.sources import Source, read_sources

TABLE = "# Table 1\n\n| algorithm | σ | ours |\n| --- | --- | --- |\n| 2 | 1r | {} |\n"


@pytest.fixture
def one_source(tmp_path, monkeypatch):
    """A single source, and what its commands find."""

    def use(committed, found):
        (tmp_path / "committed.md").write_text(TABLE.format(committed))
        (tmp_path / "found.md").write_text(TABLE.format(found))
        source = Source("table1", "table1.md", "tables", 3, 0.1, "tables --quick", 0.1, 0.1)
        monkeypatch.setattr(module, "read_sources", lambda: {"table1": source})
        monkeypatch.setattr(Source, "committed", lambda self: Results(tmp_path / "committed.md"))
        monkeypatch.setattr(Source, "made", lambda self, out: Results(tmp_path / "found.md"))
        monkeypatch.setattr(module, "make", lambda command, out: None)
        claims = next(claims for claims in module.all_claims() if claims.page == "README.md")
        claims.figures = [figure for figure in claims.figures if figure.expression == "table1[2; 1r | ours]"]
        monkeypatch.setattr(module, "all_claims", lambda: [claims])

    return use


def test_figures_that_agree_are_listed_with_command_and_tolerance(one_source, tmp_path, capsys):
    one_source(0.0727, 0.0750)
    assert command.main(["verify", "--quick", "--out", str(tmp_path / "out")]) == 0
    assert "2 checks, 1 of them on new results; none differs" in capsys.readouterr().out.replace("\n", " ")
    lines = (tmp_path / "out" / "verify.md").read_text().splitlines()
    assert "| 0.0727 | 0.0727 | its last digit | 0 | committed |" in lines[-2]
    assert "| 0.0727 | 0.075 | 10% | 0.1 | python -m benchmarks tables --quick |" in lines[-1]


@pytest.mark.parametrize(("committed", "found"), [(0.0737, 0.0727), (0.0727, 0.0827)])
def test_a_figure_that_differs_ends_with_status_1(one_source, tmp_path, capsys, committed, found):
    one_source(committed, found)
    with pytest.raises(SystemExit, match="1"):
        command.main(["verify", "--quick", "--out", str(tmp_path / "out")])
    assert "DIFFERS" in (tmp_path / "out" / "verify.md").read_text()


def test_an_unknown_source_is_named(tmp_path, capsys):
    assert command.main(["verify", "--only", "heights", "--out", str(tmp_path)]) == 2
    assert "unknown source heights; allowed: table1" in capsys.readouterr().err


def test_the_commands_of_all_sources_exist():
    for source in read_sources().values():
        for line in filter(None, (source.command, source.quick)):
            assert shlex.split(line)[0] in command.COMMANDS, source


def test_the_quick_commands_take_three_minutes_at_most():
    assert sum({source.quick: source.quick_minutes for source in read_sources().values()}.values()) <= 3
