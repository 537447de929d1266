"""Adversarial attacks, and the almost-linearity that chooses their targets."""

from theory.attacks.apgd import apgd as apgd
from theory.attacks.auto import auto as auto
from theory.attacks.malt import malt as malt
from theory.attacks.result import Attacked as Attacked
from theory.attacks.square import square as square
from theory.theorem import Paper

PAPER = Paper(
    key="melamed2024malt",
    arxiv="2407.02240",
    title="MALT Powers Up Adversarial Attacks",
)
"""The paper of this room's theorems and experiments, but for those that name another."""
