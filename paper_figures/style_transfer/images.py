"""The images of Figure 13: from the options to finished files, each kept and not made again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from fbgmm.nn.data.files import VARIABLE
from fbgmm.nn.data.images import LEAST, load_image, save_image
from fbgmm.nn.style.blending import crop_grams, fit_blend
from fbgmm.nn.style.transfer import TransferSettings, stylise
from fbgmm.nn.style.vgg import VGG19, load_vgg19
from fbgmm.nn.train.progress import Progress

from ..request import Request, RequestError

_TOGETHER = 2  # images made at once: more gain nothing on few cores, and lose more when killed
_SEEN = 2.0  # longer side of a style image over that of the target: strokes stay visible in small images


class Plan(NamedTuple):
    """What is to be made, with every default filled in."""

    target: Path
    style1: Path
    style2: Path
    shares: tuple[float, ...]
    size: int
    samples: int
    steps: int
    crops: int
    sampler: str
    seed: int


class Study(NamedTuple):
    """All that the figures show."""

    plan: Plan
    vgg: VGG19
    target: np.ndarray
    """Shape (H, W, 3), as all pictures here, values from 0 to 255."""
    styles: tuple[np.ndarray, np.ndarray]
    grams: tuple[np.ndarray, np.ndarray]
    """Entries of the crops of each style, shape (crops, E)."""
    images: dict[float, np.ndarray]
    """Share → images, shape (samples, H, W, 3)."""


def planned(request: Request) -> Plan:
    """The request with its defaults; raises RequestError where it cannot be met."""
    o, quick = request.style, request.quick

    def painting(name: str) -> Path:
        return Path(os.environ.get(VARIABLE, ".")) / "paintings" / name

    plan = Plan(
        target=o.target or painting("starry_night.jpg"),
        style1=o.style1 or painting("starry_night.jpg"),
        style2=o.style2 or painting("sunflowers.jpg"),
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
    for path, option in ((plan.target, "--target"), (plan.style1, "--style1"), (plan.style2, "--style2")):
        if not path.is_file():
            raise RequestError(
                f"there is no picture {path}; name one with {option}, or a folder that has paintings/ with {VARIABLE}"
            )
    return plan


def make(plan: Plan, out: Path, progress: Progress) -> Study:
    """Makes what is not there yet, in a folder of `out` whose name stands for the plan.

    Raises:
        OSError: a picture that cannot be used, weights that cannot be had, a folder that cannot be written.
        RequestError: losses that are not finite.
    """
    target = load_image(plan.target, plan.size)
    styles = tuple(load_image(path, round(_SEEN * plan.size)) for path in (plan.style1, plan.style2))
    vgg = load_vgg19(progress=progress)
    folder = out / f"style-{_digest(plan)}"
    folder.mkdir(parents=True, exist_ok=True)
    key_one, key_two, key_shares = jax.random.split(jax.random.key(plan.seed), 3)
    one, two = (
        crop_grams(key, vgg, style, plan.crops, plan.size, progress, f"crops of style {i}")
        for i, (key, style) in enumerate(zip((key_one, key_two), styles, strict=True), 1)
    )
    images = {}
    for i, share in enumerate(plan.shares):
        files = [folder / f"share{100 * share:g}-{sample:02d}.png" for sample in range(plan.samples)]
        missing = [k for k, file in enumerate(files) if not file.is_file()]
        if missing:
            key = jax.random.fold_in(key_shares, round(1e6 * share))
            _make_share(key, vgg, target, (one, two), share, files, missing, plan, progress)
        images[share] = np.stack([load_image(file) for file in files])
        progress("images", (i + 1) * plan.samples, len(plan.shares) * plan.samples)
    return Study(plan, vgg, target, (styles[0], styles[1]), (one, two), images)


def _make_share(
    key: jax.Array,
    vgg: VGG19,
    target: np.ndarray,
    grams: tuple[np.ndarray, np.ndarray],
    share: float,
    files: Sequence[Path],
    missing: Sequence[int],
    plan: Plan,
    progress: Progress,
) -> None:
    blend = fit_blend(*grams, share)
    wanted = blend.mixture.sample(key, plan.samples, plan.sampler)  # type: ignore[arg-type]
    for first in range(0, len(missing), _TOGETHER):
        these = np.asarray(missing[first : first + _TOGETHER])
        name = f"share {100 * share:g} %, images {', '.join(str(k + 1) for k in these)}"
        try:
            made = stylise(
                vgg,
                target,
                [layer[these] for layer in wanted],
                blend.weights,
                np.repeat(target[None], len(these), axis=0),
                TransferSettings(steps=plan.steps),
                progress,
                name,
            )
        except ValueError as error:
            raise RequestError(str(error)) from error
        for k, image in zip(these, made.images, strict=True):
            save_image(files[k], image)


def _digest(plan: Plan) -> str:
    """Of all that an image depends on: two plans that make the same images share a folder, whatever their shares."""
    fields = plan._asdict()
    del fields["shares"]
    for name in ("target", "style1", "style2"):
        fields[name] = hashlib.sha256(fields[name].read_bytes()).hexdigest()
    fields |= TransferSettings(steps=plan.steps)._asdict() | {"seen": _SEEN}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]
