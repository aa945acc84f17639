"""The images of Figure 13: from the options to finished files, each kept and not made again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.harness.cells import identity
from benchmarks.style.pictures import Paths, Pictures, made_of, paths_of, prepare
from fbgmm.nn.data.images import LEAST, load_image, save_image
from fbgmm.nn.style.blending import fit_blend
from fbgmm.nn.style.gram_mixture import Sampler
from fbgmm.nn.style.transfer import Stylised, TransferSettings
from fbgmm.nn.train.progress import Progress

from ..request import Request, RequestError


class Plan(NamedTuple):
    """What is to be made, with every default filled in."""

    paths: Paths
    shares: tuple[float, ...]
    size: int
    samples: int
    steps: int
    crops: int
    sampler: Sampler
    seed: int


class Study(NamedTuple):
    """All that the figures show.

    Attributes:
        images: share → images, shape (samples, H, W, 3).
    """

    plan: Plan
    pictures: Pictures
    images: dict[float, np.ndarray]


def planned(request: Request) -> Plan:
    """The request with its defaults; raises RequestError, or OSError for a picture, where it cannot be met."""
    o, quick = request.style, request.quick
    plan = Plan(
        paths=paths_of(o.target, o.style1, o.style2),
        shares=tuple(dict.fromkeys(o.shares or ((0.0, 0.8) if quick else (0.0, 0.1, 0.2, 0.8)))),
        size=o.size if o.size is not None else 128 if quick else 256,
        samples=o.samples if o.samples is not None else 2 if quick else 10,
        steps=o.steps if o.steps is not None else 24 if quick else 150,
        crops=20 if quick else 100,
        sampler=o.sampler,
        seed=request.seed,
    )
    if not all(0 <= share <= 1 for share in plan.shares):
        raise RequestError(f"shares must be from 0 to 1; found {', '.join(map(str, plan.shares))}")
    for name, least in (("size", LEAST), ("samples", 1), ("steps", 1)):
        if getattr(plan, name) < least:
            raise RequestError(f"{name} must be {least} or more; found {getattr(plan, name)}")
    return plan


def make(plan: Plan, out: Path, progress: Progress) -> Study:
    """Makes what is not there yet, in a folder of `out` whose name stands for the plan.

    Raises:
        OSError: a picture that cannot be used, weights that cannot be had, a folder that cannot be written.
        RequestError: losses that are not finite.
    """
    *keys, key_shares = jax.random.split(jax.random.key(plan.seed), 3)
    pictures = prepare(keys, plan.paths, plan.size, plan.crops, progress)
    settings = {name: value for name, value in plan._asdict().items() if name not in ("paths", "shares")}
    folder = out / f"style-{identity(prepare, _make_share, settings, plan.paths.digests())}"
    folder.mkdir(parents=True, exist_ok=True)
    images = {}
    for i, share in enumerate(plan.shares):
        files = [folder / f"share{100 * share:g}-{sample:02d}.png" for sample in range(plan.samples)]
        if not all(file.is_file() for file in files):
            key = jax.random.fold_in(key_shares, round(1e6 * share))
            _make_share(key, pictures, share, files, plan, progress)
        images[share] = np.stack([load_image(file) for file in files])
        progress("images", (i + 1) * plan.samples, len(plan.shares) * plan.samples)
    return Study(plan, pictures, images)


def _make_share(
    key: jax.Array, pictures: Pictures, share: float, files: list[Path], plan: Plan, progress: Progress
) -> None:
    """Makes the images of a share whose files are not there."""
    blend = fit_blend(*pictures.grams, share)
    wanted = blend.mixture.sample(key, plan.samples, plan.sampler)
    missing = np.array([k for k, file in enumerate(files) if not file.is_file()])
    start = np.repeat(pictures.target[None], len(missing), axis=0)
    asked, settings = [layer[missing] for layer in wanted], TransferSettings(steps=plan.steps)

    def save(part: slice, made: Stylised) -> None:
        for k, image in zip(missing[part], made.images, strict=True):
            save_image(files[k], image)

    try:
        made_of(pictures, blend, asked, start, settings, progress, f"share {100 * share:g} %", save)
    except ValueError as error:
        raise RequestError(str(error)) from error
