"""Gradients off the data's subspace: why adversarial examples exist."""

from theory.subspace.any_flip import flips_by_search as flips_by_search
from theory.subspace.flip import certified_radius as certified_radius
from theory.subspace.flip import flip_distance as flip_distance
from theory.subspace.flip import universal_direction as universal_direction
from theory.subspace.gradient import active as active
from theory.subspace.gradient import gradient_scale as gradient_scale
from theory.subspace.gradient import off_subspace_gradient as off_subspace_gradient
from theory.theorem import Paper

PAPER = Paper(
    key="melamed2023subspace",
    arxiv="2303.00783",
    title="Adversarial Examples Exist in Two-Layer ReLU Networks for Low Dimensional Linear "
    "Subspaces",
)
"""The paper of this room's theorems and experiments, but for those that name another."""
