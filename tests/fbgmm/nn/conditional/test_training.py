"""The trainer: splits and trials at once are what they are alone, resuming, ensembles, bad data."""

import jax
import numpy as np
import pytest
from flax import nnx

from fbgmm.nn.conditional.heads import DensityHead
from fbgmm.nn.conditional.training import Splits, TrainingSettings, Trials, train
from tests import head_oracle
from tests.kills import KillError, kill_at

SETTINGS = TrainingSettings(epochs=30, batch=32, checks=6)
TRIALS = Trials.grid(2, rate=(0.02,), decay=(1e-3,))


def make(rngs, y, weights):
    head = DensityHead.residual(8, y, 12, weights=weights, rngs=rngs)
    return nnx.Sequential(nnx.Linear(2, 8, rngs=rngs), jax.nn.relu, head)


def toy(S=2, N=160, seed=0):
    """y = 3 x₁ + noise that grows with x₂."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(S, N, 2))
    y = 100 + 3 * x[..., 0] + (0.1 + x[..., 1]) * rng.normal(size=(S, N))
    return Splits(x, y, np.ones((S, N)), np.tile(np.arange(N) % 5, (S, 1)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(jax.random.key(0), make, toy(), TRIALS, tmp_path_factory.mktemp("toy"), SETTINGS)


@pytest.mark.slow
def test_it_learns_mean_and_scale_in_units_of_the_targets(trained):
    x = np.tile(np.array([[[0.2, 0.1], [0.8, 0.1], [0.5, 0.9]]]), (2, 1, 1))
    density = trained.predict(x).pooled(1)
    assert density.batch_shape == (2, 3)
    np.testing.assert_allclose(density.mean()[:, :2], [[100.6, 102.4]] * 2, atol=0.3)
    deviation = np.sqrt(density.variance())
    assert (deviation[:, 2] > 2 * deviation[:, 1]).all()
    assert trained.validation.shape == trained.finite.shape == (2, 2)
    assert trained.finite.all()
    assert (trained.validation < 1.5).all()


@pytest.mark.slow
def test_the_validation_loss_is_that_of_the_rows_left_out(trained):
    data = toy()
    density = trained.predict(data.x)
    for s in range(2):
        for t in range(2):
            out = data.fold[s] == t
            found = -np.asarray(density.log_prob(data.y[:, None]))[s, t][out].mean()
            assert found == pytest.approx(trained.validation[s, t], abs=1e-3)


@pytest.mark.slow
def test_rows_left_out_are_not_trained_on(tmp_path):
    """Shuffled targets in fold 0 change nothing for the network that leaves it out, and the other one."""
    settings = TrainingSettings(epochs=3, batch=32, checks=1)
    data = toy()
    y = data.y.copy()
    for s in range(2):
        y[s, data.fold[s] == 0] = y[s, data.fold[s] == 0][::-1]
    one, other = (
        train(jax.random.key(0), make, data._replace(y=y), TRIALS, tmp_path / str(i), settings)
        for i, y in enumerate((data.y, y))
    )
    kernels = [np.asarray(jax.tree.leaves(t.weights)[-1]) for t in (one, other)]
    np.testing.assert_allclose(kernels[0][:, 0], kernels[1][:, 0], atol=1e-5)
    assert np.abs(kernels[0][:, 1] - kernels[1][:, 1]).max() > 1e-3
    assert np.abs(one.validation - other.validation).min() > 1e-3


def test_rows_of_weight_zero_are_absent(tmp_path):
    """Whatever they hold, the result has the same bits."""
    settings = TrainingSettings(epochs=3, batch=32, checks=1)
    x, y, weights, fold = toy()
    weights[:, 100:] = 0
    found = []
    for i, value in enumerate((np.nan, 1e6)):
        x[:, 100:], y[:, 100:] = value, value
        found.append(train(jax.random.key(0), make, Splits(x, y, weights, fold), TRIALS, tmp_path / str(i), settings))
    assert np.isfinite(found[0].validation).all()
    np.testing.assert_array_equal(found[0].validation, found[1].validation)
    jax.tree.map(np.testing.assert_array_equal, found[0].weights, found[1].weights)
    np.testing.assert_allclose(found[0].shift, toy().y[:, :100].mean(axis=1))


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_end(trained, tmp_path):
    def run(**options):
        return train(jax.random.key(0), make, toy(), TRIALS, tmp_path, SETTINGS, **options)

    with pytest.raises(KillError):
        run(progress=kill_at(80))  # of 150 steps, 25 for each check
    told = []
    found = run(progress=lambda what, done, total: told.append(done))
    assert (min(told), max(told)) == (80, 150)
    np.testing.assert_array_equal(found.validation, trained.validation)
    jax.tree.map(np.testing.assert_array_equal, found.weights, trained.weights)
    with pytest.raises(ValueError, match="another training: batch is 32 there, 16 here"):
        train(jax.random.key(0), make, toy(), TRIALS, tmp_path, SETTINGS._replace(batch=16))


def test_it_ends_early_where_nothing_gets_better(tmp_path):
    told = []
    train(
        *(jax.random.key(0), make, toy(), Trials.grid(2, rate=(0.0,)), tmp_path, SETTINGS._replace(patience=2)),
        progress=lambda what, done, total: told.append(done),
    )
    assert max(told) == 75  # three checks of 25 steps


def test_the_best_combination_is_chosen_for_each_split(trained):
    def chosen(validation):
        fields = {name: getattr(trained, name) for name in trained.__dataclass_fields__}
        return type(trained)(**{**fields, "validation": np.asarray(validation)}).best(2).tolist()

    assert chosen([[1.0, 2.0, 1.0, 1.0], [1.0, 1.0, 5.0, 0.5]]) == [[2, 3], [0, 1]]
    assert chosen([[np.inf, 1.0, 9.0, 9.0]] * 2) == [[2, 3]] * 2


@pytest.mark.slow
def test_noise_on_the_targets_widens_what_is_learned(tmp_path):
    trials = Trials.grid(1, rate=(0.02,), noise=(0.0, 1.0))
    trained = train(jax.random.key(0), make, toy(1), trials, tmp_path, SETTINGS)
    deviation = np.sqrt(np.asarray(trained.predict(np.full((1, 1, 2), 0.5)).variance()))[0, :, 0]
    assert deviation[1] > 1.3 * deviation[0]


@pytest.mark.slow
def test_trainings_of_other_code_or_settings_are_refused(tmp_path):
    settings = TrainingSettings(epochs=1, batch=32, checks=1)
    train(jax.random.key(0), make, toy(1), TRIALS, tmp_path, settings, identity={"code": "a"})
    with pytest.raises(ValueError, match="another training: code is 'a' there, 'b' here"):
        train(jax.random.key(0), make, toy(1), TRIALS, tmp_path, settings, identity={"code": "b"})
    with pytest.raises(ValueError, match="batch must be"):
        train(jax.random.key(0), make, toy(1), TRIALS, tmp_path, settings._replace(batch=0))


def test_constant_and_tied_data_give_finite_densities(tmp_path):
    """In the first split nothing is known but three equal targets and a feature that never differs; two folds."""
    x, y, weights_of_rows, fold = toy()
    y[0], x[0, :, 1], weights_of_rows[0, 3:] = 3.0, 7.0, 0
    y[1] = np.round(y[1] / 4)
    found = train(jax.random.key(0), make, Splits(x, y, weights_of_rows, fold), TRIALS, tmp_path, SETTINGS)
    density = found.predict(x)
    np.testing.assert_allclose(found.shift, [3, y[1].mean()])
    np.testing.assert_allclose(found.factor, [1, y[1].std()])
    at_targets, far = density.log_prob(y[:, None]), density.log_prob(1e6)
    for s, t in np.ndindex(2, 2):
        weights, constants = (
            jax.tree.map(lambda leaf, place=place: leaf[place], state)
            for state, place in ((found.weights, (s, t)), (found.constants, s))
        )
        first, _, head = nnx.merge(found.form, weights, constants).layers
        rows = x[s, : 3 if s == 0 else None]
        width = np.where(np.ptp(rows, axis=0) > 0, rows.std(axis=0), 1)
        kernel, bias = (np.asarray(a[...], np.float64) for a in (first.kernel, first.bias))
        h = np.maximum((x[s] - rows.mean(axis=0)) / width @ kernel + bias, 0)

        def expected(y, s=s, head=head, h=h):
            z = (np.broadcast_to(y, h.shape[:1]) - found.shift[s]) / found.factor[s]
            return head_oracle.log_prob(head, h, z) - np.log(found.factor[s])

        np.testing.assert_allclose(at_targets[s, t], expected(y[s]), rtol=1e-3, atol=2e-3)
        np.testing.assert_allclose(far[s, t], expected(1e6), rtol=1e-4)
        left_out = (fold[s] == t) & (weights_of_rows[s] > 0)
        assert found.validation[s, t] == pytest.approx(-expected(y[s])[left_out].mean(), abs=2e-3)


def test_bad_data_are_refused(trained, tmp_path):
    data = toy()

    def refused(match, **changed):
        with pytest.raises(ValueError, match=match):
            train(jax.random.key(0), make, data._replace(**changed), TRIALS, tmp_path, SETTINGS)

    x, y = data.x.copy(), data.y.copy()
    x[1, 4, 0], y[0, 3] = np.nan, np.inf
    refused(r"x must be finite; found 1 values that are not, the first at \(1, 4, 0\)", x=x)
    refused(r"y must be finite; found 1 values that are not, the first at \(0, 3\)", y=y)
    refused("weights must be finite and at least 0", weights=-data.weights)
    refused("data must have shapes", y=data.y[:1])
    one = np.zeros_like(data.weights)
    one[:, 0] = 1
    refused("split 0 has 0 rows to train on and 1 in fold 0 to validate on", weights=one)
    with pytest.raises(ValueError, match="x must be finite"):
        trained.predict(np.full((2, 1, 2), np.nan))
    with pytest.raises(ValueError, match=r"x has shape \(1, 2\); allowed: \(2, P, 2\)"):
        trained.predict(np.zeros((1, 2)))
