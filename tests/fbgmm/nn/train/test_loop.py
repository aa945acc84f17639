"""The training loop: it survives a kill with the same bits, validates, stops early, and refuses other trainings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fbgmm.nn.train import Checkpoints, TrainingPlan, Validation, in_batches, run, silent
from tests.kills import KillError, kill_at

POINTS = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
MEASURES = "distance", "noise"


def towards(state, batch, key):
    """Moves to the mean of the batch, with noise: what order and keys are shows in every bit."""
    noise = 0.01 * jax.random.normal(key, (3,), jnp.float32)
    distance = state["at"] - jnp.mean(batch[0], axis=0)
    return {"at": state["at"] - 0.1 * distance + noise}, jnp.stack([jnp.sum(distance**2), noise[0]])


def go(folder, *, seed=0, progress=silent, data=POINTS, epochs=6, batch=10, identity=None, step=towards, check=None):
    plan = TrainingPlan("points", epochs, batch, folder, identity or {"rate": 0.1})
    start = {"at": jnp.full(3, 5.0, jnp.float32)}
    return run(jax.random.key(seed), step, start, (data,), MEASURES, plan, progress, check)


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
    state, _ = run(jax.random.key(0), keep, start, (data,), MEASURES, TrainingPlan("rows", 2, 10, tmp_path, {}), silent)
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


def test_a_training_that_diverges_is_stopped_and_not_saved(tmp_path):
    def diverge(state, batch, key):
        return {"at": state["at"] * 1e30}, jnp.stack([jnp.sum(state["at"]), jnp.float32(0)])

    with pytest.raises(ValueError, match=r"diverged in epoch 1: found distance (inf|nan)"):
        go(tmp_path, step=diverge)
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


def test_validation_is_made_every_few_epochs_and_may_stop_early(tmp_path, whole):
    """The last of three validations does not happen, also after a kill; steps are those of a run without them."""
    validated = []

    def update(state):
        validated.append(np.asarray(state["at"]))
        return state

    def check():
        return Validation(2, update, lambda state: len(validated) >= 2)

    with pytest.raises(KillError):
        go(tmp_path / "a", progress=kill_at(25), check=check())
    assert sorted(int(path.name) for path in (tmp_path / "a").glob("[0-9]*")) == [2]
    state, history = go(tmp_path / "a", check=check())
    assert len(validated) == 2
    np.testing.assert_array_equal(validated[1], state["at"])
    np.testing.assert_array_equal(history[:4], whole[1][:4])
    assert np.isnan(history[4:]).all()
    again, _ = go(tmp_path / "a", progress=kill_at(0), check=check())
    np.testing.assert_array_equal(again["at"], state["at"])


def test_many_rows_go_through_a_function_in_batches():
    x = np.arange(14.0).reshape(7, 2)
    shapes, told = [], []

    def double(rows):
        shapes.append(rows.shape)
        return 2 * rows

    np.testing.assert_array_equal(in_batches(double, x, 3, lambda *news: told.append(news), "rows"), 2 * x)
    assert shapes == [(3, 2)] * 3
    assert told == [("rows", 3, 7), ("rows", 6, 7), ("rows", 7, 7)]
