"""What the paper leaves open: for each point the reading that the library takes, and what the others would do.

Most of it is a sweep over readings by name; what no config can say is measured in `probes`, and many readings of
Algorithm 1 at once in `algorithm1_readings`. With --targets the random targets themselves are looked for instead.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from scipy.special import stdtrit

from ..harness.environment import description, use_precision
from ..harness.files import write_json, write_text
from ..harness.report import Estimate, Sheet, estimate, median_estimate, progress_bar, ratio_estimate
from ..methods.names import Name
from . import target_report
from .algorithm1_readings import AS_PRINTED, DEFAULT, READINGS, nearest, paper_ratios, readings_losses
from .alternatives import DATA_SIZE, KIND, WIDTHS, N, probe
from .config import Config, make_config
from .printed_values import paper_loss
from .sweep import Result, run_config
from .targets import FAMILIES, Kind

EXPERIMENTS = 100
QUICK_EXPERIMENTS = 8

COMPONENTS, TABLE_3_SIZE = (100, 200, 500), 20_000

LAW = (
    "Locations uniform on (−10, 10), standard deviations uniform on (1.1, 2.3), weights proportional to uniforms; "
    "mixed targets: each component Normal, Student-t with 2 to 30 degrees of freedom or Uniform on location ± scale, "
    "with equal chance."
)


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


class Row(NamedTuple):
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
    """What the rows draw on: the losses of the sweep's cells, the probes, and the readings of Algorithm 1."""

    def __init__(
        self, results: Sequence[Result], probes: dict[str, np.ndarray], readings: tuple[np.ndarray, np.ndarray]
    ) -> None:
        self.probes = probes
        self.readings = readings
        self._losses = {result.cell[:5]: result.losses for result in results}

    def losses(
        self, algorithm: Name, t: float, kind: Kind = KIND, n: int = N, data_size: int = DATA_SIZE
    ) -> np.ndarray:
        """Losses of a cell, shape (experiments,)."""
        return self._losses[kind, algorithm, n, t, data_size]

    def cells(self, quantity: str, algorithm: Name, kind: Kind = KIND) -> list[Measured]:
        """The mean loss of an algorithm at each width."""
        return [Measured(quantity, *estimate(self.losses(algorithm, t, kind)), f"σ = {t:g}r") for t in WIDTHS]

    def excess(self, quantity: str, name: Name, over: Name, kind: Kind = KIND) -> list[Measured]:
        """The mean of an algorithm's loss minus another's on the same samples, at each width."""
        return [
            Measured(quantity, *estimate(self.losses(name, t, kind) - self.losses(over, t, kind)), f"σ = {t:g}r")
            for t in WIDTHS
        ]

    def probe(self, quantity: str, name: str, minus: str | None = None) -> list[Measured]:
        """The mean of a probe, or of its difference to another, at each width."""
        values = self.probes[name] - (0 if minus is None else self.probes[minus])
        return [
            Measured(quantity, *estimate(column), f"σ = {t:g}r") for t, column in zip(WIDTHS, values.T, strict=True)
        ]


def grids(experiments: int, seed: int) -> list[Config]:
    """The sweeps that the rows draw on."""
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


def rows(evidence: Evidence) -> list[Row]:
    """The open points, in the order of the reproduction notes."""
    return [
        Row(
            "1",
            "Line 12 of Algorithm 2 lowers every other weight by dL/n at each point, n being the number of components.",
            "Nothing is subtracted. The subtraction as printed drives weights below zero wherever the density is below "
            "its average over the range, and kept at zero it erases those regions; only without it are all weights "
            "positive and the losses those of the tables.",
            [
                *evidence.cells("no subtraction", 2),
                *evidence.cells("dL/n as printed", "2:minus_dL_over_n"),
                *evidence.cells("dL/n, weights kept at 0 or above", "2:minus_dL_over_n_clipped"),
                *evidence.cells("dL/N with N the number of points", "2:minus_dL_over_N"),
            ],
        ),
        Row(
            "2",
            "The boxes of the algorithms and Eq. 7 give k_mid the length 2d; Eq. 3 and 4, from which they come, d.",
            "Length 2d. With length d the gains and losses that a point hands out nearly cancel, so that normalising "
            "divides by almost nothing.",
            [
                *evidence.cells("Algorithm 1, length 2d", 1),
                *evidence.cells("Algorithm 1, length d, negative weights set to 0", "1:short_mid"),
                *evidence.probe("Algorithm 1, length d, negative weights kept", "short_mid_unclipped"),
            ],
        ),
        Row(
            "3",
            "The side intervals under Eq. 7 have their ends swapped; the box of Algorithm 1 puts k_side+ beside the "
            "nearest mean but k_side− beside the data point.",
            "Both beside the nearest mean mu_i: (mu_i + r − d, mu_i + r] and (mu_i − r, mu_i − r + d]. A pass is then "
            "a function of the counts alone.",
            evidence.excess("Algorithm 1 with k_side− beside the point, change of the loss", "1:point_side", 1),
        ),
        Row(
            "4",
            "Algorithm 1 takes its gradient from Eq. 11, which is about a Gram matrix in a later section.",
            "Eq. 7, the only equation that gives this gradient.",
            [],
        ),
        Row(
            "5",
            "Means are spread evenly from the smallest to the largest point, with r = range/n: n means cannot start at "
            "one end, end at the other and be r apart.",
            "The centres of n cells that tile the range, low + (i + ½)r. With means at low + i·r every point still "
            "counts for its nearest mean, so that the loss hardly changes; only weights of one choice put on means of "
            "the other cost something.",
            [
                *evidence.probe("means at low + i·r, change of the loss", "left_means", "default"),
                *evidence.probe(
                    "the density moved half a cell, change of the loss", "left_means_same_counts", "default"
                ),
            ],
        ),
        Row(
            "6",
            "Eq. 9 sums over cells mu_i ± d. Its d is not given; in the algorithms d is σ/4 or σ/6.",
            "d = r/2: then, and only then, the cells tile the line, and the bound L ≤ 2 that the paper proves holds. "
            "With d = σ/4 they leave gaps at 1r and overlap at 3r, and the order of the widths is not the paper's.",
            [
                *evidence.probe("d = r/2", "default"),
                *evidence.probe("d = σ/4", "overlapping_cells"),
            ],
        ),
        Row(
            "7",
            "σ = t·r is introduced as a variance.",
            "A standard deviation: t·r is a length, and only so is the smoothness the same in any unit of the data. "
            "As a variance, in these targets' units, it is a standard deviation of about 3r at t = 1 already, and the "
            "order of the widths turns round.",
            [*evidence.probe("standard deviation t·r", "default"), *evidence.probe("variance t·r", "variance")],
        ),
        Row(
            "8",
            "The random targets have 8 components; no other parameter is given.",
            f"{LAW} They are the simplest that are within the noise of the best, fitted to the paper's own values "
            "(`python -m benchmarks ambiguities --targets`). The former ones, standard deviations uniform on (1, 2), "
            "Uniform components with that standard deviation, 2 to 9 degrees of freedom, are the kinds normal-1 and "
            "mixed-1. With components half as wide 2r is the best width.",
            [
                *_paper_widths("Table 1, the paper", KIND),
                *evidence.cells("Table 1, ours", 2),
                *evidence.cells("Table 1, former targets", 2, "normal-1"),
                *_spread_of_tables(evidence, "Table 1, half-width of the interval with 20 targets", KIND),
                *evidence.probe("components half as wide", "narrow"),
                *evidence.probe("components twice as wide", "wide"),
                *_paper_widths("Table 2, the paper", "mixed"),
                *evidence.cells("Table 2, ours", 2, "mixed"),
                *evidence.cells("Table 2, former targets", 2, "mixed-1"),
                *_spread_of_tables(evidence, "Table 2, half-width of the interval with 20 targets", "mixed"),
            ],
        ),
        Row(
            "9",
            "Table 3 says 25 experiments in one place and 30 in another.",
            "30. The number sets the width of the interval, not the mean.",
            [_half_width(evidence, number) for number in (25, 30)],
        ),
        Row(
            "9b",
            "Table 3's targets are called mixed, and identical to those of Tables 1 and 2, which are not the same.",
            "Normal components: they meet Table 3. Mixed targets do not: Student-t outliers stretch the range, so that "
            "a cell is wider than the density's detail. The three numbers are for n = 100 / 200 / 500 at 20,000 points "
            "and σ = 3r.",
            [
                *_paper_components("the paper"),
                *_by_components(evidence, "Normal targets, mean", KIND, estimate),
                *_by_components(evidence, "mixed targets, mean", "mixed", estimate),
                *_by_components(evidence, "mixed targets, median", "mixed", median_estimate),
            ],
        ),
        Row(
            "10",
            "L is said to lie in [0, 2] below Eq. 9 and in [0, 1] in section 3.1.",
            "[0, 2]: two densities without common support reach 2.",
            [
                *evidence.probe("loss against a target far from the mixture", "elsewhere"),
                Measured("largest loss of an experiment with mixed targets, n = 100", _largest_loss(evidence), None),
            ],
        ),
        Row(
            "11",
            "Algorithms 1 and 2 agree to the second or third digit in Tables 1 and 2.",
            "Measured, not tuned. On Normal targets Algorithm 1 is better at 1r and 2r, and at 3r it smooths too much. "
            "Its negative weights are set to zero before normalising, which changes next to nothing.",
            [
                *evidence.excess("Algorithm 1 − Algorithm 2, Normal targets", 1, 2),
                *evidence.excess("Algorithm 1 − Algorithm 2, mixed targets", 1, 2, "mixed"),
                *evidence.probe("share of Algorithm 1's weights that are below 0", "negative_weights"),
                *evidence.probe("their share of Σ|pi|", "negative_share"),
                *evidence.probe("loss with negative weights − with them set to 0", "unclipped", "clipped"),
            ],
        ),
        Row(
            "11b",
            "Algorithm 1's loss over Algorithm 2's in Table 1 is 1.034, 1.001, .996.",
            f"The reading of rows 2, 3 and 11, though it is not the nearest. Of {AS_PRINTED} readings (k_mid of length "
            "d or 2d; k_side of length d or 2d, ending r or r/2 from the mean; their mean, sum, greater, lesser, or "
            "one of them; d = σ/4, σ/6 or σ/12; negative parts of the kernel, or of the weights, kept or set to 0) "
            "none has these ratios; nor has one of those with k_side about that point, or beginning there.",
            _readings(evidence),
        ),
    ]


def _paper_widths(quantity: str, kind: Kind) -> list[Measured]:
    return [Measured(quantity, paper_loss(kind, 2, N, t, DATA_SIZE), None, f"σ = {t:g}r") for t in WIDTHS]


def _spread_of_tables(evidence: Evidence, quantity: str, kind: Kind) -> list[Measured]:
    return [Measured(quantity, _half(evidence.losses(2, t, kind), 20), None, f"σ = {t:g}r") for t in WIDTHS]


def _readings(evidence: Evidence) -> list[Measured]:
    """The ratios of Algorithm 1's losses to Algorithm 2's: the paper's, the default reading's, the nearest ones'."""
    ours, theirs = evidence.readings
    wanted = paper_ratios()
    ratios = ours.mean(axis=0) / theirs.mean(axis=0)[:, None]
    found = [Measured("the paper", float(ratio), None, f"σ = {t:g}r") for t, ratio in zip(WIDTHS, wanted, strict=True)]
    shown = {
        "the default": READINGS.index(DEFAULT),
        f"the nearest of {AS_PRINTED}": nearest(ratios[:, :AS_PRINTED], wanted),
        f"the nearest of {len(READINGS)}": nearest(ratios, wanted),
    }
    for name, i in shown.items():
        found += [
            Measured(f"{name}: {READINGS[i].words()}", *ratio_estimate(ours[:, j, i], theirs[:, j]), f"σ = {t:g}r")
            for j, t in enumerate(WIDTHS)
        ]
    return found


def _largest_loss(evidence: Evidence) -> float:
    return float(evidence.losses(2, 3.0, "mixed", 100, TABLE_3_SIZE).max())


def _half_width(evidence: Evidence, number: int) -> Measured:
    losses = evidence.losses(2, 3.0, n=200, data_size=TABLE_3_SIZE)
    quantity = f"half-width of the interval at n = 200, 20,000 points, with {number} experiments"
    return Measured(quantity, _half(losses, number), None)


def _half(losses: np.ndarray, number: int) -> float:
    """Half the width of the 95 % interval of a mean over `number` experiments with the spread of these losses."""
    return float(stdtrit(number - 1, 0.975) * losses.std(ddof=1) / math.sqrt(number))


def _paper_components(quantity: str) -> list[Measured]:
    return [Measured(quantity, paper_loss(KIND, 2, n, 3.0, TABLE_3_SIZE), None, f"n = {n}") for n in COMPONENTS]


def _by_components(
    evidence: Evidence, quantity: str, kind: Kind, summary: Callable[[np.ndarray], Estimate]
) -> list[Measured]:
    return [
        Measured(quantity, *summary(evidence.losses(2, 3.0, kind, n, TABLE_3_SIZE)), f"n = {n}") for n in COMPONENTS
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of all that is written (results)")
    searched = "look for the law of the random targets that meets the paper's values for Algorithm 2, and only that"
    parser.add_argument("--targets", action="store_true", help=searched)
    number = parser.add_mutually_exclusive_group()
    default = f"{EXPERIMENTS}; with --targets {target_report.EXPERIMENTS}"
    number.add_argument("--experiments", type=int, help=f"for each number ({default})")
    number.add_argument("--quick", action="store_true", help="few experiments")
    seeds = f"0; with --targets {target_report.SEED}, so that the tables' targets are not those that were fitted to"
    parser.add_argument("--seed", type=int, help=f"of the random targets and samples ({seeds})")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """`python -m benchmarks ambiguities`."""
    if arguments.targets:
        target_report.run(arguments.out, arguments.experiments, arguments.seed, arguments.quick, console)
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
            probes = probe(experiments, seed)
            readings = readings_losses(experiments, seed)
    found = rows(Evidence(results, probes, readings))
    record = {
        "rows": [{**row._asdict(), "measured": [measured._asdict() for measured in row.measured]} for row in found],
        "experiments": experiments,
        "seed": seed,
        **description(configs[0].precision),
    }
    header = ["#", "the paper", "the reading taken", "measured"]
    lines = [[row.number, row.paper, row.reading, row.effect()] for row in found]
    write_json(arguments.out / "ambiguities.json", record)
    sheet = Sheet("What the paper leaves open", header, lines, note(experiments))
    write_text(arguments.out / "ambiguities.md", sheet.markdown())
    for row in found:  # four columns of prose do not fit a screen
        console.print(f"\n[bold]{row.number}[/bold] {escape(row.paper)}", highlight=False)
        console.print(Padding(escape(row.reading), (0, 0, 0, 4)), highlight=False)
        console.print(Padding(escape(row.effect()), (0, 0, 0, 4)), style="cyan", highlight=False)
    console.print("\n" + note(experiments), highlight=False)
