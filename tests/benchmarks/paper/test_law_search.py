"""The search for the law of the random targets, and the readings of Algorithm 1."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fbgmm
from benchmarks.__main__ import main
from benchmarks.paper import law_search
from benchmarks.paper.algorithm1_readings import AS_PRINTED, DEFAULT, READINGS, all_weights
from benchmarks.paper.law_losses import ALL_VALUES, LawLosses, algorithm2_loss, nested, student_t_cdf
from benchmarks.paper.law_search import FITTED, neighbours, search
from benchmarks.paper.targets import LAWS, Law
from fbgmm.counts import count, total

LAWS_TRIED = [Law(low, high) for low in (0.7, 1.1) for high in (1.8, 2.3)]


@pytest.mark.slow
def test_losses_are_those_of_the_library():
    x = jnp.asarray(np.random.default_rng(0).normal(size=5000), jnp.float32)
    for n, t in ((10, 3.0), (200, 1.0)):
        gmm = fbgmm.fit(x, n=n, t=t, algorithm=2)
        heap = jax.scipy.stats.norm.cdf(gmm.basis.edges)
        found = algorithm2_loss(heap, total(count(gmm.basis, x)), t)
        np.testing.assert_allclose(found, fbgmm.information_loss(jax.scipy.stats.norm.cdf, gmm), rtol=2e-4)


def test_grids_hold_those_that_nest():
    assert nested({10, 30, 100, 1000}) == {1000: [1000, 100, 10], 30: [30]}


def test_the_table_of_students_t():
    z = np.linspace(-60, 60, 1201)
    for df in (2, 7, 30):
        found = student_t_cdf(jnp.asarray(z, jnp.float32), jnp.float32(df))
        np.testing.assert_allclose(found, stats.t.cdf(z.astype(np.float32), df), atol=2e-6)


@pytest.mark.slow
def test_a_planted_law_is_found(monkeypatch):
    monkeypatch.setattr(law_search, "WIDTH", 8)
    monkeypatch.setattr(law_search, "KEEP", 4)
    planted = Law(0.7, 2.3, half_width=1.0, most_df=9)
    experiments = range(100, 140)  # others than those of the search
    paper = LawLosses(1, 3).of_both([planted], experiments)[:, 0].mean(axis=0)
    found = search(LAWS_TRIED, 24, 3, paper=paper)
    best = [one.law for one in found.scored if one.within_noise]
    assert planted in best
    assert found.chosen.law[:2] == planted[:2]
    assert LAWS["normal"] in [one.law for one in found.scored]


def test_neighbours_differ_in_one_thing():
    found = neighbours(Law(0.7, 1.8), LAWS_TRIED)
    assert {(law.low, law.high) for law in found if law[5:] == Law()[5:]} == {(1.1, 1.8), (0.7, 2.3)}
    assert len(found) == 2 + 3


def test_the_cells_that_contradict_themselves_are_not_fitted():
    left_out = {(value.n, value.data_size) for value, used in zip(ALL_VALUES, FITTED, strict=True) if not used}
    assert left_out == {(1000, 20_000), (100, 50_000)}
    assert FITTED.sum() == 18


def test_readings_hold_the_default_and_give_its_weights():
    assert AS_PRINTED == 480
    assert len(set(READINGS)) == len(READINGS)
    assert READINGS.index(DEFAULT) < AS_PRINTED
    x = jnp.asarray(np.random.default_rng(1).normal(size=2000), jnp.float32)
    basis = fbgmm.init_basis_from(x, n=60, t=1.0)
    c = total(count(basis, x))
    pi = np.asarray(jax.jit(all_weights)(c, basis))
    default = fbgmm.fit(x, n=60, t=1.0, algorithm=1)
    np.testing.assert_allclose(pi[READINGS.index(DEFAULT)], default.pi, atol=2e-6)
    short = fbgmm.fit(x, n=60, t=1.0, algorithm=fbgmm.algorithm1("short_mid", d=1 / 6))
    other = DEFAULT._replace(middle=1, parts=6)
    np.testing.assert_allclose(pi[READINGS.index(other)], short.pi, atol=1e-4)
    one_side = pi[READINGS.index(DEFAULT._replace(sides="one"))]
    assert np.abs(one_side - default.pi).max() > 1e-4


@pytest.mark.slow
def test_the_command_writes_its_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(law_search, "WIDTH", 8)
    monkeypatch.setattr(law_search, "KEEP", 4)
    monkeypatch.setattr("benchmarks.paper.law_report.grid", lambda: LAWS_TRIED)
    assert main(["ambiguities", "--targets", "--experiments", "4", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "targets.json").read_text())
    assert record["tried"] == 4
    assert record["seed"] == 1
    assert set(record["chosen"]["law"]) == set(Law._fields)
    assert all(len(one["ratios"]) == 20 for one in record["laws"])
    text = (tmp_path / "targets.md").read_text()
    assert "contradict their neighbours" in text
    assert "U(1.1, 2.3)" in text
