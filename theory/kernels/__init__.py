"""Sums over the neurons that are on, for so many points that their gates would not fit in memory.

One primitive is behind the values of a two-layer network, its input gradients, and the gradients
in its weights of which KKT residuals are made: a sum over pairs of a point and a neuron, gated by
the sign of their product. None of them ever holds the gates of all pairs.
"""

from theory.kernels.gated import gated_sum as gated_sum
from theory.kernels.gated import relu_sum as relu_sum
