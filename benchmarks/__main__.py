"""`python -m benchmarks`: regenerates the paper's tables, runs sweeps, measures what the paper leaves open."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from .methods.names import ConfigError

COMMANDS = {
    "tables": ("paper.tables", "Tables 1, 2 and 3 of the paper beside its own values"),
    "sweep": ("paper.sweep", "any grid of targets, methods, n, t, data sizes, seeds, metrics; goes on after a kill"),
    "speed": ("speed.run", "time and memory against the floor and the peers"),
    "accelerator": ("accelerator.run", "a GPU in six minutes: correctness, ways of counting, fits, applications"),
    "constants": ("accuracy.constants", "what each constant of fit(x) is worth: losses with half and with twice of it"),
    "first_calls": ("speed.first_calls", "what the first call of each kind costs in a fresh process"),
    "accuracy": ("accuracy.run", "how well densities are estimated, beside kernel estimates and EM, on 40 densities"),
    "everyday": ("everyday.run", "whether a fitted distribution is that of the data, on everyday data"),
    "new_points": ("accuracy.new_points", "what log density of new points an estimate loses beside the truth"),
    "several": ("several.run", "log density of new points in several dimensions, beside EM, kernels and a flow"),
    "mnist": ("mnist.run", "handwritten digits from densities of latent codes, beside EM and sliced Wasserstein"),
    "style": ("style.run", "style transfer: fits of Gram matrices, blending, diversity, beside Gatys' method"),
    "naive_bayes": ("naive_bayes.run", "FixedBasisNB beside GaussianNB and kernel estimates, on scikit-learn's data"),
    "regression": ("regression.run", "networks that output densities, beside other heads, on nine UCI sets"),
    "verify": ("verify.run", "whether the figures that README and docs state are those of the results"),
    "ambiguities": ("paper.ambiguities", "what the paper leaves open, the reading taken and the measured effect"),
}
"""The registry of benchmarks: module with `add_arguments` and `run`, loaded when it is asked for, and what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand; returns the exit status, 2 for a request that cannot be run."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="WHAT")
    for name, (module_name, purpose) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=purpose, description=purpose)
        subparser.add_argument("--out", type=Path, default=Path("results"), help="folder of what is written (results)")
        if name in words[:1]:
            module = importlib.import_module(f"{__package__}.{module_name}")
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    chosen = parser.parse_args(words)
    if arguments is None:
        keep_programs = importlib.import_module("fbgmm.compiling").keep_programs  # here: --help does without JAX
        keep_programs()
    try:
        chosen.run(chosen, Console())
    except (ConfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
