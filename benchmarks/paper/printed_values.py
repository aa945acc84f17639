"""The losses that the paper prints (section 3.1, Tables 1–3)."""

from __future__ import annotations

TITLES = {
    1: "Table 1. Targets of 8 Normal components",
    2: "Table 2. Targets of 8 Normal, Student-t or Uniform components",
    3: "Table 3. Loss against the number of components, by data size",
}


def paper_loss(kind: str, algorithm: int | str, n: int, t: float, data_size: int) -> float | None:
    """What the paper has for a cell; None if it has nothing."""
    return _PAPER.get((kind, algorithm, n, t, data_size))


# Tables 1 and 2: 20 experiments, n = 200, 5000 points; σ = 1r, 2r, 3r.
_BY_WIDTH = {
    ("normal", 1): (0.07099, 0.05091, 0.044296),
    ("normal", 2): (0.06866, 0.05085, 0.04447),
    ("mixed", 1): (0.08912, 0.08738, 0.09432),
    ("mixed", 2): (0.08678, 0.08749, 0.09446),
}

# Table 3: 30 experiments, Algorithm 2, σ = 3r; n = 10, 30, 50, 100, 200, 500, 1000.
_COMPONENTS = (10, 30, 50, 100, 200, 500, 1000)
_BY_SIZE = {
    20_000: (0.710, 0.336, 0.200, 0.0778, 0.0295, 0.0326, 0.0378),
    50_000: (0.715, 0.364, 0.210, 0.065, 0.025, 0.0203, 0.0289),
}

_PAPER: dict[tuple[str, int | str, int, float, int], float] = {
    **{
        (kind, algorithm, 200, t, 5000): loss
        for (kind, algorithm), losses in _BY_WIDTH.items()
        for t, loss in zip((1.0, 2.0, 3.0), losses, strict=True)
    },
    **{
        ("normal", 2, n, 3.0, data_size): loss
        for data_size, losses in _BY_SIZE.items()
        for n, loss in zip(_COMPONENTS, losses, strict=True)
    },
}
