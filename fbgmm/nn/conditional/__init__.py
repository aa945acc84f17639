"""Networks whose output is a density: heads, losses, training, conformal calibration and stacking."""

from .calibration import conformal_interval, conformal_margin, conformal_threshold, reliability
from .component_count import components_for
from .density import Density
from .heads import DensityHead, rounding
from .losses import (
    censored_negative_log_likelihood,
    cross_entropy,
    crps,
    mean_loss,
    nearest_component,
    negative_log_likelihood,
    noisy,
    soft_counts,
    weight_regression,
)
from .stacking import stacked, stacking_weights
from .training import Splits, TrainedNetworks, TrainingSettings, Trials, train

__all__ = [
    "Density",
    "DensityHead",
    "Splits",
    "TrainedNetworks",
    "TrainingSettings",
    "Trials",
    "censored_negative_log_likelihood",
    "components_for",
    "conformal_interval",
    "conformal_margin",
    "conformal_threshold",
    "cross_entropy",
    "crps",
    "mean_loss",
    "nearest_component",
    "negative_log_likelihood",
    "noisy",
    "reliability",
    "rounding",
    "soft_counts",
    "stacked",
    "stacking_weights",
    "train",
    "weight_regression",
]
