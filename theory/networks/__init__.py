"""Networks as NamedTuples of arrays: every network is a pytree and a function of its input.

Shapes are written without a batch; calling a network on ``(..., d)`` gives one value per row.
"""

from theory.networks.convolutional import ConvNet as ConvNet
from theory.networks.convolutional import conv_net as conv_net
from theory.networks.dense import MLP as MLP
from theory.networks.dense import Linear as Linear
from theory.networks.dense import TwoLayerReLU as TwoLayerReLU
from theory.networks.dense import affine as affine
from theory.networks.dense import mlp as mlp
from theory.networks.dense import two_layer_relu as two_layer_relu
from theory.networks.texts import LSTM as LSTM
from theory.networks.texts import FlatReLU as FlatReLU
from theory.networks.texts import LSTMLayer as LSTMLayer
from theory.networks.texts import MaxReLU as MaxReLU
from theory.networks.texts import SumReLU as SumReLU
from theory.networks.texts import lstm as lstm
from theory.networks.transformer import Block as Block
from theory.networks.transformer import VisionTransformer as VisionTransformer
from theory.networks.transformer import cut_patches as cut_patches
from theory.networks.transformer import vision_transformer as vision_transformer
