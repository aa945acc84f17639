"""`fit_stream`: data larger than memory, chunk by chunk, with checkpoints from which a killed run goes on."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import checks
from .._typing import Array, ArrayLike
from ..algorithms import Algorithm, resolve
from ..atomic import whole
from ..basis import Basis, N, T, init_basis
from ..checks import Outside
from ..error_messages import not_finite, warn_of_precision
from ..mixture import Mixture
from ..sources import CHUNK, as_source
from ..status import Status
from .padding import padded
from .prepare import points_outside

_SCHEMA = 1


def fit_stream(
    chunks: ArrayLike | Iterable[ArrayLike],
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    outside: Outside = "end",
    n: int = N,
    t: ArrayLike = T,
    algorithm: Algorithm | int = 2,
    checkpoint: str | Path | None = None,
    save_every: int = 64,
) -> Mixture:
    """Fits data that come in chunks, in constant memory. The result is that of one `fit` of them all, bit by bit.

    Args:
        chunks: any iterable of one-dimensional arrays of any lengths (a generator, a list, a bar of tqdm around one),
            an array or `numpy.memmap`, or a source of `fbgmm.sources` (Parquet, text).
        low, high: range of the basis. Where None, they are found in a first pass, for which chunks must be iterable
            twice (a generator is not).
        outside, n, t, algorithm: as in `fit`.
        checkpoint: a file for the running state, written atomically after every `save_every` chunks and at the end. If
            it is there at the start, the run goes on from it: the chunks it has seen are skipped, so they must come
            in the same order and lengths. The counts are then bit-equal to those of an uninterrupted run.
        save_every: chunks between two saves.

    Raises:
        ValueError: as in `fit`, with the number of the chunk; low or high missing for an iterator that cannot be
            restarted; a checkpoint of another basis or algorithm, or not a checkpoint.
        TypeError: chunks not iterable, or text.

    Example:
        >>> import fbgmm
        >>> gmm = fbgmm.fit_stream(([0.1 * i, 0.2 * i] for i in range(10)), low=0.0, high=2.0, n=20)
        >>> round(float(gmm.mean()), 1)
        0.8
    """
    source = as_source(chunks)
    low, high = checks.given_range(low, high)
    capacity, algorithm, drop = checks.components(n), resolve(algorithm), checks.drops_outside(outside)
    if low is None or high is None:
        first, last = _range(source)
        low, high = first if low is None else low, last if high is None else high
        if not float(low) < float(high):
            raise ValueError(f"chunks has no width: found low = {float(low)}, high = {float(high)}; give low and high")
    basis = init_basis(low, high, capacity, t)
    warn_of_precision(np.asarray(low), np.asarray(high), None)
    file = None if checkpoint is None else _Checkpoint(Path(checkpoint), basis, drop)
    run = _fitted(source, basis, algorithm, drop, file, save_every)
    if run.points == 0:
        raise ValueError("chunks holds no data; found no points")
    ok, outside_ = jnp.asarray(int(Status.OK), jnp.int32), jnp.asarray(min(run.outside, 2**31 - 1), jnp.int32)
    return Mixture(basis, _weights(run.state, basis, algorithm), ok, outside_)


class _Run(NamedTuple):
    """A running fit: the algorithm's state, and how many chunks and points are in it and lay outside."""

    state: Any
    chunks: int
    points: int
    outside: int


def _fitted(
    source: Iterable[ArrayLike],
    basis: Basis,
    algorithm: Algorithm,
    drop: bool,
    file: _Checkpoint | None,
    save_every: int,
) -> _Run:
    """The state after all chunks, from the saved one where there is a checkpoint."""
    # Copies: leaves that share memory could not be donated.
    run = _Run(jax.tree.map(partial(jnp.array, copy=True), algorithm.init(basis)), chunks=0, points=0, outside=0)
    if file is not None and file.path.exists():
        run = file.load(run)
    resumed = run.chunks
    for number, chunk in enumerate(source):
        if number < resumed:
            continue
        waiting: Array | int = 0
        state, points, out = run.state, run.points, run.outside
        for x, present in _pieces(number, chunk):
            points += x.shape[0] if present is None else int(present.sum())
            state, found = _absorb(state, basis, x, present, algorithm, drop)
            # One piece may wait while the next is read, no more: an unbounded queue would hold the whole stream.
            out += int(waiting)
            waiting = found
        run = _Run(state, number + 1, points, out + int(waiting))
        if file is not None and (run.chunks - resumed) % save_every == 0:
            file.save(run)
    if file is not None and run.chunks > resumed:
        file.save(run)
    return run


@partial(jax.jit, static_argnames=("algorithm", "drop"), donate_argnums=0)
def _absorb(
    state: Any, basis: Basis, x: Array, present: Array | None, algorithm: Algorithm, drop: bool
) -> tuple[Any, Array]:
    """The state after one more piece, in the old one's memory, and how many of its points lay outside."""
    out = points_outside(basis.low, basis.high, x, present)
    if drop:
        present = ~out if present is None else present & ~out
    return algorithm.update(state, basis, x, present), jnp.sum(out, dtype=jnp.int32)


@partial(jax.jit, static_argnames="algorithm")
def _weights(state: Any, basis: Basis, algorithm: Algorithm) -> Array:
    return algorithm.weights(state, basis)


def _range(source: Iterable[Any]) -> tuple[Array, Array]:
    if iter(source) is source:
        raise ValueError("low and high must be given for an iterator, which can be read only once; found None")
    ends = [(x.min(), x.max()) for number, chunk in enumerate(source) if (x := _checked(number, chunk)).size]
    if not ends:
        raise ValueError("chunks holds no data; found no points")
    return jnp.asarray(min(a for a, _ in ends)), jnp.asarray(max(b for _, b in ends))


def _pieces(number: int, chunk: ArrayLike) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """A chunk in pieces whose lengths are powers of two: few shapes, so few compilations, whatever the lengths."""
    x = _checked(number, chunk)
    for start in range(0, x.shape[0], CHUNK):
        piece = x[start : start + CHUNK]
        room = 1 << max(piece.shape[0] - 1, 1).bit_length()
        yield padded(piece, room), None if room == piece.shape[0] else np.arange(room) < piece.shape[0]


def _checked(number: int, chunk: ArrayLike) -> np.ndarray:
    points, _ = checks.points(f"chunk {number}", chunk, None)
    x = checks.as_host_floats(f"chunk {number}", points).reshape(-1)
    if x.size and checks.usable_ends(x) is None:
        raise ValueError(not_finite(f"chunk {number}", x, checks.finite(x)))
    return x


class _Checkpoint:
    """The running state in one npz file: its arrays, and a header in JSON. Nothing is pickled."""

    def __init__(self, path: Path, basis: Basis, drop: bool):
        self.path = path
        ends = {"low": float(basis.low), "high": float(basis.high), "sigma": float(basis.sigma)}
        self.identity = {"schema": _SCHEMA, "n": basis.capacity, "dtype": str(basis.dtype), "drop": drop, **ends}

    def save(self, run: _Run) -> None:
        leaves, structure = jax.tree.flatten(run.state)
        numbers = {"chunks": run.chunks, "points": run.points, "outside": run.outside}
        header = json.dumps({**self.identity, "state": str(structure), **numbers})
        arrays: dict[str, Any] = {f"leaf{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
        with whole(self.path) as file:
            np.savez(file, header=np.array(header), **arrays)

    def load(self, run: _Run) -> _Run:
        """The saved run, whose state has the structure of the given one's."""
        leaves, structure = jax.tree.flatten(run.state)
        try:
            with open(self.path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                saved = [file[f"leaf{i}"] for i in range(len(leaves))]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"checkpoint {self.path} is not a whole checkpoint of fit_stream: {error}") from error
        for key, value in {**self.identity, "state": str(structure)}.items():
            if header.get(key) != value:
                found = header.get(key)
                raise ValueError(f"checkpoint {self.path} is of another fit: its {key} is {found!r}, not {value!r}")
        state = jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in saved])
        return _Run(state, header["chunks"], header["points"], header["outside"])
