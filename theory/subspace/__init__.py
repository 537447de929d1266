"""Gradients off the data's subspace: why adversarial examples exist (arXiv 2303.00783)."""

from theory.subspace.flip import certified_radius as certified_radius
from theory.subspace.flip import flip_distance as flip_distance
from theory.subspace.flip import universal_direction as universal_direction
from theory.subspace.gradient import active as active
from theory.subspace.gradient import gradient_scale as gradient_scale
from theory.subspace.gradient import off_subspace_gradient as off_subspace_gradient
