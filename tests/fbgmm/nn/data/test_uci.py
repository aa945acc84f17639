"""The UCI regression sets: a small set is read as it is, missing and broken files are named."""

import numpy as np
import pytest

from fbgmm.nn.data import FileError, load_uci


@pytest.fixture
def tiny_set(tmp_path):
    folder = tmp_path / "uci" / "yacht"
    folder.mkdir(parents=True)
    np.savetxt(folder / "data.txt", np.arange(12.0).reshape(6, 2))
    files = {"features": "0", "target": "1", "train_0": "0\n1\n2\n3", "test_0": "4\n5"}
    for name, text in files.items():
        (folder / f"index_{name}.txt").write_text(text + "\n")
    (folder / "n_splits.txt").write_text("1\n")
    return folder


def test_a_set_is_read_as_it_is(tiny_set, monkeypatch):
    monkeypatch.setenv("FBGMM_DATA", str(tiny_set.parents[1]))
    found = load_uci("yacht")
    np.testing.assert_array_equal(found.x, np.arange(0.0, 12, 2)[:, None])
    np.testing.assert_array_equal(found.y, np.arange(1.0, 12, 2))
    assert [rows.tolist() for rows in (*found.train, *found.test)] == [[0, 1, 2, 3], [4, 5]]


def test_missing_and_broken_files_are_named(tiny_set, monkeypatch):
    uci = tiny_set.parent
    with pytest.raises(ValueError, match=r"name must be one of boston, concrete, .*; found 'iris'"):
        load_uci("iris", uci)
    with pytest.raises(FileError, match=r"bostonHousing.data\.txt is not there; it is in the folder UCI_Datasets"):
        load_uci("boston", uci)
    monkeypatch.delenv("FBGMM_DATA", raising=False)
    with pytest.raises(FileError, match="FBGMM_DATA is not set"):
        load_uci("yacht")
    (tiny_set / "index_test_0.txt").write_text("3\n5\n")
    with pytest.raises(FileError, match="split 0 has rows twice"):
        load_uci("yacht", uci)
    (tiny_set / "index_target.txt").write_text("2\n")
    with pytest.raises(FileError, match="of a table with 2"):
        load_uci("yacht", uci)
    (tiny_set / "data.txt").write_text("1 2\n3 x\n")
    with pytest.raises(FileError, match="is not a table of numbers"):
        load_uci("yacht", uci)
