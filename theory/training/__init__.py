"""Training with any optax optimiser: full batches, in full dimension or in the span of the data."""

from theory.training.full_batch import Trained as Trained
from theory.training.full_batch import hidden_layer_only as hidden_layer_only
from theory.training.full_batch import train as train
from theory.training.in_span import train_in_span as train_in_span
from theory.training.in_span import train_to_margin as train_to_margin
from theory.training.losses import Loss as Loss
from theory.training.losses import exponential as exponential
from theory.training.losses import logistic as logistic
