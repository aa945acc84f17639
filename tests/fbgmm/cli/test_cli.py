"""The command `fbgmm`: fit, sample, score and info, what they say about bad requests, and how they read."""

import io
import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import fbgmm
from fbgmm.cli import commands as cli
from fbgmm.cli.arguments import BAD_REQUEST, FAILED, OK, main

ROOT = Path(__file__).parents[3]
X = np.round(np.random.default_rng(0).normal(170, 8, 300), 2)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Files of the same numbers in every form."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{'ab'[i % 2]},{x}\n" for i, x in enumerate(X))
    Path("data.csv").write_text(f"name,height\n{rows}")
    Path("data.tsv").write_text("name\theight\n" + rows.replace(",", "\t"))
    Path("bare.csv").write_text("\ufeff" + "\r\n".join(map(str, X)) + "\r\n\r\n")
    np.save("data.npy", X)
    np.save("table.npy", np.stack([np.zeros_like(X), X], axis=1))
    return tmp_path


def run(capsys, *argv):
    """Exit code, standard output, standard error."""
    code = main(list(map(str, argv)))
    found = capsys.readouterr()
    return code, found.out, found.err


def run_json(capsys, *argv):
    code, out, err = run(capsys, *argv, "--json")
    assert (code, err) == (OK, "")
    return json.loads(out)


EXPECTED = {"n": 40, "t": 3.0, "low": X.min(), "high": X.max(), "outside": 0, "points": 300}


@pytest.mark.parametrize(
    "words",
    [
        ["data.csv", "--column", "height"],
        ["data.tsv", "--column", "height"],
        ["bare.csv"],
        ["data.npy"],
        ["table.npy", "--column", "2"],
    ],
)
def test_the_same_numbers_in_every_form_give_the_same_fit(folder, capsys, words):
    found = run_json(capsys, "fit", *words, "--n", 40, "--t", 3, "--out", "fit.npz")
    assert {key: found[key] for key in EXPECTED} == pytest.approx(EXPECTED, rel=1e-6)
    np.testing.assert_array_equal(fbgmm.load("fit.npz").pi, fbgmm.fit(X, n=40, t=3.0).pi)


def test_parquet(folder, capsys):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    table = {"name": ["a"] * 300, "height": X, "holes": [None, *X[1:]]}
    parquet.write_table(pyarrow.table(table), "data.parquet")
    found = run_json(capsys, "fit", "data.parquet", "--column", "height", "--n", 40, "--t", 3)
    assert {key: found[key] for key in EXPECTED} == pytest.approx(EXPECTED, rel=1e-6)
    code, _, err = run(capsys, "fit", "data.parquet", "--column", "holes", "--n", 40)
    assert code == BAD_REQUEST
    assert "data.parquet, number 1, column 'holes': found nan; allowed: finite numbers" in err
    code, _, err = run(capsys, "fit", "data.parquet", "--column", "name")
    assert (code, "column 'name' holds string; allowed: integers" in err) == (BAD_REQUEST, True)
    Path("bad.parquet").write_bytes(b"PAR")
    code, _, err = run(capsys, "fit", "bad.parquet")
    assert (code, "bad.parquet is not a Parquet file" in err) == (BAD_REQUEST, True)


def test_standard_input(folder, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(Path("data.csv").read_text()))
    found = run_json(capsys, "fit", "-", "--column", "height", "--n", 40, "--t", 3)
    assert {key: found[key] for key in EXPECTED} == pytest.approx(EXPECTED, rel=1e-6)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(map(str, X))))
    found = run_json(capsys, "fit", "-", "--n", 40, "--low", 0, "--high", 100, "--outside", "drop")
    assert (found["low"], found["high"], found["outside"]) == (0, 100, 300 - np.sum(X < 100))


@pytest.mark.slow
def test_the_data_choose_and_the_report_is_printed(folder, capsys):
    code, out, err = run(capsys, "fit", "bare.csv", "--out", "fit.json")
    assert (code, err) == (OK, "")
    assert out.startswith("data: bare.csv\npoints: 300\n")
    assert fbgmm.load("fit.json").report() in out


@pytest.mark.slow
def test_what_does_not_fit_into_memory_is_streamed(folder, capsys, monkeypatch):
    big = np.tile(X, 500)  # more than a MiB of 8-byte numbers
    np.save("big.npy", big)
    code, out, err = run(capsys, "fit", "big.npy", "--memory", 1, "--json")
    assert code == OK
    assert "big.npy holds more than the 131,072 numbers of --memory 1; so the data do not choose: n = 200" in err
    assert (json.loads(out)["n"], json.loads(out)["points"]) == (200, big.size)

    text = "\n".join(map(str, big))
    for ends, code in (([], BAD_REQUEST), (["--low", "100", "--high", "250"], OK)):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert main(["fit", "-", "--memory", "1", "--out", "piped.npz", *ends]) == code
    assert "standard input holds more than" in (err := capsys.readouterr().err)
    assert "give --low and --high" in err
    gmm = fbgmm.fit(big, n=200, t=2.0, low=100, high=250)
    np.testing.assert_array_equal(fbgmm.load("piped.npz").pi, gmm.pi)


def test_sample_score_and_info_go_together(folder, capsys):
    run_json(capsys, "fit", "data.npy", "--n", 40, "--out", "fit.npz")
    gmm = fbgmm.load("fit.npz")
    code, out, err = run(capsys, "sample", "fit.npz", 50, "--seed", 3)
    assert (code, err) == (OK, "")
    numbers = np.array(out.split(), gmm.pi.dtype)
    for name in ("new.npy", "new.csv"):
        assert run(capsys, "sample", "fit.npz", 50, "--seed", 3, "--out", name) == (OK, "", "")
    np.testing.assert_array_equal(np.load("new.npy"), numbers)
    assert run_json(capsys, "sample", "fit.npz", 2, "--seed", 3)["seed"] == 3
    assert run(capsys, "sample", "fit.npz", 50, "--seed", 4)[1] != out

    log_prob = np.asarray(gmm.log_prob(numbers), np.float64)
    score = run_json(capsys, "score", "fit.npz", "new.csv")
    assert score["points"] == 50
    assert score["mean_log_prob"] == pytest.approx(log_prob.mean(), rel=1e-6)
    assert score["standard_error"] == pytest.approx(log_prob.std(ddof=1) / 50**0.5, rel=1e-5)
    each = run(capsys, "score", "fit.npz", "new.npy", "--each")[1]
    np.testing.assert_allclose(np.array(each.split(), float), log_prob, rtol=1e-6)

    facts = run_json(capsys, "info", "fit.npz")
    assert facts["mean"] == pytest.approx(float(gmm.mean()))
    assert facts["quantiles"]["0.5"] == pytest.approx(float(gmm.icdf(0.5)))
    assert not facts["chosen_by_the_data"]
    assert "n: 40\n" in run(capsys, "info", "fit.npz")[1]


def test_scores_of_several_chunks_add_up(folder, capsys, monkeypatch):
    monkeypatch.setattr(fbgmm.sources.ArraySource.__init__, "__defaults__", (70,))
    run_json(capsys, "fit", "data.npy", "--n", 40, "--out", "fit.npz")
    log_prob = np.asarray(fbgmm.load("fit.npz").log_prob(X), np.float64)
    score = run_json(capsys, "score", "fit.npz", "data.npy")
    assert score["mean_log_prob"] == pytest.approx(log_prob.mean(), rel=1e-6)
    assert score["standard_error"] == pytest.approx(log_prob.std(ddof=1) / 300**0.5, rel=1e-5)


def test_a_plot_shows_a_thinned_part_of_the_data(folder, capsys, monkeypatch):
    monkeypatch.setattr(cli, "SHOWN", 50)
    monkeypatch.setattr(fbgmm.sources.ArraySource.__init__, "__defaults__", (70,))
    run_json(capsys, "fit", "data.npy", "--n", 40, "--plot", "fit.png")
    assert Path("fit.png").read_bytes().startswith(b"\x89PNG")
    points = cli.Points("data.npy", None, keep=True)
    for _ in range(2):
        assert sum(x.size for x in points) == 300
        np.testing.assert_array_equal(points.kept, X[:: points.stride])
        assert 50 <= points.kept.size <= 100


def test_batches_are_told_apart(folder, capsys):
    gmms = fbgmm.fit_batch([X, X[:50]], n=10)
    fbgmm.save("batch.npz", gmms)
    assert run_json(capsys, "info", "batch.npz") == {"kind": "Mixture", "batch_shape": [2], "capacity": 10}
    code, _, err = run(capsys, "sample", "batch.npz", 5)
    assert code == BAD_REQUEST
    assert "batch.npz holds a Mixture of batch shape (2,); allowed: one Mixture" in err


BAD = {
    "fit data.csv": "data.csv has 2 columns, so one must be named; allowed: name, height",
    "fit data.csv --column width": "column 'width' is not in data.csv; allowed: name, height",
    "fit data.csv --column name": "data.csv, line 2, column 'name': found 'a'; allowed: a finite number",
    "fit hole.csv --column b": "hole.csv, line 3, column 'b': found ''; allowed: a finite number",
    "fit hole.csv --column c": "hole.csv, line 5, column 'c': found a row of 2 cells; allowed: 3, as in the first row",
    "fit nan.csv --n 4": "nan.csv, line 2, column '1': found 'nan'; allowed: a finite number",
    "fit empty.csv": "empty.csv is empty; allowed: a table with at least one row of numbers",
    "fit title.csv": "title.csv holds no numbers; allowed: at least one",
    "fit title.csv --n 5": "title.csv holds no numbers; allowed: at least one",
    "fit latin.csv": "latin.csv, after line 0: not a table of text in UTF-8",
    "fit data.xlsx": "data.xlsx has an unknown suffix; allowed: .csv, .tsv, .csv.gz, .tsv.gz, .parquet or .npy",
    "fit missing.csv": "missing.csv: No such file or directory",
    "fit table.npy": "table.npy has 2 columns, so one must be named; allowed: 1, 2",
    "fit words.npy": "words.npy holds shape (1,) of <U1; allowed: real numbers",
    "fit text.npy": "text.npy is not an array of numbers in a .npy file",
    "fit huge.npy": "huge.npy, number 2: found 1e+300; allowed: finite numbers within",
    "fit same.csv": "same.csv: x has no width: found 2 points, all equal to 1.0",
    "fit same.csv --n 5": "same.csv: chunks has no width",
    "fit data.npy --low 3 --high 2 --n 5": "data.npy: low must be below high; found low = 3.0, high = 2.0",
    "fit data.npy --out fit.txt": "--out must end in .npz, .json; found 'fit.txt'",
    "fit data.npy --plot fit.jpeg": "--plot must end in .png, .pdf, .svg; found 'fit.jpeg'",
    "fit data.npy --out no/fit.npz": "--out no/fit.npz: there is no folder 'no'",
    "score data.npy data.npy": "path must end in .npz or .json; found 'data.npy'",
    "info missing.npz": "missing.npz: No such file or directory",
    "info torn.npz": "torn.npz is not a whole file of fbgmm.save",
}


SLOW = {"fit same.csv"}  # compiles the automatic choice


@pytest.mark.parametrize("request_", [pytest.param(r, marks=pytest.mark.slow) if r in SLOW else r for r in BAD])
def test_bad_requests_name_the_place_and_what_is_allowed(folder, capsys, request_):
    Path("hole.csv").write_text("a,b,c\n1,2,3\n1,,3\n\n1,2\n")
    Path("nan.csv").write_text("1\nnan\n")
    Path("empty.csv").write_text("")
    Path("title.csv").write_text("height\n")
    Path("latin.csv").write_bytes("größe\n".encode("latin-1"))
    Path("data.xlsx").write_text("")
    Path("same.csv").write_text("1\n1\n")
    Path("text.npy").write_text("1\n")
    np.save("words.npy", ["a"])
    np.save("huge.npy", [1.0, 1e300])
    Path("torn.npz").write_bytes(b"PK")
    code, out, err = run(capsys, *request_.split())
    assert err.startswith(f"fbgmm {request_.split()[0]}: ")
    assert BAD[request_] in err
    assert (code, out) == (BAD_REQUEST, "")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("fit data.npy --n 0", "argument --n: must be at least 1; found 0"),
        ("fit data.npy --n x", "argument --n: invalid integer value: 'x'"),
        ("fit data.npy --t -1", "argument --t: must be above 0; found -1"),
        ("fit data.npy --algorithm 3", "argument --algorithm: invalid choice: "),
        ("draw", "invalid choice: 'draw'"),
        ("", "required: COMMAND"),
    ],
)
def test_bad_arguments(capsys, request_, words):
    with pytest.raises(SystemExit) as exit_:
        main(request_.split())
    assert exit_.value.code == BAD_REQUEST
    assert words in capsys.readouterr().err


def test_other_failures_exit_with_1(folder, capsys, monkeypatch):
    def full(options):
        raise OSError(28, "No space left on device", "fit.npz")

    monkeypatch.setitem(cli.COMMANDS, "info", full)
    assert run(capsys, "info", "fit.npz") == (FAILED, "", "fbgmm info: fit.npz: No space left on device\n")


@pytest.mark.slow
def test_python_m_shows_progress_on_a_terminal_and_ends_well_where_nobody_reads(folder):
    """Standard error is a terminal, and standard output closes after the first number."""
    ours, theirs = pty.openpty()
    said = []
    reader = threading.Thread(target=lambda: said.extend(iter(lambda: _read(ours), b"")))
    reader.start()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    fit = [sys.executable, "-m", "fbgmm", "fit", "data.npy", "--n", "40", "--out", "fit.npz"]
    subprocess.run(fit, check=True, stderr=theirs, stdout=subprocess.DEVNULL, env=environment)
    sample = [sys.executable, "-m", "fbgmm", "sample", "fit.npz", "200000"]
    with subprocess.Popen(sample, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()
    os.close(theirs)
    reader.join()
    os.close(ours)
    assert b"reading data.npy: 300 points" in b"".join(said)
    assert (process.returncode, complaint) == (FAILED, b"")


def _read(terminal):
    try:
        return os.read(terminal, 1024)
    except OSError:  # the other end is closed
        return b""


def test_help_needs_no_jax():
    program = (
        "import contextlib, sys; from fbgmm.cli.arguments import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "usage: fbgmm" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.slow
def test_the_command_keeps_its_programs_where_nothing_else_is_said(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(50.0))
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JAX_COMPILATION")}
    command = [sys.executable, "-m", "fbgmm", "fit", str(tmp_path / "x.npy"), "--n", "20"]
    kept = []
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True, env={**plain, "XDG_CACHE_HOME": str(tmp_path)})
        (folder,) = (tmp_path / "fbgmm").iterdir()
        kept.append({path.name for path in folder.iterdir() if path.name.endswith("-cache")})
    assert kept[0]
    assert kept[1] == kept[0]
    said = {**plain, "XDG_CACHE_HOME": str(tmp_path / "no"), "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "own")}
    subprocess.run(command, check=True, capture_output=True, env=said)
    assert not (tmp_path / "no").exists()
    assert any((tmp_path / "own").iterdir())
