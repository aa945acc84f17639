"""`python -m benchmarks ambiguities`: what the paper leaves open, the reading taken, and what others would do.

The points stand in open_points.toml. Most measurements are sweeps over readings by name; what no config can say is
measured in `other_definitions`, and many readings of Algorithm 1 at once in `algorithm1_readings`.
"""

from __future__ import annotations

import argparse
import math
import tomllib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from scipy.special import stdtrit

from ..harness.environment import description, use_precision
from ..harness.report import Estimate, Sheet, estimate, median_estimate, progress_bar, publish, ratio_estimate
from ..methods.names import Name
from . import law_report
from .algorithm1_readings import AS_PRINTED, DEFAULT, READINGS, nearest, paper_ratios, readings_losses
from .config import Config, make_config
from .other_definitions import DATA_SIZE, KIND, WIDTHS, N, other_losses
from .printed_values import paper_loss
from .sweep import Result, run_config
from .targets import FAMILIES

POINTS = Path(__file__).parent / "open_points.toml"

EXPERIMENTS = 100
QUICK_EXPERIMENTS = 8

COMPONENTS, TABLE_3_SIZE = (100, 200, 500), 20_000


def note(experiments: int) -> str:
    return (
        f"Losses are those of Eq. 9, with 95 % intervals over {experiments} experiments; differences are between "
        "losses on the same targets and samples. Unless a line says otherwise: Algorithm 2 as in row 1, n = 200, 5000 "
        "points, targets of 8 Normal components; three numbers are for σ = 1r / 2r / 3r."
    )


class Measured(NamedTuple):
    """A number with its 95 % interval, if it has one; `at` says where, if the quantity was measured at several."""

    quantity: str
    mean: float | None
    ci95: tuple[float, float] | None
    at: str = ""


class OpenPoint(NamedTuple):
    """An open point: what the paper says, the reading taken and why, and what was measured."""

    number: str
    paper: str
    reading: str
    measured: list[Measured]

    def effect(self) -> str:
        """The measurements in words, one line for each quantity."""
        lines = []
        for quantity, group in groupby(self.measured, key=lambda measured: measured.quantity):
            numbers = " / ".join(str(Estimate(measured.mean, measured.ci95)) for measured in group)
            lines.append(f"{quantity}: {numbers}")
        return "\n".join(lines) or "nothing to measure"


class Evidence:
    """What was measured: the losses of the sweep's cells, those of other definitions and of readings of Algorithm 1."""

    def __init__(
        self, results: Sequence[Result], definitions: dict[str, np.ndarray], readings: tuple[np.ndarray, np.ndarray]
    ) -> None:
        self.definitions = definitions
        self.readings = readings
        self._losses = {result.cell[:5]: result.losses for result in results}

    def measured(self, wanted: dict[str, Any]) -> list[Measured]:
        """What an entry of `measured` in open_points.toml asks for."""
        if "definition" in wanted:
            values = self.definitions[wanted["definition"]]
            values = values - self.definitions[wanted["minus"]] if "minus" in wanted else values
            columns = zip(WIDTHS, values.T, strict=True)
            return [Measured(wanted["quantity"], *estimate(column), f"σ = {t:g}r") for t, column in columns]
        kind, sizes = wanted.get("kind", KIND), wanted.get("n")
        places = [(n, 3.0, TABLE_3_SIZE) for n in sizes] if sizes else [(N, t, DATA_SIZE) for t in WIDTHS]
        found = []
        for n, t, data_size in places:
            at = f"σ = {t:g}r" if sizes is None else f"n = {n}" if len(sizes) > 1 else ""
            found.append(Measured(wanted["quantity"], *self._summary(wanted, kind, n, t, data_size), at))
        return found

    def _summary(self, wanted: dict[str, Any], kind: str, n: int, t: float, data_size: int) -> Estimate:
        def losses(algorithm: Name) -> np.ndarray:
            return self._losses[kind, algorithm, n, t, data_size]

        values = losses(wanted["losses"]) - (losses(wanted["minus"]) if "minus" in wanted else 0)
        if "half_width_of" in wanted:
            number = wanted["half_width_of"]
            return Estimate(float(stdtrit(number - 1, 0.975) * values.std(ddof=1) / math.sqrt(number)), None)
        return {
            "mean": lambda: estimate(values),
            "median": lambda: median_estimate(values),
            "largest": lambda: Estimate(float(values.max()), None),
            "paper": lambda: Estimate(paper_loss(kind, wanted["losses"], n, t, data_size), None),
        }[wanted.get("summary", "mean")]()

    def ratios_of_algorithm_1(self) -> list[Measured]:
        """Ratios of Algorithm 1's losses to Algorithm 2's: the paper's, the default reading's, the nearest ones'."""
        ours, theirs = self.readings
        wanted = paper_ratios()
        ratios = ours.mean(axis=0) / theirs.mean(axis=0)[:, None]
        places = [f"σ = {t:g}r" for t in WIDTHS]
        found = [Measured("the paper", float(r), None, at) for r, at in zip(wanted, places, strict=True)]
        shown = {
            "the default": READINGS.index(DEFAULT),
            f"the nearest of {AS_PRINTED}": nearest(ratios[:, :AS_PRINTED], wanted),
            f"the nearest of {len(READINGS)}": nearest(ratios, wanted),
        }
        for name, i in shown.items():
            quantity = f"{name}: {READINGS[i].words()}"
            found += [
                Measured(quantity, *ratio_estimate(ours[:, j, i], theirs[:, j]), at) for j, at in enumerate(places)
            ]
        return found


def grids(experiments: int, seed: int) -> list[Config]:
    """The sweeps that the points draw on."""
    common = {"experiments": experiments, "seed": seed}
    readings = [
        *(1, "1:point_side", "1:short_mid"),
        *(2, "2:minus_dL_over_n", "2:minus_dL_over_n_clipped", "2:minus_dL_over_N"),
    ]
    by_width = {"n": N, "t": list(WIDTHS), "data_size": DATA_SIZE}
    return [
        make_config({"kind": KIND, "algorithm": readings, **by_width, **common}),
        make_config({"kind": "mixed", "algorithm": [1, 2], **by_width, **common}),
        make_config({"kind": ["normal-1", "mixed-1"], "algorithm": 2, **by_width, **common}),
        make_config({"kind": FAMILIES, "algorithm": 2, "n": COMPONENTS, "t": 3, "data_size": TABLE_3_SIZE, **common}),
    ]


def open_points(evidence: Evidence) -> list[OpenPoint]:
    """The points of open_points.toml with what was measured, in the order of the reproduction notes."""
    found = []
    for point in tomllib.loads(POINTS.read_text(encoding="utf-8"))["point"]:
        measured = [one for wanted in point.get("measured", []) for one in evidence.measured(wanted)]
        measured += evidence.ratios_of_algorithm_1() if "readings_of_algorithm_1" in point else []
        found.append(OpenPoint(point["number"], point["paper"], point["reading"], measured))
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    searched = "look for the law of the random targets that meets the paper's values for Algorithm 2, and only that"
    parser.add_argument("--targets", action="store_true", help=searched)
    number = parser.add_mutually_exclusive_group()
    default = f"{EXPERIMENTS}; with --targets {law_report.EXPERIMENTS}"
    number.add_argument("--experiments", type=int, help=f"for each number ({default})")
    number.add_argument("--quick", action="store_true", help="few experiments")
    seeds = f"0; with --targets {law_report.SEED}, so that the tables' targets are not those that were fitted to"
    parser.add_argument("--seed", type=int, help=f"of the random targets and samples ({seeds})")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks ambiguities`."""
    if arguments.targets:
        law_report.run(arguments.out, arguments.experiments, arguments.seed, arguments.quick, console)
        return
    few_or_all = QUICK_EXPERIMENTS if arguments.quick else EXPERIMENTS
    experiments = few_or_all if arguments.experiments is None else arguments.experiments
    seed = arguments.seed or 0
    configs = grids(experiments, seed)
    with progress_bar() as progress:
        results = [
            result
            for number, config in enumerate(configs, 1)
            for result in run_config(config, arguments.out, progress, f"sweep {number} of {len(configs)}")
        ]
        with use_precision(configs[0].precision):
            definitions = other_losses(experiments, seed)
            readings = readings_losses(experiments, seed)
    found = open_points(Evidence(results, definitions, readings))
    record = {
        "rows": [{**row._asdict(), "measured": [measured._asdict() for measured in row.measured]} for row in found],
        "experiments": experiments,
        "seed": seed,
        **description(configs[0].precision),
    }
    header = ["#", "the paper", "the reading taken", "measured"]
    lines = [[row.number, row.paper, row.reading, row.effect()] for row in found]
    sheet = Sheet("What the paper leaves open", header, lines, note(experiments))
    # Four columns of prose do not fit a screen.
    publish(arguments.out, "ambiguities", record, [sheet], console, shown=lambda sheet: False)
    for row in found:
        console.print(f"\n[bold]{row.number}[/bold] {escape(row.paper)}", highlight=False)
        console.print(Padding(escape(row.reading), (0, 0, 0, 4)), highlight=False)
        console.print(Padding(escape(row.effect()), (0, 0, 0, 4)), style="cyan", highlight=False)
    console.print("\n" + note(experiments), highlight=False)
