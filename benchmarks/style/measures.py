"""Measurements of `python -m benchmarks style`: fits, samplers, blending, diversity."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fbgmm.nn.style.blending import blended, blending_ratio, fit_blend
from fbgmm.nn.style.gram_matrices import STYLE_LAYERS, psd_gap
from fbgmm.nn.style.gram_mixture import SAMPLERS, GramMixture
from fbgmm.nn.style.transfer import Stylised, TransferSettings, grams_of
from fbgmm.nn.train.progress import Progress

from ..harness import report
from ..harness.timing import added_memory, race, seconds_of
from ..methods.timed import kdepy_fft, sklearn_em
from .pictures import Paths, Pictures, made_of, prepare
from .run import Sizes

_SHARE = 0.2  # at which the diversity is measured
_WEIGHTS = 1.0, 4.0, 16.0  # of the style in Gatys' arms, over the usual

_FIT = """
import numpy as np, jax
from fbgmm.nn.style.gram_mixture import GramMixture
data = np.random.default_rng(0).random(({crops}, 305888), np.float32)
before()
jax.block_until_ready(GramMixture.fit(data).mixture.pi)
"""


class Study(NamedTuple):
    """What all parts need."""

    sizes: Sizes
    key: jax.Array
    pictures: Pictures


def study_of(sizes: Sizes, seed: int, paths: Paths, progress: Progress) -> Study:
    """Pictures, network and the Gram matrices of crops."""
    key, *keys = jax.random.split(jax.random.key(seed), 3)
    return Study(sizes, key, prepare(keys, paths, sizes.size, sizes.crops, progress))


def fits(study: Study, progress: Progress) -> list[dict[str, Any]]:
    """Seconds and memory of one call for all entries, and of loops over them."""
    data = blended(*study.pictures.grams, 0.5)
    ((name, timing),) = race({"fbgmm, one call": lambda: GramMixture.fit(data).mixture.pi}, 5, budget=600)
    memory, _ = added_memory(_FIT.format(crops=study.sizes.crops))
    E = data.shape[1]
    rows = [_fit_row(name, E, timing.median, E, round(memory))]
    wide = np.flatnonzero(np.ptp(data, axis=0) > 0)
    some = np.random.default_rng(0).choice(wide, study.sizes.entries, replace=False)
    columns = [np.ascontiguousarray(data[:, e], np.float64) for e in some]
    for name, peer in (("KDEpy FFTKDE, loop", kdepy_fft), ("scikit-learn EM, 8 components, loop", sklearn_em)):
        scaled = [column / column.max() for column in columns]  # their tolerances mind the units
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # KDEpy warns of entries that are zero in most crops
            try:
                peer(scaled[0])
            except ModuleNotFoundError:  # a peer that is not installed has no row
                continue
            spent = seconds_of(partial(list, map(peer, scaled)))
        rows.append(_fit_row(name, len(some), spent, E, "-"))
        progress("fits", len(rows), 3)
    return rows


def _fit_row(name: str, fitted: int, seconds: float, entries: int, memory: Any) -> dict[str, Any]:
    whole = seconds * entries / fitted
    return {"method": name, "entries_fitted": fitted, "seconds": seconds, "seconds_for_all": whole, "MiB_added": memory}


def samplers(study: Study, progress: Progress) -> list[dict[str, Any]]:
    """Distance from positive semi-definite, of each sampler and layer."""
    blend = fit_blend(*study.pictures.grams, 0.5)
    rows = []
    for i, sampler in enumerate(SAMPLERS):
        layers = blend.mixture.sample(study.key, study.sizes.images, sampler)
        gaps = {name: float(psd_gap(G).mean()) for name, G in zip(STYLE_LAYERS, layers, strict=True)}
        rows.append({"sampler": sampler, **gaps})
        progress("samplers", i + 1, len(SAMPLERS))
    return rows


def blending(study: Study, progress: Progress) -> list[dict[str, Any]]:
    """D1/(D1 + D2) of the images and of the data set's mean, for each share and sampler."""
    one, two = (jnp.asarray(grams.mean(axis=0)) for grams in study.pictures.grams)
    settings = TransferSettings(steps=study.sizes.steps)
    rows = []
    for share in study.sizes.shares:
        blend = fit_blend(*study.pictures.grams, share)
        row: dict[str, Any] = {"share": share}
        for sampler in SAMPLERS:
            wanted = blend.mixture.sample(study.key, study.sizes.images, sampler)
            start = np.repeat(study.pictures.target[None], study.sizes.images, axis=0)
            what = f"share {share:g}, {sampler}"
            made = made_of(study.pictures, blend, wanted, start, settings, progress, what)
            row[sampler] = report.estimate(
                np.asarray(blending_ratio(grams_of(study.pictures.vgg, made.images), one, two))
            )._asdict()
        rows.append(row)
    return rows


def diversity(study: Study, progress: Progress) -> list[dict[str, Any]]:
    """Mean pairwise distances among images of sampled Gram matrices, and among restarts of Gatys' method."""
    images, blend = study.sizes.images, fit_blend(*study.pictures.grams, _SHARE)
    key_noise, key_samples = jax.random.split(study.key)
    noise = np.asarray(jax.random.uniform(key_noise, (images, *study.pictures.target.shape), jnp.float32, 0, 255))
    same = np.repeat(noise[:1], images, axis=0)
    usual = TransferSettings(steps=study.sizes.steps)
    rows: list[dict[str, Any]] = []
    for sampler in SAMPLERS:
        wanted = blend.mixture.sample(key_samples, images, sampler)
        made = made_of(study.pictures, blend, wanted, same, usual, progress, f"diversity, {sampler}")
        rows.append({"images": f"sampled, {sampler}", **_measured(study, made)})
    mean = [jnp.broadcast_to(G, (images, *G.shape[1:])) for G in blend.mixture.mean()]
    for factor in _WEIGHTS:
        settings = usual._replace(style_weight=factor * usual.style_weight)
        made = made_of(study.pictures, blend, mean, noise, settings, progress, f"diversity, Gatys {factor:g}")
        rows.append({"images": f"Gatys, style weight × {factor:g}", **_measured(study, made)})
    return [*rows, _at_content(rows[len(SAMPLERS) :], rows[SAMPLERS.index("copula")]["content_loss"])]


def _at_content(rows: Sequence[dict[str, Any]], content: float) -> dict[str, Any]:
    """Rows interpolated at a content loss; at the nearest one where it lies outside."""
    ordered = sorted(rows, key=lambda row: row["content_loss"])
    at = [row["content_loss"] for row in ordered]
    names = list(rows[0])[1:]
    found = {name: float(np.interp(content, at, [row[name] for row in ordered])) for name in names}
    return {"images": "Gatys, at the copula's content loss", **found}


def _measured(study: Study, made: Stylised) -> dict[str, float]:
    pairs = list(combinations(range(len(made.images)), 2))
    pixels = np.mean([np.sqrt(np.mean((made.images[i] - made.images[j]) ** 2)) for i, j in pairs])
    maps = [study.pictures.vgg(jnp.asarray(image)[None]) for image in made.images]
    features = np.mean([_apart(maps[i][name], maps[j][name]) for i, j in pairs for name in STYLE_LAYERS])
    return {
        "content_loss": float(made.content.mean()),
        "pixel_distance": float(pixels),
        "feature_distance": float(features),
    }


def _apart(a: jax.Array, b: jax.Array) -> float:
    """Distance of two feature maps over the root of the mean of their squared norms."""
    return float(jnp.linalg.norm(a - b) / jnp.sqrt((jnp.sum(a**2) + jnp.sum(b**2)) / 2))
