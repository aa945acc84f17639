"""Figures 11 to 13 and the animation: the application of section 3.2.2, from two paintings to their blends.

Finished images are kept below the folder of the figures; a run that was killed goes on with those that are missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import jax
from matplotlib.figure import Figure

from fbgmm.nn.train.progress import Progress

from ..request import Request
from . import animation, figures
from .images import make, planned


def draw(request: Request, out: Path, progress: Progress) -> Iterator[tuple[str, Figure]]:
    """Names and figures, in the paper's order; the animation is written before them."""
    plan = planned(request)
    study = make(plan, out, progress)
    frames = animation.frames(study.images)
    print(animation.write_gif(frames, out / "figure13.gif"))
    try:
        print(animation.write_mp4(frames, out / "figure13.mp4"))
    except ModuleNotFoundError as error:
        print(f"no MP4: {error}", file=sys.stderr)
    yield "figure11", figures.draw_grams(study)
    yield "figure12", figures.draw_process(jax.random.key(plan.seed), study)
    yield "figure13", figures.draw_blends(study)
