"""Training by mini-batches: the loop, its checkpoints, and progress bars."""

from .batches import in_batches as in_batches
from .checkpoints import Checkpoints as Checkpoints
from .loop import Step as Step
from .loop import TrainingPlan as TrainingPlan
from .loop import Validation as Validation
from .loop import run as run
from .progress import Progress as Progress
from .progress import progress_bars as progress_bars
from .progress import silent as silent
