"""The command `fbgmm`: its arguments and exit codes. What the commands do is in `fbgmm.cli.commands`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

OK, FAILED, BAD_REQUEST = 0, 1, 2
"""Exit codes. Bad requests are arguments, files and data that cannot be used; argparse exits with 2 as well."""

DATA = "a .csv, .tsv, .parquet or .npy file, of tables also .gz; - or a pipe for a table in CSV"
COLUMN = "name of the column; its position, from 1, where there is no header; not needed where there is only one"
MODEL = "a file of fbgmm fit or fbgmm.save, .npz or .json"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; messages go to standard error."""
    options = parser().parse_args(argv)
    from ..compiling import keep_programs
    from .commands import COMMANDS  # with JAX, which --help and wrong arguments need not wait for

    keep_programs()
    try:
        COMMANDS[options.command](options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads our output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ValueError, FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        return _report_error(options, error, BAD_REQUEST)
    except (OSError, ModuleNotFoundError) as error:
        return _report_error(options, error, FAILED)
    except KeyboardInterrupt:
        return FAILED
    return OK


def _report_error(options: argparse.Namespace, error: Exception, code: int) -> int:
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    print(f"fbgmm {options.command}: {text}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """The arguments of all commands."""
    top = argparse.ArgumentParser(
        prog="fbgmm",
        description="Density estimation with Gaussians on a fixed basis.",
        epilog="Exit codes: 0 done, 2 a request that cannot be met, 1 any other failure. "
        "JAX_ENABLE_X64=1 in the environment computes in double precision.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    fit = _command(commands, "fit", "fit a density to one column of numbers")
    fit.description = (
        "Fits a density to one column. Without --n, --t and --algorithm the data choose the smoothing; they are then "
        "read into memory. With one of them, or where they are more than --memory holds, they are read as a stream, "
        "twice unless --low and --high are given, and what is not given is n = 200, t = 2, algorithm 2."
    )
    fit.add_argument("data", help=DATA)
    fit.add_argument("--column", metavar="NAME", help=COLUMN)
    fit.add_argument("--out", metavar="FILE", help="where to save the fit: .npz or .json")
    fit.add_argument("--plot", metavar="FILE", help="where to draw it: .png, .pdf or .svg (needs matplotlib)")
    fit.add_argument("--n", type=_positive_integer, help="number of Gaussians")
    fit.add_argument("--t", type=_positive, help="sigma in units of the spacing of the means, usually 1 to 5")
    fit.add_argument("--algorithm", type=int, choices=(1, 2), help="of the paper")
    fit.add_argument("--low", type=float, help="low end of the range; default: the least number")
    fit.add_argument("--high", type=float, help="high end of the range; default: the greatest number")
    fit.add_argument(
        "--outside",
        choices=("end", "drop"),
        default="end",
        help="count points beyond the range at its ends, or drop them",
    )
    fit.add_argument(
        "--memory",
        type=_positive_integer,
        default=1024,
        metavar="MIB",
        help="most memory for data read at once, 8 bytes a number; default: 1024",
    )

    sample = _command(commands, "sample", "draw from a fitted density")
    sample.add_argument("model", help=MODEL)
    sample.add_argument("count", type=_positive_integer, help="how many")
    sample.add_argument("--seed", type=_seed, default=0, help="of the random numbers, below 2^32; default: 0")
    sample.add_argument("--out", metavar="FILE", help="a .npy or .csv file; default: standard output, one a line")

    score = _command(commands, "score", "the log-likelihood of data under a fitted density")
    score.add_argument("model", help=MODEL)
    score.add_argument("data", help=DATA)
    score.add_argument("--column", metavar="NAME", help=COLUMN)
    score.add_argument("--each", action="store_true", help="print the log density of each row instead")

    info = _command(commands, "info", "what a file of a fitted density holds")
    info.add_argument("model", help=MODEL)
    return top


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, words: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def _positive_integer(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; found {text}")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not -(2**31) <= number < 2**32:
        raise argparse.ArgumentTypeError(f"must be from -2^31 to 2^32 - 1; found {text}")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0; found {text}")
    return number


_positive_integer.__name__, _seed.__name__, _positive.__name__ = (
    "integer",
    "integer",
    "number",
)  # argparse says: invalid integer value
