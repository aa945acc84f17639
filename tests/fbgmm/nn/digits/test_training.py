"""Training: it learns, it survives a kill with the same result, and it says what it is given wrongly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fbgmm.nn.digits.training import Settings, Trained, decode, encode, train
from fbgmm.nn.train.checkpoints import Checkpoints
from fbgmm.nn.train.loop import Plan, run
from fbgmm.nn.train.progress import silent

SETTINGS = Settings(latent=4, epochs=8, batch=32, alpha=1.0)


class KillError(Exception):
    pass


def kill_at(step):
    def progress(what, done, total):
        if done >= step:
            raise KillError

    return progress


# The loop, on a problem of three numbers.

POINTS = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
MEASURES = "distance", "noise"


def towards(state, batch, key):
    """Moves to the mean of the batch, with noise: what order and keys are shows in every bit."""
    noise = 0.01 * jax.random.normal(key, (3,), jnp.float32)
    distance = state["at"] - jnp.mean(batch[0], axis=0)
    return {"at": state["at"] - 0.1 * distance + noise}, jnp.stack([jnp.sum(distance**2), noise[0]])


def go(folder, *, seed=0, progress=silent, data=POINTS, epochs=6, batch=10, identity=None, step=towards):
    plan = Plan("points", epochs, batch, folder, identity or {"rate": 0.1})
    start = {"at": jnp.full(3, 5.0, jnp.float32)}
    return run(jax.random.key(seed), step, start, (data,), MEASURES, plan, progress)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return go(tmp_path_factory.mktemp("whole") / "run")


def test_the_loop_goes_where_the_steps_lead(whole):
    state, history = whole
    assert history.shape == (6, 2)
    assert history[0, 0] > 20 * history[-1, 0]
    np.testing.assert_allclose(state["at"], POINTS.mean(axis=0), atol=0.4)


@pytest.mark.parametrize("step", [1, 11, 35, 60])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, whole, step):
    with pytest.raises(KillError):
        go(tmp_path / "run", progress=kill_at(step))
    state, history = go(tmp_path / "run")
    np.testing.assert_array_equal(state["at"], whole[0]["at"])
    np.testing.assert_array_equal(history, whole[1])


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(tmp_path, whole, monkeypatch):
    save = Checkpoints.save

    def killed(self, epoch, state):
        if epoch == 4:
            (self.folder / "4.orbax-checkpoint-tmp").mkdir()  # what orbax leaves of an unfinished one
            raise KillError
        save(self, epoch, state)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", killed)
        with pytest.raises(KillError):
            go(tmp_path)
    done = []
    state, _ = go(tmp_path, progress=lambda what, step, total: done.append(step))
    assert min(done) == 40  # from the end of the third epoch
    np.testing.assert_array_equal(state["at"], whole[0]["at"])


def test_a_finished_run_is_not_redone(tmp_path, whole):
    go(tmp_path)
    state, history = go(tmp_path, progress=kill_at(0))
    np.testing.assert_array_equal(state["at"], whole[0]["at"])
    np.testing.assert_array_equal(history, whole[1])


def test_each_row_is_used_once_in_an_epoch_in_a_new_order(tmp_path):
    """Through a step that keeps the rows it was given."""

    def keep(state, batch, key):
        rows = jax.lax.dynamic_update_slice(state["rows"], batch[0], (state["i"], jnp.int32(0)))
        return {"rows": rows, "i": state["i"] + 10}, jnp.zeros(2, jnp.float32)

    data = np.arange(50, dtype=np.float32)[:, None]
    start = {"rows": jnp.zeros((100, 1), jnp.float32), "i": jnp.int32(0)}
    state, _ = run(jax.random.key(0), keep, start, (data,), MEASURES, Plan("rows", 2, 10, tmp_path, {}), silent)
    first, second = np.asarray(state["rows"]).reshape(2, 50)
    np.testing.assert_array_equal(np.sort(first), data[:, 0])
    np.testing.assert_array_equal(np.sort(second), data[:, 0])
    assert np.mean(first == second) < 0.3
    assert np.mean(first == data[:, 0]) < 0.3


def test_another_key_is_another_run(tmp_path, whole):
    state, _ = go(tmp_path, seed=1)
    assert np.all(np.asarray(state["at"]) != np.asarray(whole[0]["at"]))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "key"),
        ({"data": POINTS + 1}, "data"),
        ({"epochs": 7}, "epochs"),
        ({"batch": 20}, "batch"),
        ({"identity": {"rate": 0.2}}, "rate"),
    ],
)
def test_a_folder_of_another_training_is_refused(tmp_path, change, named):
    go(tmp_path)
    with pytest.raises(ValueError, match=f"another training: {named} is") as caught:
        go(tmp_path, **change)
    assert str(tmp_path) in str(caught.value)


def test_a_damaged_checkpoint_is_refused_and_named(tmp_path):
    go(tmp_path, epochs=1)
    for path in (tmp_path / "1" / "state").rglob("*"):
        if path.is_file() and path.name != "commit_success.txt":
            path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"checkpoint 1 in .* cannot be read; remove the folder"):
        go(tmp_path, epochs=1)


def test_a_training_that_goes_astray_is_stopped_and_not_saved(tmp_path):
    def astray(state, batch, key):
        return {"at": state["at"] * 1e30}, jnp.stack([jnp.sum(state["at"]), jnp.float32(0)])

    with pytest.raises(ValueError, match=r"astray in epoch 1: found distance (inf|nan)"):
        go(tmp_path, step=astray)
    assert not list(tmp_path.glob("[0-9]*"))


def test_fewer_rows_than_a_batch_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"found 9 examples; allowed: at least one batch, 10"):
        go(tmp_path, data=POINTS[:9])


def test_the_progress_goes_up_to_the_total(tmp_path):
    told = []
    go(tmp_path, progress=lambda *news: told.append(news))
    assert [done for _, done, _ in told] == [10, 20, 30, 40, 50, 60]
    assert {total for *_, total in told} == {60}
    assert all(what.startswith("points: distance ") for what, *_ in told)


# The autoencoder, on blobs: a bright patch, at a place that depends on the class.


def blobs(count):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    images = np.zeros((count, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = 4 * (label // 4) + rng.integers(0, 4), 3 * (label % 4) + rng.integers(0, 4)
        image[row : row + 14, column : column + 14] = rng.integers(120, 256)
    return images, labels


IMAGES, LABELS = blobs(320)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("blobs")


@pytest.fixture(scope="module")
def trained(folder):
    """Trained in two goes: killed in the sixth of eight epochs, then to the end."""
    with pytest.raises(KillError):
        train(jax.random.key(0), IMAGES, LABELS, folder, SETTINGS, kill_at(55))
    return train(jax.random.key(0), IMAGES, LABELS, folder, SETTINGS)


def weights(trained: Trained):
    return jax.tree.leaves([nnx.state(network) for network in trained[:3]])


@pytest.mark.slow
def test_it_learns_to_reconstruct(trained):
    error = trained.history.error
    assert error.shape == (8,)
    assert error[-1] < 0.5 * error[0]
    z = encode(trained.encoder, IMAGES)
    assert z.shape == (320, 4)
    made = decode(trained.decoder, z)
    assert made.shape == (320, 28, 28)
    blank = np.mean(np.sum(np.square(IMAGES / 255 - (IMAGES / 255).mean(axis=0)), axis=(1, 2)))
    assert np.mean(np.sum(np.square(made - IMAGES / 255), axis=(1, 2))) < 0.4 * blank


@pytest.mark.slow
def test_all_is_in_single_precision(trained):
    assert {leaf.dtype for leaf in weights(trained)} == {np.dtype(np.float32)}
    z = encode(trained.encoder, IMAGES[:3])
    assert {z.dtype, decode(trained.decoder, z.astype(np.float64)).dtype} == {np.dtype(np.float32)}


@pytest.mark.slow
def test_many_images_are_coded_in_parts(trained):
    many = np.concatenate([IMAGES] * 4)  # 1280: more than one part
    np.testing.assert_allclose(
        encode(trained.encoder, many)[-320:], encode(trained.encoder, IMAGES), rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_a_killed_training_went_on_to_the_same_networks(tmp_path, trained):
    found = train(jax.random.key(0), IMAGES, LABELS, tmp_path, SETTINGS)
    for a, b in zip(weights(trained), weights(found), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(trained.history, found.history)


@pytest.mark.slow
def test_other_settings_are_another_training(folder, trained):
    with pytest.raises(ValueError, match=r"another training: alpha is 1\.0 there, 2\.0 here"):
        train(jax.random.key(0), IMAGES, LABELS, folder, SETTINGS._replace(alpha=2.0))
    with pytest.raises(ValueError, match="another training: latent is 4 there"):
        train(jax.random.key(0), IMAGES, LABELS, folder, SETTINGS._replace(latent=5))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES[:, :27], LABELS, r"images has shape \(320, 27, 28\).*allowed: \(N, 28, 28\), uint8"),
        (IMAGES[0], LABELS[:1], r"images has shape \(28, 28\)"),
        (IMAGES / 255, LABELS, "type float64"),
        (IMAGES, LABELS[:-1], r"labels has shape \(319,\).*\(320,\)"),
        (IMAGES, LABELS + 3, "labels has values from 3 to 12; allowed: 0 to 9"),
        (IMAGES[:31], LABELS[:31], "found 31 examples"),
    ],
)
def test_wrong_images_are_refused(tmp_path, images, labels, message):
    with pytest.raises(ValueError, match=message):
        train(jax.random.key(0), images, labels, tmp_path, SETTINGS)
