"""`python -m benchmarks style`: style transfer with sampled Gram matrices in numbers. Needs the extra `nn`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from ..harness import cells, environment, report
from ..paper.config import ConfigError

PARTS = "fits", "samplers", "blending", "diversity"


class Sizes(NamedTuple):
    """How large the study is.

    Attributes:
        size: pixels of an image's longer side.
        crops: of each style.
        images: of each share and sampler, and of each arm of the diversity.
        steps: evaluations of the network for each image.
        shares: of the second style.
        entries: fitted one by one by the peers, from which their time for all is extrapolated.
    """

    size: int = 128
    crops: int = 100
    images: int = 10
    steps: int = 60
    shares: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
    entries: int = 300


QUICK = Sizes(size=64, crops=16, images=2, steps=12, shares=(0.0, 0.5, 1.0), entries=20)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="+", metavar="PART", default=PARTS, help=f"{', '.join(PARTS)} (all)")
    parser.add_argument("--style1", type=Path, help="target and first style (The Starry Night of FBGMM_DATA)")
    parser.add_argument("--style2", type=Path, help="second style (Sunflowers of FBGMM_DATA)")
    for name in ("size", "crops", "images", "steps"):
        usual, quick = getattr(Sizes(), name), getattr(QUICK, name)
        parser.add_argument(f"--{name}", type=int, help=f"({usual}; {quick} with --quick)")
    parser.add_argument("--seed", type=int, default=0, help="of crops, samples and noise (0)")
    parser.add_argument("--quick", action="store_true", help="small images, few of them")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks style`."""
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        raise ConfigError(f"unknown parts {', '.join(unknown)}; allowed: {', '.join(PARTS)}")
    sizes = chosen_sizes(arguments)
    from fbgmm.nn.train.progress import progress_bars  # here: the other benchmarks do without the extra `nn`

    from . import measures, pictures

    out, paths = arguments.out, pictures.paths_of(arguments.style1, arguments.style1, arguments.style2)
    settings = {"seed": arguments.seed, **sizes._asdict()}
    with progress_bars() as progress:
        study = None
        for part in (part for part in PARTS if part in arguments.parts):
            path, measure = out / "style-cells" / f"{part}.json", getattr(measures, part)
            identity = cells.identity(measure, measures.study_of, settings, paths.digests())
            found = cells.read(path, identity)
            if found is None:
                study = study or measures.study_of(sizes, arguments.seed, paths, progress)
                found = {"rows": measure(study, progress)}
                cells.write(path, identity, found)
            record = {"part": part, **settings, **environment.description("float32"), **found}
            report.publish(out, f"style-{part}", record, [as_sheet(part, found["rows"], sizes)], console)


def chosen_sizes(arguments: argparse.Namespace) -> Sizes:
    """The sizes asked for; raises ConfigError where they are too small to measure anything."""
    sizes = QUICK if arguments.quick else Sizes()
    names = "size", "crops", "images", "steps"
    sizes = sizes._replace(**{n: getattr(arguments, n) for n in names if getattr(arguments, n) is not None})
    for name, least in zip(names, (32, 2, 2, 1), strict=True):
        if getattr(sizes, name) < least:
            raise ConfigError(f"{name} must be {least} or more; found {getattr(sizes, name)}")
    return sizes


_TITLES = {
    "fits": "Mixtures of all entries of the Gram matrices: seconds",
    "samplers": "How far from positive semi-definite: distance over norm, mean over the samples, at equal shares",
    "blending": "Blending D1/(D1 + D2) of the images, mean and 95 % interval, against the share of the second style",
    "diversity": "How much the images of one setting differ, at the content loss they have",
}

_NOTES = {
    "fits": "Peers fit entries one by one; their time for all is extrapolated from the number fitted.",
    "diversity": "Gatys' method goes from other noise each time to the mean Gram matrix of the crops; ours goes from "
    "one noise image to sampled ones. The last row is Gatys' at the content loss of the copula, interpolated over its "
    "style weights.",
}


def as_sheet(part: str, rows: list[dict[str, Any]], sizes: Sizes) -> report.Sheet:
    """Rows of equal keys as a table; estimates as mean and interval."""
    title = f"{_TITLES[part]} ({sizes.size} px, {sizes.crops} crops of each style, {sizes.steps} steps)"
    lines = [[_text(value) for value in row.values()] for row in rows]
    return report.Sheet(title, [name.replace("_", " ") for name in rows[0]], lines, _NOTES.get(part, ""))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(report.Estimate(value["mean"], value["ci95"] and tuple(value["ci95"])))
    if isinstance(value, float):
        return report.digits(value)
    return str(value)
