"""Streams: any source, constant memory, and a state that survives a kill."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import fbgmm
from fbgmm.sources import ArraySource, ParquetSource, TextSource

ROOT = Path(__file__).parents[3]
X = np.random.default_rng(0).standard_normal(10_001)


def parts(size=777):
    return (X[i : i + size] for i in range(0, len(X), size))


@pytest.fixture(scope="module")
def whole():
    return fbgmm.fit(X, n=60)


def test_every_source_gives_the_fit_of_the_whole(whole, tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    np.save(tmp_path / "x.npy", X)
    pyarrow.parquet.write_table(pa.table({"name": ["a"] * len(X), "x": X}), tmp_path / "x.parquet")
    text = "# numbers\n\n" + "\n".join(", ".join(map(repr, row)) for row in X.reshape(-1, 73).tolist())
    ends = {"low": X.min(), "high": X.max()}
    streams = {
        "list": (list(parts()), {}),
        "generator": (parts(), ends),
        "array": (X, {}),
        "slices": (ArraySource(X, 1000), {}),
        "memmap": (np.load(tmp_path / "x.npy", mmap_mode="r"), {}),
        "parquet": (ParquetSource(tmp_path / "x.parquet", "x", 1000), {}),
        "text": (TextSource(io.StringIO(text), 1000), ends),
    }
    for name, (chunks, more) in streams.items():
        gmm = fbgmm.fit_stream(chunks, n=60, **more)
        np.testing.assert_array_equal(gmm.pi, whole.pi, err_msg=name)


def test_sources_say_what_is_wrong(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    with pytest.raises(ValueError, match="line 2 must hold numbers; found 'one'"):
        list(TextSource(io.StringIO("1 2\none\n")))
    with pytest.raises(ValueError, match=r"chunks has shape \(2, 2\)"):
        ArraySource(np.ones((2, 2)))
    pyarrow.parquet.write_table(pa.table({"x": X}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"column 'y' is not in .* allowed: x"):
        ParquetSource(tmp_path / "x.parquet", "y")


KILLED = """
import os, signal, sys, numpy as np, fbgmm
X = np.random.default_rng(0).standard_normal(10_001)
def parts():
    for i in range(0, len(X), 777):
        if i == 777 * 8:
            os.kill(os.getpid(), signal.SIGKILL)
        yield X[i : i + 777]
fbgmm.fit_stream(parts(), n=60, low=X.min(), high=X.max(), checkpoint=sys.argv[1], save_every=3)
"""


def test_a_killed_stream_goes_on_from_its_last_save(whole, tmp_path):
    file = tmp_path / "run.npz"
    environment = {**os.environ, "JAX_ENABLE_X64": str(int(jax.config.jax_enable_x64))}
    died = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False, cwd=ROOT, env=environment)
    assert died.returncode == -signal.SIGKILL
    read = []

    def watched():
        for number, part in enumerate(parts()):
            read.append(number)
            yield part

    ends = {"low": X.min(), "high": X.max()}
    gmm = fbgmm.fit_stream(watched(), n=60, checkpoint=file, save_every=3, **ends)
    np.testing.assert_array_equal(gmm.pi, whole.pi)
    # A second run finds everything done and reads, but does not count, the chunks.
    again = fbgmm.fit_stream(parts(), n=60, checkpoint=file, **ends)
    np.testing.assert_array_equal(again.pi, whole.pi)
    with np.load(file, allow_pickle=False) as saved:
        assert '"chunks": 13' in str(saved["header"])


def test_a_checkpoint_of_another_fit_or_half_a_file_is_refused(tmp_path):
    file, ends = tmp_path / "run.npz", {"low": X.min(), "high": X.max()}
    fbgmm.fit_stream(parts(), n=60, checkpoint=file, **ends)
    with pytest.raises(ValueError, match="is of another fit: its n is 60, not 61"):
        fbgmm.fit_stream(parts(), n=61, checkpoint=file, **ends)
    with pytest.raises(ValueError, match="is of another fit: its drop is False, not True"):
        fbgmm.fit_stream(parts(), n=60, checkpoint=file, outside="drop", **ends)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="is not a whole checkpoint"):
        fbgmm.fit_stream(parts(), n=60, checkpoint=file, **ends)


MEMORY = """
import resource, numpy as np, fbgmm
block = np.random.default_rng(0).standard_normal(1 << 20, dtype=np.float32)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
fbgmm.fit_stream((block for _ in range(8)), low=-6.0, high=6.0)
before = peak()
fbgmm.fit_stream((block + 0 for _ in range(200)), low=-6.0, high=6.0)
print(peak() - before)
"""


@pytest.mark.slow
def test_memory_stays_constant():
    """2e8 points of 4 bytes: 800 MiB, of which a growing queue would keep a part."""
    out = subprocess.run([sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert float(out) < 100
