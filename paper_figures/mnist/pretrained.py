"""Trained networks and fitted rivals of the committed figures, in half precision.

`python -m paper_figures.mnist.pretrained` makes the files, from what `python -m benchmarks mnist` has left in its
folder of output, or anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.harness import environment
from benchmarks.harness.arrays import halved, read_arrays, write_arrays
from benchmarks.harness.cells import identity
from benchmarks.mnist.case import FULL, Case, Sizes, digits_of, folder_of, prepare
from benchmarks.mnist.judge import Classifier, Judge
from benchmarks.mnist.judge import judge as train_judge
from benchmarks.mnist.methods import em_rival, sw_rival
from benchmarks.mnist.rivals import Rival, arrays_of, described, em_gmm, restored, sw_gmm
from fbgmm.nn.digits.autoencoder import Decoder, Encoder
from fbgmm.nn.digits.training import train
from fbgmm.nn.train.progress import Progress, progress_bars

from ..request import RequestError

FOLDER = Path(__file__).parent / "networks"
COMMAND = "python -m paper_figures.mnist.pretrained"
SEED = 0


def load(seed: int, sizes: Sizes, progress: Progress, folder: Path = FOLDER) -> tuple[Case, tuple[Rival, Rival]]:
    """The trained networks with the images, and the rivals by sliced Wasserstein distance and by EM.

    Raises:
        RequestError: a file is missing or damaged.
    """
    kinds = {"encoder": Encoder, "decoder": Decoder, "judge": Classifier}
    encoder, decoder, classifier = (_network(kind, _read(folder, name)[1]) for name, kind in kinds.items())
    sw, em = (restored(*_read(folder, name)) for name in ("sw", "em"))
    case = Case(seed, sizes, digits_of(sizes, progress), encoder, decoder, Judge(classifier), folder, progress)
    return case, (sw, em)


def _read(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    path = folder / f"{name}.npz"
    found = read_arrays(path)
    if found is None:
        raise RequestError(f"{path} is missing or damaged; restore it, or make it with: {COMMAND}")
    return found


def _network(kind: Callable[..., nnx.Module], arrays: dict[str, np.ndarray]) -> Any:
    form, shapes = nnx.split(nnx.eval_shape(lambda: kind(rngs=nnx.Rngs(0))))
    places, structure = jax.tree_util.tree_flatten_with_path(nnx.to_pure_dict(shapes))
    weights = [jnp.asarray(arrays[_named(place)], like.dtype) for place, like in places]
    nnx.replace_by_pure_dict(shapes, jax.tree.unflatten(structure, weights))
    return nnx.merge(form, shapes)


def _weights(network: nnx.Module) -> dict[str, np.ndarray]:
    """By their places in the network, such as "first/kernel"."""
    leaves = jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(nnx.state(network)))
    return {_named(place): halved(leaf) for place, leaf in leaves}


def _named(place: tuple[Any, ...]) -> str:
    return "/".join(str(step.key) for step in place)


def write(out: Path, results: Path) -> None:
    """Trains and fits, or finds trained and fitted below `results`, and writes the files."""
    with progress_bars() as progress:
        case, _ = prepare(SEED, FULL, folder_of(results, False), progress)
        fits = {"em": (em_rival(case), em_gmm), "sw": (sw_rival(case), sw_gmm)}
    made = {"command": COMMAND, "seed": SEED, **environment.description("float32")}
    coder, judging = identity(train, FULL.training), identity(train_judge, FULL.judge_epochs)
    networks = {
        "encoder": (case.encoder, coder),
        "decoder": (case.decoder, coder),
        "judge": (nnx.merge(*case.judge.classifier), judging),
    }
    for name, (network, code) in networks.items():
        write_arrays(out / f"{name}.npz", {**made, "identity": code}, _weights(network))
    for name, (rival, fit) in fits.items():
        halves = {field: halved(array) for field, array in arrays_of(rival).items()}
        write_arrays(out / f"{name}.npz", {**made, "identity": identity(fit, coder), **described(rival)}, halves)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the files (where --pretrained finds them)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the benchmarks (results)")
    chosen = parser.parse_args(arguments)
    write(chosen.out, chosen.results)


if __name__ == "__main__":
    main()
