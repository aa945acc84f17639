"""`python -m benchmarks`: regenerates the paper's tables, runs sweeps, measures what the paper leaves open."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from fbgmm.compiling import keep_programs

from .accuracy import constants, new_points
from .accuracy import run as accuracy
from .everyday import run as everyday
from .mnist import run as mnist
from .naive_bayes import run as naive_bayes
from .paper import ambiguities, sweep, tables
from .paper.config import ConfigError
from .regression import run as regression
from .speed import first_calls
from .speed import run as speed
from .style import run as style
from .verify import run as verify

COMMANDS = {
    "tables": (tables, "Tables 1, 2 and 3 of the paper beside its own values"),
    "sweep": (sweep, "any grid of targets, algorithms, n, t, data sizes and seeds; goes on after an interruption"),
    "speed": (speed, "time and memory against the floor and the peers"),
    "constants": (constants, "what each constant of fit(x) is worth: losses with half and with twice of it"),
    "first_calls": (first_calls, "what the first call of each kind costs in a fresh process, compiling included"),
    "accuracy": (accuracy, "how well densities are estimated, beside kernel estimates and EM, on 40 test densities"),
    "everyday": (everyday, "whether a fitted distribution is that of the data, on everyday data, beside the rivals"),
    "new_points": (new_points, "what log density of new points an estimate loses beside the truth, nothing cut off"),
    "mnist": (mnist, "handwritten digits from densities of latent codes, beside EM and sliced Wasserstein distance"),
    "style": (style, "style transfer: fits of Gram matrices, blending, diversity, beside Gatys' method"),
    "naive_bayes": (naive_bayes, "FixedBasisNB beside GaussianNB and kernel estimates, on scikit-learn's data sets"),
    "regression": (regression, "networks that output densities, beside other heads, on nine UCI sets"),
    "verify": (verify, "whether the figures that README and docs state are those of the results"),
    "ambiguities": (ambiguities, "what the paper leaves open, the reading taken and the measured effect"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand; returns the exit status, 2 for a request that cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="WHAT")
    for name, (module, description) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=description, description=description)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen, Console())
    except (ConfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    keep_programs()
    sys.exit(main())
