"""Checks the tables that `python -m benchmarks tables` wrote into a folder: complete, finite, of the paper's size."""

import json
import math
import sys
from pathlib import Path

KEYS = {"kind", "algorithm", "n", "t", "data_size", "experiments", "mean", "ci95", "paper"}
ROWS = {"table1": 6, "table2": 6, "table3": 14}

folder = Path(sys.argv[1])
for name, number in ROWS.items():
    rows = json.loads((folder / f"{name}.json").read_text())["rows"]
    assert len(rows) == number, f"{name} must have {number} rows; found {len(rows)}"
    for row in rows:
        assert set(row) == KEYS, f"{name} must have the keys {sorted(KEYS)}; found {sorted(row)}"
        low, high = row["ci95"]
        assert math.isfinite(row["mean"]), f"{name}: {row}"
        assert low <= row["mean"] <= high, f"{name}: {row}"
        assert 1 / 3 < row["mean"] / row["paper"] < 3, f"{name} is not of the paper's size: {row}"
    print(f"{name}: {len(rows)} rows as they should be")
