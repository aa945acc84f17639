"""Training by mini-batches: the loop, its checkpoints, and progress bars."""

from .batches import in_batches
from .checkpoints import Checkpoints
from .loop import Step, TrainingPlan, Validation, run
from .progress import Progress, progress_bars, silent

__all__ = [
    "Checkpoints",
    "Progress",
    "Step",
    "TrainingPlan",
    "Validation",
    "in_batches",
    "progress_bars",
    "run",
    "silent",
]
