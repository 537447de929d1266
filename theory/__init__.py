"""Theorems about two-layer ReLU networks as executable, error-controlled trials.

Pure functions on arrays: no files, no plots, no printing, no global state.
"""

from theory import attacks as attacks
from theory import attribution as attribution
from theory import dimples as dimples
from theory import energy as energy
from theory import healing as healing
from theory import subspace as subspace
from theory import unlearning as unlearning
from theory.ensemble import ensemble as ensemble
from theory.networks import LSTM as LSTM
from theory.networks import MLP as MLP
from theory.networks import FlatReLU as FlatReLU
from theory.networks import Linear as Linear
from theory.networks import MaxReLU as MaxReLU
from theory.networks import SumReLU as SumReLU
from theory.networks import TwoLayerReLU as TwoLayerReLU
from theory.networks import lstm as lstm
from theory.networks import mlp as mlp
from theory.networks import two_layer_relu as two_layer_relu
from theory.settings import Settings as Settings
from theory.theorem import Theorem as Theorem
from theory.theorem import Verdict as Verdict
from theory.theorem import verify as verify
from theory.training import Trained as Trained
from theory.training import train as train
from theory.training import train_in_span as train_in_span
from theory.training import train_to_margin as train_to_margin
