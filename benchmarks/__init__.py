"""The harness: targets, sweeps, tables and speed. `python -m benchmarks --help`."""
