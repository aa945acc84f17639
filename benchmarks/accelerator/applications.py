"""The applications on the device: an epoch of the digits' training, fits of Gram matrices, Figure 13."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..harness.timing import race, seconds_of

Row = dict[str, Any]


def measure(quick: bool, out: Path) -> Iterator[Row]:
    """A row for each application. Digits and Gram matrices are random numbers: the time does not depend on them."""
    works = {"digits' training": partial(_epoch, 1000 if quick else 60_000), "Gram fits": partial(_gram_fits, quick)}
    for name, work in works.items():
        try:
            yield work()
        except ImportError as error:  # packages that are not installed on the device
            yield {"work": name, "error": str(error)}


def figure13(quick: bool, out: Path) -> Iterator[Row]:
    """Needs the paintings and VGG19's weights. Images are kept share by share, so that a run cut off has some."""
    if quick:
        yield {"work": "Figure 13", "left out": "with --quick"}
        return
    from paper_figures import __main__ as paper_figures

    codes: list[int] = []
    words = ["style", "--size", "512", "--steps", "150", "--out", str(out / "figures")]
    spent = seconds_of(lambda: codes.append(paper_figures.main(words)))
    yield {"work": "Figure 13, 512 pixels, 150 steps", "first_call_seconds": spent, "exit": codes[0]}


def _gram_fits(quick: bool) -> Row:
    from fbgmm.nn.style.gram_matrices import STYLE_CHANNELS, distinct
    from fbgmm.nn.style.gram_mixture import GramMixture

    channels = (8, 16) if quick else STYLE_CHANNELS
    data = jax.random.normal(jax.random.key(0), (100, sum(map(distinct, channels))))
    ((name, timing),) = race({"Gram fits": lambda: GramMixture.fit(data, channels).mixture.pi}, 5, budget=5.0)
    return {"work": f"{name}, {data.shape[1]:,} × 100", "seconds": timing.median, "first_call_seconds": timing.first}


def _epoch(number: int) -> Row:
    """Seconds of an epoch, from the times between the calls of its progress."""
    from fbgmm.nn.digits.training import AutoencoderSettings, train

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (number, 28, 28), dtype=np.uint8)
    settings = AutoencoderSettings(epochs=2, batch=32 if number < 60_000 else 128)
    at: list[tuple[int, float]] = []

    def note(what: str, done: int, total: int) -> None:
        at.append((done, time.perf_counter()))

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        train(jax.random.key(0), images, rng.integers(0, 10, number), folder, settings, note)
    steps = number // settings.batch
    pace = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(at) if b[0] > a[0]]
    work = f"an epoch of the digits' training, {number:,} images"
    return {"work": work, "seconds": float(np.median(pace)) * steps, "first_call_seconds": at[0][1] - started}
