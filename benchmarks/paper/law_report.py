"""`python -m benchmarks ambiguities --targets`: the search for the law of the random targets, as a table."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..harness.environment import description, use_precision
from ..harness.report import Sheet, progress_bar, publish
from .config import ConfigError
from .law_losses import ALL_VALUES
from .law_search import FITTED, LEVEL, PAPER, WIDTH, Scored, Search, departures, grid, near_range, search
from .targets import LAWS, Law

EXPERIMENTS, QUICK_EXPERIMENTS = 1000, 16
SEED = 1
SHOWN = 12  # the best laws that the table has


def run(out: Path, experiments: int | None, seed: int | None, quick: bool, console: Console) -> None:
    """Searches, writes `targets.json` and `targets.md`, and prints them."""
    few_or_all = QUICK_EXPERIMENTS if quick else EXPERIMENTS
    experiments = few_or_all if experiments is None else experiments
    if experiments < 2:
        raise ConfigError(f"experiments must be at least 2; found {experiments}")
    seed = SEED if seed is None else seed
    laws = grid()
    with progress_bar() as progress, use_precision("float32"):
        bar = progress.add_task(f"{len(laws)} laws, {WIDTH} at a time", total=None)
        found = search(laws, experiments, seed, partial(progress.advance, bar))
    by_law = {one.law: one for one in found.scored}
    shown = {f"{i}": one for i, one in enumerate(found.scored[:SHOWN], 1)} | {
        "chosen here": found.chosen,
        "default": by_law[LAWS["normal"]],
        "former": by_law[LAWS["normal-1"]],
    }
    sheets = [_laws_sheet(found, shown, len(laws), experiments), _ratios_sheet(shown)]
    record = {
        "laws": [_record(one) for one in found.scored],
        "chosen": _record(found.chosen),
        "tried": len(laws),
        "experiments": experiments,
        "seed": seed,
        **description("float32"),
    }
    publish(out, "targets", record, sheets, console)


def _laws_sheet(found: Search, shown: dict[str, Scored], tried: int, experiments: int) -> Sheet:
    header = ["", "law", "misfit", "± own", "if true", "chance", "worst ratios"]
    lines = []
    for name, one in shown.items():
        numbers = [f"{number:.3f}" for number in (one.misfit, one.own_noise, one.expected)]
        lines.append([name, law_words(one.law), *numbers, f"{one.chance:.2f}", _worst(one)])
    within = sum(one.within_noise for one in found.scored)
    moved = "; ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in near_range(found).items())
    note = (
        f"{tried} laws for normal targets, each with 4 for mixed ones, on up to {experiments} targets for each value. "
        "Misfit: the root mean square of log(ours/paper) over Algorithm 2's values, without n = 1000 at 20,000 points "
        "and n = 100 at 50,000, which contradict their neighbours in the paper; ± own: its standard error from the "
        "number of our targets; if true: the misfit that means over the paper's 20 or 30 targets would have, were the "
        "law the paper's; chance: how often the best of all laws would then beat it by as much as it does. "
        f"{within} of the {len(found.scored)} laws measured last are within the noise of the best (chance ≥ {LEVEL}). "
        "The law chosen here is the simplest of these: weights ∝ U and locations uniform if that is within the noise, "
        f"and then the least misfit. With the rest as chosen, these stay within the noise: {moved}."
    )
    return Sheet("The law of the random targets, from the paper's values for Algorithm 2", header, lines, note)


def law_words(law: Law) -> str:
    """A law in words."""
    low, high, power, normal, reach, half_width, most_df = (float(number) for number in law)
    weights = "∝ U" if power == 1 else f"∝ U^{power:g}"
    locations = f"N(0, {reach:g}²)" if normal else f"U(−{reach:g}, {reach:g})"
    uniform = "± scale" if half_width == 1 else "of sd = scale"
    parts = f"sd U({low:g}, {high:g})", f"weights {weights}", f"locations {locations}"
    return f"{', '.join(parts)}; Uniform {uniform}, df 2 … {most_df:g}"


def _worst(one: Scored) -> str:
    """The least and the greatest ratio, of normal and of mixed targets, without those that contradict themselves."""
    ratios = one.means / PAPER
    mixed = np.array([value.family == "mixed" for value in ALL_VALUES])
    parts = (ratios[FITTED & ~mixed], ratios[mixed])
    return ", ".join(f"{part.min():.2f} to {part.max():.2f}" for part in parts)


def _ratios_sheet(shown: dict[str, Scored]) -> Sheet:
    """Ours over the paper's, value by value."""
    lines = []
    for j, value in enumerate(ALL_VALUES):
        star = "" if FITTED[j] else " *"
        ratios = [f"{one.means[j] / PAPER[j]:.2f}" for one in shown.values()]
        lines.append([f"{value}{star}", f"{PAPER[j]:.4f}", *ratios])
    note = "* not fitted: it contradicts its neighbours in the paper's own table."
    return Sheet("Ours over the paper's, by law", ["", "paper", *shown], lines, note)


def _record(one: Scored) -> dict[str, Any]:
    """A law for JSON."""
    ratios = {str(v): float(ratio) for v, ratio in zip(ALL_VALUES, one.means / PAPER, strict=True)}
    kept = {name: float(getattr(one, name)) for name in ("misfit", "own_noise", "expected", "chance")}
    law = {name: float(number) for name, number in one.law._asdict().items()}
    return {"law": law, "departures": departures(one.law), **kept, "ratios": ratios}
