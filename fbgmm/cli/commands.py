"""The commands fit, sample, score and info; their arguments and exit codes are in `fbgmm.cli.arguments`.

Data are read chunk by chunk, so that files may be larger than memory; only a fit that chooses by itself holds them all.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .. import checks, plot
from ..atomic import whole
from ..basis import N, T
from ..fitting.fit import ALGORITHM, fit, settings
from ..fitting.stream import fit_stream
from ..mixture import Mixture
from ..saving import load, save
from ..sources import file_source, table_chunks, text_of

QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)

SHOWN = 1 << 16
"""Points of the data kept for the histogram of a picture, at least, where there are so many."""


class Points:
    """Numbers of a file or of standard input, checked and counted on their way, with a bar on a terminal.

    Iterable once for each pass over a file, and only once for standard input.

    Args:
        data: a path; "-": standard input.
        column: as in `fbgmm.sources`.
        keep: whether to keep a part of the points, every 2^k-th, in `kept`.
    """

    def __init__(self, data: str, column: str | None, keep: bool = False):
        self.column, self.keep = column, keep
        self.name = "standard input" if data == "-" else data
        self.source: Iterable[Any] = (
            table_chunks(_standard_input(), column, name=self.name) if data == "-" else file_source(data, column)
        )
        self.once = iter(self.source) is self.source
        self.count, self.kept, self.stride = 0, np.empty(0), 1

    def __iter__(self) -> Iterator[np.ndarray]:
        self.count, self.kept, self.stride = 0, np.empty(0), 1
        with _bar(f"reading {self.name}") as show:
            for chunk in self.source:
                x = np.asarray(chunk)
                x = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
                self._check(x)
                if self.keep:
                    self._keep(x)
                self.count += x.size
                show(self.count)
                yield x
        if not self.count:
            raise ValueError(f"{self.name} holds no numbers; allowed: at least one")

    def _check(self, x: np.ndarray) -> None:
        dtype = np.dtype(checks.float_dtype())
        with np.errstate(over="ignore"):
            fine = checks.finite(x.astype(dtype, copy=False))
        if not fine.all():
            i = int(np.flatnonzero(~fine)[0])
            column = "" if self.column is None else f", column {self.column!r}"
            raise ValueError(
                f"{self.name}, number {self.count + i + 1}{column}: found {x[i]}; "
                f"allowed: finite numbers within ±{checks.largest(dtype):.3g} ({dtype})"
            )

    def _keep(self, x: np.ndarray) -> None:
        first = -self.count % self.stride
        self.kept = np.concatenate([self.kept, x[first :: self.stride]])
        while self.kept.size > 2 * SHOWN:
            self.kept, self.stride = self.kept[::2], 2 * self.stride


def _standard_input() -> Iterator[str]:
    """As a file is read: in UTF-8 whatever the system's encoding, and uncompressed."""
    if not hasattr(sys.stdin, "buffer"):
        yield from sys.stdin
        return
    with text_of(sys.stdin.buffer) as lines:
        yield from lines


def run_fit(options: Namespace) -> None:
    """Fits, saves, draws, and says what came out."""
    _check_suffix("--out", options.out, (".npz", ".json"))
    _check_suffix("--plot", options.plot, (".png", ".pdf", ".svg"))
    points = Points(options.data, options.column, keep=options.plot is not None)
    gmm = _fitted(points, options)
    if options.out is not None:
        save(options.out, gmm)
    if options.plot is not None:
        _draw(gmm, points, Path(options.plot))
    _print(options, {"data": points.name, "points": points.count, **_facts(gmm)}, gmm)


def _fitted(points: Points, options: Namespace) -> Mixture:
    given = settings(options.n, options.t, options.algorithm)
    ends = {"low": options.low, "high": options.high, "outside": options.outside}
    blind = points.once and None in (options.low, options.high)  # the range would take a second pass
    chunks: Iterable[np.ndarray] = iter(points) if points.once else points
    if given is None or blind:
        read, rest = _read(iter(chunks), options.memory)
        if rest is None:
            return _named(points.name, lambda: fit(np.concatenate(read), *(given or ()), **ends))
        room = f"{points.name} holds more than the {options.memory << 17:,} numbers of --memory {options.memory}"
        if blind:
            raise ValueError(f"{room}, and can be read only once: give --low and --high, or more --memory")
        print(f"fbgmm fit: {room}; so the data do not choose: n = {N}, t = {T}", file=sys.stderr)
        chunks = chain(read, rest) if points.once else points
    n, t, algorithm = given or (N, T, ALGORITHM)
    return _named(points.name, lambda: fit_stream(chunks, n=n, t=t, algorithm=algorithm, **ends))


def _read(chunks: Iterator[np.ndarray], memory: int) -> tuple[list[np.ndarray], Iterator[np.ndarray] | None]:
    """What fits into that many MiB, and the rest; None where all did."""
    read: list[np.ndarray] = []
    size = 0
    for chunk in chunks:
        read.append(chunk)
        size += chunk.size
        if size > memory << 17:
            return read, chunks
    return read, None


def _named(name: str, work: Callable[[], Mixture]) -> Mixture:
    """Runs work on data of that name, which its errors then begin with."""
    try:
        return work()
    except ValueError as error:
        raise (error if str(error).startswith(name) else ValueError(f"{name}: {error}")) from error


def run_sample(options: Namespace) -> None:
    """Draws, to a file or to standard output."""
    _check_suffix("--out", options.out, (".npy", ".csv"))
    gmm = _one(options.model)
    x = np.asarray(gmm.sample(jax.random.key(options.seed), options.count))
    if options.out is None:
        if options.json:
            json.dump({"model": options.model, "seed": options.seed, "sample": x.tolist()}, sys.stdout)
            print()
        else:
            sys.stdout.writelines(f"{number}\n" for number in x)
        return
    with whole(Path(options.out)) as file:
        if options.out.endswith(".npy"):
            np.save(file, x)
        else:
            file.writelines(f"{number}\n".encode() for number in x)
    if options.json:
        print(json.dumps({"model": options.model, "seed": options.seed, "points": options.count, "out": options.out}))


def run_score(options: Namespace) -> None:
    """Mean log-likelihood of the data and its standard error, or the log density of each row."""
    gmm = _one(options.model)
    points = Points(options.data, options.column)
    count, mean, squares = 0, 0.0, 0.0
    for x in points:
        log_prob = np.asarray(gmm.log_prob(x))
        if options.each:
            sys.stdout.writelines(f"{number}\n" for number in log_prob)
            continue
        new = log_prob.astype(np.float64)
        total, step = count + new.size, new.mean() - mean  # Chan, Golub and LeVeque's merge of two parts
        squares += float(np.square(new - new.mean()).sum() + step**2 * count * new.size / total)
        count, mean = total, float(mean + step * new.size / total)
    if options.each:
        return
    error = (squares / count / (count - 1)) ** 0.5 if count > 1 else None
    _print(options, {"data": points.name, "points": count, "mean_log_prob": mean, "standard_error": error})


def run_info(options: Namespace) -> None:
    """What a file holds."""
    model = load(options.model)
    if isinstance(model, Mixture) and not model.batch_shape:
        _print(options, _facts(model), model)
    elif isinstance(model, Mixture):
        _print(options, {"kind": "Mixture", "batch_shape": list(model.batch_shape), "capacity": model.basis.capacity})
    else:
        _print(options, {"kind": type(model).__name__})


COMMANDS: dict[str, Callable[[Namespace], None]] = {
    "fit": run_fit,
    "sample": run_sample,
    "score": run_score,
    "info": run_info,
}


def _facts(gmm: Mixture) -> dict[str, Any]:
    basis = gmm.basis
    facts: dict[str, Any] = {"kind": "Mixture", "n": int(basis.n)}
    if basis.even:
        facts |= {"t": float(basis.t), "sigma": float(basis.sigma)}
    else:
        facts |= {"least_sigma": float(basis.sigma.min()), "greatest_sigma": float(basis.sigma.max())}
    facts |= {"low": float(basis.low), "high": float(basis.high)}
    facts |= {"mean": float(gmm.mean()), "standard_deviation": float(gmm.variance()) ** 0.5}
    quantiles = np.asarray(gmm.icdf(np.array(QUANTILES))).tolist()
    facts["quantiles"] = dict(zip(map(str, QUANTILES), quantiles, strict=True))
    if gmm.outside is not None:
        facts["outside"] = int(gmm.outside)
    return facts | {"chosen_by_the_data": gmm.choice is not None}


def _print(options: Namespace, facts: dict[str, Any], gmm: Mixture | None = None) -> None:
    if options.json:
        print(json.dumps(facts))
        return
    for name, value in facts.items():
        print(f"{name.replace('_', ' ')}: {_in_words(value)}")
    if gmm is not None and gmm.choice is not None:
        print(gmm.report())


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_in_words(each)}" for key, each in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _one(path: str) -> Mixture:
    model = load(path)
    if not isinstance(model, Mixture) or model.batch_shape:
        batch = f" of batch shape {model.batch_shape}" if isinstance(model, Mixture) else ""
        raise ValueError(f"{path} holds a {type(model).__name__}{batch}; allowed: one Mixture without batch axes")
    return model


def _check_suffix(option: str, path: str | None, allowed: tuple[str, ...]) -> None:
    """Before long work: a file of that name can be written."""
    if path is None:
        return
    if Path(path).suffix not in allowed:
        raise ValueError(f"{option} must end in {', '.join(allowed)}; found {path!r}")
    if not Path(path).parent.is_dir():
        raise ValueError(f"{option} {path}: there is no folder {str(Path(path).parent)!r}")


def _draw(gmm: Mixture, points: Points, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.2), layout="constrained")
    ax = plot.density(gmm, points.kept, ax=figure.add_subplot())
    ax.set_xlabel(points.column or "x")
    with whole(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=150)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int], None]]:
    """Called with the number of points so far; shows it on standard error if that is a terminal and rich is there."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield lambda count: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}: {task.completed:,.0f} points"),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda count: bars.update(task, completed=count)
