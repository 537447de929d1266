"""Training with any optax optimiser: full batches, in the span of the data, and mini-batches."""

from theory.training.full_batch import Trained as Trained
from theory.training.full_batch import hidden_layer_only as hidden_layer_only
from theory.training.full_batch import train as train
from theory.training.in_span import train_in_span as train_in_span
from theory.training.in_span import train_to_margin as train_to_margin
from theory.training.losses import Loss as Loss
from theory.training.losses import exponential as exponential
from theory.training.losses import logistic as logistic
from theory.training.mini_batch import cross_entropy as cross_entropy
from theory.training.mini_batch import descend as descend
from theory.training.mini_batch import train_classifiers as train_classifiers
from theory.training.updates import annealed_adam as annealed_adam
from theory.training.updates import apply_update as apply_update
from theory.training.updates import initial_state as initial_state
