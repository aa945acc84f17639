"""Densities in files: what comes back is what was saved, bit by bit, and what is no such file is refused by name."""

import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fbgmm
from fbgmm.nn.digits.latent import LatentMixture

X64 = bool(jax.config.jax_enable_x64)
X = np.random.default_rng(0).normal(size=300)


def same(a, b):
    """Equal structure, static fields, dtypes and bits."""
    (leaves, structure), (others, other) = jax.tree.flatten(a), jax.tree.flatten(b)
    assert structure == other
    for one, two in zip(leaves, others, strict=True):
        assert isinstance(two, jax.Array)
        assert one.dtype == two.dtype
        assert one.shape == two.shape
        assert np.asarray(one).tobytes() == np.asarray(two).tobytes()


def basis():
    return fbgmm.init_basis(-1.0, 2.0, n=7, t=1.3)


ODD = [1.0, 1e-42, -0.0, 0.0, 1e-38, 0.1, 1 / 3]
MIXTURES = {
    "by hand": lambda: fbgmm.Mixture(basis(), fbgmm.normalize(jnp.arange(1.0, 8.0))),
    "fitted": lambda: fbgmm.fit(X, 30, 1.7, low=-1.0, high=1.0),
    "chosen": lambda: fbgmm.fit(X),
    "single precision": lambda: fbgmm.fit(X.astype(np.float32), 30),
    "denormal and negative zero": lambda: fbgmm.Mixture(basis(), jnp.array(ODD)),
}


@pytest.mark.parametrize("suffix", ["npz", "json"])
@pytest.mark.parametrize("name", [pytest.param(m, marks=pytest.mark.slow) if m == "chosen" else m for m in MIXTURES])
def test_one_mixture_comes_back_bit_by_bit(tmp_path, suffix, name):
    gmm = MIXTURES[name]()
    fbgmm.save(tmp_path / f"a.{suffix}", gmm)
    same(gmm, fbgmm.load(tmp_path / f"a.{suffix}"))
    assert os.listdir(tmp_path) == [f"a.{suffix}"]


@pytest.mark.slow
def test_a_text_path_and_the_report_of_a_choice(tmp_path):
    gmm = fbgmm.fit(X)
    fbgmm.save(str(tmp_path / "a.npz"), gmm)
    assert fbgmm.load(str(tmp_path / "a.npz")).report() == gmm.report()


@pytest.mark.slow
def test_batches_rotated_and_latent_densities_come_back(tmp_path):
    batch = fbgmm.fit_batch([X, X[:40], [1.0, 1.0]], n=(10, 20), t=(1.0, 2.0, 3.0), on_error="status")
    points = np.stack([X, X**2], axis=1)
    models = {
        "batch": batch,
        "rotated": fbgmm.fit_rotated(points, rounds=2, n=20),
        "latent": LatentMixture.fit(points, np.arange(300) % 2, classes=2, n=20),
        "independent": LatentMixture.fit(points, np.arange(300) % 2, classes=2, n=20, independent=True),
    }
    for name, model in models.items():
        fbgmm.save(tmp_path / f"{name}.npz", model)
        found = fbgmm.load(tmp_path / f"{name}.npz")
        assert type(found) is type(model)
        same(model, found)


def test_a_large_batch_takes_less_room_than_its_numbers(tmp_path):
    rows = np.random.default_rng(1).normal(size=(2000, 30)).astype(np.float32)
    gmms = fbgmm.fit_batch(rows, n=200)
    fbgmm.save(tmp_path / "a.npz", gmms)
    assert (tmp_path / "a.npz").stat().st_size < 0.2 * gmms.pi.nbytes
    same(gmms, fbgmm.load(tmp_path / "a.npz"))


def test_the_file_says_what_it_holds(tmp_path):
    fbgmm.save(tmp_path / "a.npz", fbgmm.fit(X, 30))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        header = json.loads(str(archive["header"]))
        names = set(archive.files)
    assert header["format"] == "fbgmm"
    assert header["schema"] == 1
    assert header["holds"]["kind"] == "Mixture"
    assert header["holds"]["basis"]["capacity"] == 30
    assert names == {"header", "pi", "status", "outside", *(f"basis.{end}" for end in ("low", "high", "r", "sigma"))}


@pytest.mark.parametrize("suffix", ["npz", "json"])
def test_a_file_cut_anywhere_is_refused_by_name(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    fbgmm.save(path, fbgmm.fit(X, 30))
    content = path.read_bytes()
    for length in (0, 1, 3, 40, len(content) // 2, len(content) - 30):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=rf"a\.{suffix} is not a whole file of fbgmm.save"):
            fbgmm.load(path)


def test_a_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    fbgmm.save(path, fbgmm.fit(X, 200))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("pi.npy")
        place = member.header_offset + 30 + len(member.filename) + member.compress_size // 2  # within its data
    content[place] ^= 4
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a whole file"):
        fbgmm.load(path)


def test_files_of_others_are_refused_and_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "foreign.npz", a=np.ones(3))
    with pytest.raises(ValueError, match=r"foreign\.npz .* found no header, but a"):
        fbgmm.load(tmp_path / "foreign.npz")
    np.savez(tmp_path / "pickled.npz", header=np.array([{}], object))
    with pytest.raises(ValueError, match=r"pickled\.npz .*allow_pickle"):
        fbgmm.load(tmp_path / "pickled.npz")
    np.savez(tmp_path / "other.npz", header=np.array('{"format": "x"}'))
    with pytest.raises(ValueError, match="does not name the format 'fbgmm'"):
        fbgmm.load(tmp_path / "other.npz")
    with open(tmp_path / "array.npz", "wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(ValueError, match=r"array\.npz is not a whole file"):
        fbgmm.load(tmp_path / "array.npz")
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"list\.json .* found no arrays"):
        fbgmm.load(tmp_path / "list.json")
    with pytest.raises(FileNotFoundError):
        fbgmm.load(tmp_path / "absent.npz")


def test_a_newer_schema_an_unknown_kind_and_unknown_fields_are_refused(tmp_path):
    path = tmp_path / "a.json"
    fbgmm.save(path, fbgmm.fit(X, 30))
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "schema": 2}))
    with pytest.raises(ValueError, match=r"a\.json has schema 2; this fbgmm reads schema 1"):
        fbgmm.load(path)
    for change in ({"kind": "os.system"}, {"colour": 3}, {"pi": {"array": "absent"}}):
        path.write_text(json.dumps({**content, "holds": {**content["holds"], **change}}))
        with pytest.raises(ValueError, match=r"a\.json is not a whole file"):
            fbgmm.load(path)


@pytest.mark.skipif(X64, reason="float64 is at home there")
def test_float64_is_not_rounded_in_silence(tmp_path):
    path = tmp_path / "a.json"
    fbgmm.save(path, fbgmm.fit(X, 30))
    path.write_text(path.read_text().replace("float32", "float64"))
    with pytest.raises(ValueError, match="in float64, which JAX would round; set jax_enable_x64"):
        fbgmm.load(path)


def test_what_cannot_be_saved_is_refused_before_anything_is_written(tmp_path, unchecked_types):
    gmm = fbgmm.fit(X, 30)
    with pytest.raises(ValueError, match=r"path must end in \.npz or \.json; found '.*a\.pkl'"):
        fbgmm.save(tmp_path / "a.pkl", gmm)
    with pytest.raises(ValueError, match=r"for one Mixture; found a Mixture of batch shape \(2,\)"):
        fbgmm.save(tmp_path / "a.json", fbgmm.fit_batch([X, X], 30))
    with pytest.raises(TypeError, match="found dict"):
        fbgmm.save(tmp_path / "a.npz", {"pi": 1})
    with pytest.raises(TypeError, match="traced"):
        jax.jit(lambda g: fbgmm.save(tmp_path / "a.npz", g))(gmm)
    with pytest.raises(ValueError, match="JSON has no numbers for what pi holds"):
        fbgmm.save(tmp_path / "a.json", fbgmm.Mixture(gmm.basis, gmm.pi.at[0].set(jnp.nan)))
    assert not os.listdir(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    gmm = fbgmm.fit(X, 30)
    fbgmm.save(path, gmm)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        fbgmm.save(path, fbgmm.fit(X, 20))
    assert os.listdir(tmp_path) == ["a.npz"]
    same(gmm, fbgmm.load(path))


def test_orbax_keeps_a_mixture_as_it_is(tmp_path, unchecked_types):  # orbax builds trees of placeholders
    ocp = pytest.importorskip("orbax.checkpoint")
    gmms = fbgmm.fit_batch([X, X[:50]], 30)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", {"density": gmms})
        checkpointer.wait_until_finished()
        found = checkpointer.restore(tmp_path / "state", jax.eval_shape(lambda: {"density": gmms}))
    same(gmms, found["density"])


def test_threads_may_save_to_one_path(tmp_path):
    """agent-framework#8182: 40 of 160 failed."""
    gmm = fbgmm.fit(X, 30)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: fbgmm.save(tmp_path / "a.npz", gmm), range(40)))
    assert os.listdir(tmp_path) == ["a.npz"]
    same(gmm, fbgmm.load(tmp_path / "a.npz"))


def test_links_are_followed_the_mode_is_kept_and_names_may_be_long(tmp_path):
    gmm, path = fbgmm.fit(X, 30), tmp_path / "a.npz"
    path.touch(0o640)
    path.chmod(0o640)
    (link := tmp_path / "link.npz").symlink_to("a.npz")
    fbgmm.save(link, gmm)
    assert (link.is_symlink(), path.stat().st_mode & 0o777) == (True, 0o640)
    same(gmm, fbgmm.load(path))
    (tmp_path / "dangling.npz").symlink_to("new.npz")
    fbgmm.save(tmp_path / "dangling.npz", gmm)
    same(gmm, fbgmm.load(tmp_path / "new.npz"))
    fbgmm.save(tmp_path / f"{'x' * 251}.npz", gmm)
