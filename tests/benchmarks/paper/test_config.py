"""Configs of a sweep: what is accepted, and what an error says."""

import pytest

from benchmarks.__main__ import main
from benchmarks.paper.config import ConfigError, make_config, read_config
from benchmarks.paper.printed_values import TITLES, paper_loss
from benchmarks.paper.tables import table_config

GOOD = {"kind": ["normal"], "algorithm": [1, 2], "n": [10], "t": [1, 2.5], "data_size": [100], "experiments": 4}


def test_cells_are_the_product_of_the_axes():
    config = make_config(GOOD | {"n": [10, 20], "seed": [0, 7]})
    cells = list(config.cells())
    assert len(cells) == len(set(cells)) == 2 * 2 * 2 * 2
    assert (cells[0].t, cells[1].t) == (1.0, 2.5)
    assert config.precision == "float32"


def test_one_value_is_a_list_of_one():
    assert make_config(GOOD | {"n": 10, "kind": "normal"}) == make_config(GOOD)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"algoritm": [1]}, ["unknown key 'algoritm'", "did you mean 'algorithm'", "data_size"]),
        ({"zzz": 1}, ["unknown key 'zzz'", "allowed: kind, algorithm"]),
        ({"kind": ["gamma"]}, ["kind: found 'gamma'", "'normal'", "'module:name'"]),
        ({"kind": []}, ["kind is empty", "'normal'"]),
        ({"algorithm": [3]}, ["algorithm: found 3", "1, 2", "'module:name'"]),
        ({"algorithm": [True]}, ["algorithm", "found True"]),
        ({"algorithm": [[1]]}, ["algorithm", "found [1]"]),
        ({"n": [0]}, ["n must be", "at least 1", "found 0"]),
        ({"n": [10.0]}, ["n must be", "integers", "found 10.0"]),
        ({"n": [10, 10]}, ["n must not repeat", "[10, 10]"]),
        ({"t": [0]}, ["t must be", "above 0", "found 0"]),
        ({"t": [float("inf")]}, ["t must be", "finite", "found inf"]),
        ({"t": ["1"]}, ["t must be", "found '1'"]),
        ({"t": [1, 1.0]}, ["t must not repeat"]),
        ({"data_size": [1]}, ["data_size", "at least 2", "found 1"]),
        ({"experiments": 1}, ["experiments", "at least 2", "found 1"]),
        ({"experiments": [4]}, ["experiments", "one integer", "found [4]"]),
        ({"seed": [-1]}, ["seed", "at least 0", "found -1"]),
        ({"precision": "float16"}, ["precision", "'float32', 'float64'", "found 'float16'"]),
    ],
)
def test_an_error_names_key_found_and_allowed(change, said):
    with pytest.raises(ConfigError) as error:
        make_config(GOOD | change)
    for words in said:
        assert words in str(error.value)


@pytest.mark.parametrize("key", sorted(GOOD))
def test_a_missing_key_is_named(key):
    with pytest.raises(ConfigError, match=f"'{key}' is missing; allowed"):
        make_config({name: value for name, value in GOOD.items() if name != key})


def test_a_file_that_is_no_config(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        read_config(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("n = [10", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.toml is not TOML"):
        read_config(bad)


def test_the_command_reports_a_misspelt_key(tmp_path, capsys):
    path = tmp_path / "typo.toml"
    path.write_text('kind = "normal"\nalgorithmn = [1]\n', encoding="utf-8")
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "error: typo.toml: unknown key 'algorithmn' (did you mean 'algorithm'?)" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments", [["tables", "--experiments", "1"], ["tables", "--seed", "-1"], ["ambiguities", "--experiments", "0"]]
)
def test_the_command_refuses_numbers_that_cannot_be_run(arguments, tmp_path, capsys):
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    assert f"{arguments[1][2:]} must be" in capsys.readouterr().err


def test_help_lists_the_subcommands(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("tables", "sweep", "ambiguities"))


def test_the_committed_configs_are_the_papers_tables():
    configs = {number: table_config(number) for number in TITLES}
    assert {number: config.experiments for number, config in configs.items()} == {1: 20, 2: 20, 3: 30}
    assert [len(list(config.cells())) for config in configs.values()] == [6, 6, 14]
    for config in configs.values():
        for cell in config.cells():
            assert paper_loss(*cell[:5]) is not None
    first = [paper_loss(*next(iter(config.cells()))[:5]) for config in configs.values()]
    assert first == [0.07099, 0.08912, 0.710]
    assert paper_loss("normal", 2, 1000, 3.0, 50_000) == 0.0289
    assert paper_loss("mixed", 2, 200, 3.0, 5000) == 0.09446
    assert paper_loss("mixed", 2, 200, 3.0, 20_000) is None
