"""ET3: an input moved down the energy of a classifier before it is classified, and its attacks."""

from theory.energy.adaptive import climb as climb
from theory.energy.adaptive import kept as kept
from theory.energy.adaptive import ladder as ladder
from theory.energy.directions import energy as energy
from theory.energy.et3 import Defended as Defended
from theory.energy.et3 import et3 as et3
from theory.theorem import Paper

PAPER = Paper(
    key="mirza2026provable",
    arxiv="2603.26984",
    title="A Provable Energy-Guided Test-Time Defense Boosting Adversarial Robustness of Large "
    "Vision-Language Models",
)
"""The paper of this room's theorems and experiments, but for those that name another."""
