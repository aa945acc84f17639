"""`python -m benchmarks mnist`: measures, files, resuming, report; on toy codes, without training."""

import argparse
import json

import jax
import numpy as np
import pytest
from rich.console import Console

from benchmarks.harness import cells
from benchmarks.mnist import case as mnist_case
from benchmarks.mnist import cells as mnist_cells
from benchmarks.mnist import methods as mnist_methods
from benchmarks.mnist import report as mnist_report
from benchmarks.mnist import rivals as mnist_rivals
from benchmarks.mnist import run as mnist
from benchmarks.mnist.sliced_wasserstein import Descent
from benchmarks.mnist.unsupervised import Groups
from benchmarks.paper.config import ConfigError
from fbgmm.nn.train.progress import silent

CENTRES = np.random.default_rng(7).normal(size=(10, 4)).astype(np.float32) * 4


class NearestCentre:
    """A judge for images that are codes: the digit is that of the nearest centre, the features are the code."""

    def probabilities(self, images):
        codes = self.features(images)
        return -np.linalg.norm(codes[:, None] - CENTRES[None], axis=2)

    def features(self, images):
        return images[:, 0, :4]


def as_images(codes):
    return np.pad(np.asarray(codes, np.float32)[:, None, :], ((0, 0), (0, 27), (0, 24)))


def toy_codes(seed, each):
    labels = np.repeat(np.arange(10), each).astype(np.int32)
    noise = np.random.default_rng(seed).normal(size=(len(labels), 4))
    return (CENTRES[labels] + 0.5 * noise).astype(np.float32), labels


@pytest.fixture
def case(monkeypatch, tmp_path):
    monkeypatch.setattr(mnist_cells, "decode", lambda decoder, codes: as_images(codes))
    z, labels = toy_codes(0, 60)
    test_z, test_labels = toy_codes(1, 30)
    codes = {"z": z, "labels": labels, "test_z": test_z, "test_labels": test_labels, "test_features": test_z}
    sizes = mnist_case.QUICK._replace(descent=Descent(steps=20))
    networks = {"decoder": None, "judge": NearestCentre()}
    return argparse.Namespace(seed=0, sizes=sizes, folder=tmp_path, progress=silent, **networks, **codes)


@pytest.mark.slow
@pytest.mark.parametrize("name", [mnist_report.CEILING, mnist_report.OURS, mnist_report.INDEPENDENT])
def test_measures_of_a_good_density_are_good(case, name):
    found = mnist_cells.measure(case, mnist_methods.METHODS[name](case))
    assert found["recognised"] > 0.95
    assert found["recognised_by_class"][9] > 0.9
    assert found["frechet"] < 0.5
    assert found["precision"] > 0.9
    assert found["coverage"] > 0.8
    assert (found["seconds"] is None) == (name == mnist_report.CEILING)
    assert (found["log_likelihood"] is None) == (name == mnist_report.CEILING)
    json.dumps(found, allow_nan=False)


def test_measures_of_confused_samples_are_bad(case):
    """Nines that are fours: what the paper says of its rivals."""
    z, labels = case.test_z, case.test_labels
    density = mnist_methods.Density(lambda key, label, count: z[labels == (4 if label == 9 else label)], None, 1.0, {})
    found = mnist_cells.measure(case, density)
    assert found["nine_as_four"] > 0.95
    assert found["recognised_by_class"][9] < 0.05
    assert found["recognised"] == pytest.approx(0.9, abs=0.02)


def test_groups_are_measured_by_purity(case):
    z, labels = case.test_z, case.test_labels
    shares = np.full(5, 0.2)

    def sample(key, group, count):
        of_two = z[(labels == group) | (labels == group + 5)]  # two digits in each group
        return of_two[np.random.default_rng(group).integers(0, len(of_two), count)]

    found = mnist_cells.measure_groups(case, Groups(sample, lambda points: np.zeros(len(points)), shares, 1.0))
    assert found["purity"] == pytest.approx(0.5, abs=0.06)
    assert found["digits"] == 5


def fake_measures(name, seed):
    found = dict.fromkeys(mnist_report.COLUMNS, 0.5 + 0.01 * seed)
    found |= {"recognised_by_class": [0.9] * 10, "seconds": {"EM, full": 50.0, "ours": 0.5}.get(name, 1.0)}
    found["components"] = [1] * 10
    if name.startswith("EM"):
        found["seconds_chosen"] = 10.0
    if name == mnist_report.CEILING:
        found |= {"seconds": None, "log_likelihood": None}
    return found


@pytest.fixture
def without_training(monkeypatch):
    """The command with what takes long replaced; returns the list of (seed, kind, method) that were made."""
    made = []

    def prepare(seed, sizes, folder, progress):
        return argparse.Namespace(seed=seed, sizes=sizes, folder=folder), None

    def make(case, kind, name):
        made.append((case.seed, kind, name))
        group = {"purity": 0.8, "digits": 9, "log_likelihood": -20.0, "seconds": 1.0}
        found = fake_measures(name, case.seed) if kind == "digits" else group
        path = mnist_cells.path_of(case.folder, case.seed, kind, name)
        cells.write(path, mnist_cells.identity(kind, name, case.sizes), found)

    monkeypatch.setattr(mnist_case, "prepare", prepare)
    monkeypatch.setattr(mnist_cells, "make", make)
    return made


def run(folder, **options):
    arguments = argparse.Namespace(out=folder, seeds=None, quick=False)
    vars(arguments).update(options)
    mnist.run(arguments, Console(quiet=True))


def test_a_run_makes_all_cells_and_a_second_none(tmp_path, without_training):
    run(tmp_path, seeds=2)
    assert len(without_training) == 2 * (len(mnist_methods.METHODS) + len(mnist_methods.GROUPS))
    report = json.loads((tmp_path / "mnist.json").read_text())
    assert len(report["records"]) == len(without_training)
    assert report["device"]
    without_training.clear()
    run(tmp_path, seeds=2)
    assert without_training == []
    mnist_cells.path_of(tmp_path / "mnist-cells", 1, "digits", "SW").unlink()
    run(tmp_path, seeds=2)
    assert without_training == [(1, "digits", "SW")]


def test_a_result_of_other_code_or_settings_is_made_anew(tmp_path, without_training, monkeypatch):
    run(tmp_path, quick=True)
    assert (tmp_path / "mnist-quick.md").exists()
    without_training.clear()
    monkeypatch.setitem(mnist_methods.METHODS, "ours", mnist_methods.fit_sw)
    run(tmp_path, quick=True)
    assert without_training == [(0, "digits", "ours")]
    others = mnist_case.FULL._replace(judge_epochs=1), mnist_case.QUICK
    assert len({mnist_cells.identity("digits", "SW", sizes) for sizes in (mnist_case.FULL, *others)}) == 3


def test_the_fit_of_a_rival_is_kept(case, monkeypatch):
    first = mnist_methods.fit_sw(case)
    monkeypatch.setattr(mnist_rivals, "fit_sw", None)
    again = mnist_methods.fit_sw(case)
    assert again[2:] == first[2:]
    np.testing.assert_array_equal(again.log_prob(case.test_z, 3), first.log_prob(case.test_z, 3))
    case.z += 1  # other codes are fitted anew
    with pytest.raises(AttributeError):
        mnist_methods.fit_sw(case)


def test_the_tables_hold_means_intervals_and_ratios(tmp_path):
    names = list(mnist_methods.METHODS)
    records = [(seed, "digits", name, fake_measures(name, seed)) for seed in range(3) for name in names]
    methods, classes, seconds, _ = mnist_report.sheets(records)
    assert "3 seeds" in methods.title
    assert methods.lines[1][1].startswith("0.5100 [0.4")
    assert methods.lines[0][-1] == ""  # the codes of the test images have no density
    assert classes.lines[0][1] == "0.9000"
    by_name = {line[0]: line for line in seconds.lines}
    assert by_name["EM, full"][2].startswith("100 [")
    assert by_name["EM, full"][4].startswith("20 [")
    assert mnist_report.CEILING not in by_name
    one = mnist_report.sheets([record for record in records if record[0] == 0])[0]
    assert one.lines[1][1] == "0.5000"


def test_bad_requests_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="--seeds: 0 is too small"):
        run(tmp_path, seeds=0)
    monkeypatch.setattr(mnist, "find_spec", lambda name: None if name == "flax" else object())
    with pytest.raises(ConfigError, match=r"mnist needs flax; install with: pip install -e"):
        run(tmp_path)


def test_sampling_uses_a_key_for_each_class(case):
    """The same key for all would give all digits the same normal draws."""
    keys = []

    def sample(key, label, count):
        keys.append(tuple(jax.random.key_data(key).tolist()))
        return case.test_z[case.test_labels == label]

    mnist_cells.measure(case, mnist_methods.Density(sample, None, None, {}))
    assert len(set(keys)) == 10
