"""The paper's figures, and more. `python -m paper_figures --help`."""

from importlib.util import find_spec

if find_spec("matplotlib") is None:
    raise ModuleNotFoundError('the figures need matplotlib; install it with: pip install -e ".[figures]"')
