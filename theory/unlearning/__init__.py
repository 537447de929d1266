"""Unlearning by gradient ascent, judged by the KKT conditions."""

from theory.theorem import Paper
from theory.unlearning.certificate import Certificate as Certificate
from theory.unlearning.certificate import certificate as certificate
from theory.unlearning.gradient_ascent import closed_form_multipliers as closed_form_multipliers
from theory.unlearning.gradient_ascent import common_step as common_step
from theory.unlearning.gradient_ascent import gradient_ascent as gradient_ascent
from theory.unlearning.kkt import KKT as KKT
from theory.unlearning.kkt import kkt as kkt
from theory.unlearning.margin import train_to_large_margin as train_to_large_margin
from theory.unlearning.pattern import autograd_pattern as autograd_pattern
from theory.unlearning.retrain import retrain as retrain

PAPER = Paper(
    key="melamed2025unlearning",
    arxiv="2510.14844",
    title="Provable Unlearning with Gradient Ascent on Two-Layer ReLU Neural Networks",
)
"""The paper of this room's theorems and experiments, but for those that name another."""
