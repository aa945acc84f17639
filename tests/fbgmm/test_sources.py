"""Tables in text: what is read, and errors with file, line and column for what is not."""

import gzip
import io
import os
import threading

import numpy as np
import pytest

from fbgmm.cli.arguments import main
from fbgmm.sources import TextSource, file_source

READ = {
    "plain": (b"h\n1\n2\n", None),
    "marked": (b"\xef\xbb\xbfh\n1\n2\n", "h"),
    "marked without a header": (b"\xef\xbb\xbf1\n2\n", None),
    "marked and quoted": (b'\xef\xbb\xbf"h"\n1\n2\n', "h"),
    "a mark in the midst": (b"h\n1\n\xef\xbb\xbf2\n", None),
    "spaces": (b"n, h\na, 1\nb, 2\n", "h"),
    "quoted line breaks": (b'n,h\r\n"x\ny",1\r\nb,2\r\n', "h"),
    "a header of years": (b"year 2020\n1\n2\n", None),
}
WRONG = {
    "longer": (
        b"name,height\nA,165\nB,165,5\n",
        "height",
        "line 3, column 'height': found a row of 3 cells; allowed: 2",
    ),
    "shorter": (b"name,height\nA,165\nB\n", "height", "line 3, column 'height': found a row of 1 cells; allowed: 2"),
    "longer without a header": (b"1,2\n1,2,3\n", "1", "line 2, column '1': found a row of 3 cells"),
    "decimal comma": (b'h\n"1,5"\n', None, "line 2, column 'h': found '1,5'; allowed: a finite number, such as 1234.5"),
    "decimal commas": (b"h\n1,5\n", None, "line 2, column 'h': found a row of 2 cells; allowed: 1"),
    "thousands": (b'h\n"1,500"\n', None, "line 2, column 'h': found '1,500'"),
    "thousands at first": (b'"1,500"\n2\n', None, "line 1, column '1': found '1,500'"),
    "underscore": (b"h\n1_000\n", None, "line 2, column 'h': found '1_000'"),
    "underscore at first": (b"1_000\n2\n", None, "line 1, column '1': found '1_000'"),
    "other digits": ("h\n١٢\n".encode(), None, "line 2, column 'h'"),
    "not gzip to the end": (gzip.compress(b"h\n" + b"1\n" * 99)[:-9], None, "not a table of text"),
}


def read(path, column=None):
    return np.concatenate(list(file_source(path, column))).tolist()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", READ)
def test_what_is_read(case, packed, tmp_path):
    text, column = READ[case]
    path = tmp_path / ("data.csv.gz" if packed else "data.csv")
    path.write_bytes(gzip.compress(text) if packed else text)
    assert read(path, column) == [1.0, 2.0]


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_read_has_file_line_and_column(case, tmp_path):
    text, column, message = WRONG[case]
    path = tmp_path / "data.csv"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"data\.csv, ") as caught:
        read(path, column)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", [b"\xef\xbb\xbfh\n1\n2\n", gzip.compress(b"h\n1\n2\n")], ids=["mark", "gzip"])
def test_a_pipe_is_read_as_a_file_is(text, tmp_path, monkeypatch, capsys):
    """csvkit#1007: the first number, or the column, was lost."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text), encoding="ascii"))
    assert main(["fit", "-", "--column", "h", "--n", "4"]) == 0
    assert "points: 2\n" in capsys.readouterr().out
    os.mkfifo(pipe := tmp_path / "pipe")
    writer = threading.Thread(target=pipe.write_bytes, args=(text,))
    writer.start()
    assert read(pipe, "h") == [1.0, 2.0]
    writer.join()


def test_plain_text_with_marks_and_underscores():
    assert np.concatenate(list(TextSource(["\ufeff1 2", "3"]))).tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="line 1 must hold numbers; found '1_000'"):
        list(TextSource(["1_000"]))


@pytest.mark.parametrize("seed", ["-99999999999", "99999999999999999999999"])
def test_a_seed_out_of_range_is_refused_in_one_line(seed, capsys):
    with pytest.raises(SystemExit):
        main(["sample", "fit.npz", "3", "--seed", seed])
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"must be from -2^31 to 2^32 - 1; found {seed}")
