"""The dimpled manifold model: how far the decision boundary is, on and off the data's manifold."""

from theory.attacks.restricted import restricted as restricted
from theory.theorem import Paper

PAPER = Paper(
    key="shamir2021dimpled",
    arxiv="2106.10151",
    title="The Dimpled Manifold Model of Adversarial Examples in Machine Learning",
)
"""The paper of this room's theorems and experiments, but for those that name another."""
