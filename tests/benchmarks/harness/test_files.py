"""Files of results: strict JSON, short where lists are long."""

import json

import pytest

from benchmarks.harness.files import as_columns, write_json

VALUE = {"a": [1, 2.5, "é", None], "b": [{"c": []}, {}], "d": {"e": [[1, 2], [True]]}, "f": -1e-9}


def test_what_is_written_is_read_and_plain_lists_take_one_line(tmp_path):
    path = tmp_path / "new" / "value.json"
    write_json(path, VALUE)
    assert json.loads(path.read_text(encoding="utf-8")) == VALUE
    assert '  "a": [1, 2.5, "é", null],' in path.read_text(encoding="utf-8").splitlines()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": [1.0, float("nan")]})
    assert json.loads(path.read_text(encoding="utf-8")) == VALUE
    assert [file.name for file in path.parent.iterdir()] == ["value.json"]


def test_rows_become_columns():
    assert as_columns([{"a": 1, "b": 2}, {"a": 3, "c": 4}]) == {"a": [1, 3], "b": [2, None], "c": [None, 4]}
    assert as_columns([]) == {}
