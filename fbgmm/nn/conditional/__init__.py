"""Networks whose output is a density: heads, losses, training, conformal calibration and stacking."""

from .calibration import conformal_interval as conformal_interval
from .calibration import conformal_margin as conformal_margin
from .calibration import conformal_threshold as conformal_threshold
from .calibration import reliability as reliability
from .component_count import components_for as components_for
from .density import Density as Density
from .heads import DensityHead as DensityHead
from .heads import rounding as rounding
from .losses import censored_negative_log_likelihood as censored_negative_log_likelihood
from .losses import cross_entropy as cross_entropy
from .losses import crps as crps
from .losses import mean_loss as mean_loss
from .losses import nearest_component as nearest_component
from .losses import negative_log_likelihood as negative_log_likelihood
from .losses import noisy as noisy
from .losses import soft_counts as soft_counts
from .losses import weight_regression as weight_regression
from .stacking import stacked as stacked
from .stacking import stacking_weights as stacking_weights
from .training import Splits as Splits
from .training import TrainedNetworks as TrainedNetworks
from .training import TrainingSettings as TrainingSettings
from .training import Trials as Trials
from .training import train as train
