"""Recovering pruned networks from their internal states."""

from theory.healing.alignment import cosine_distance as cosine_distance
from theory.healing.alignment import distance as distance
from theory.healing.alignment import normalised_mse as normalised_mse
from theory.healing.corrections import correct_biases as correct_biases
from theory.healing.corrections import fold_neurons as fold_neurons
from theory.healing.corrections import reconstruct as reconstruct
from theory.healing.corrections import refit_head as refit_head
from theory.healing.corrections import repair as repair
from theory.healing.descent import Healed as Healed
from theory.healing.descent import masked_descent as masked_descent
from theory.healing.heal import heal as heal
from theory.healing.masks import apply_masks as apply_masks
from theory.healing.masks import check_masks as check_masks
from theory.healing.masks import magnitude as magnitude
from theory.healing.masks import n_of_m as n_of_m
from theory.healing.masks import random_scores as random_scores
from theory.healing.masks import smallest as smallest
from theory.healing.masks import smallest_of_all as smallest_of_all
from theory.healing.masks import smallest_of_rows as smallest_of_rows
from theory.healing.masks import sparsity as sparsity
from theory.healing.masks import wanda as wanda
from theory.healing.metrics import cosine as cosine
from theory.healing.metrics import gap_closed as gap_closed
from theory.healing.metrics import linear_cka as linear_cka
from theory.healing.metrics import recovered as recovered
from theory.metrics import accuracy as accuracy
from theory.metrics import calibration_error as calibration_error
from theory.metrics import negative_log_likelihood as negative_log_likelihood
from theory.theorem import Paper
from theory.training import annealed_adam as annealed_adam

PAPER = Paper(
    key="starfish2026",
    arxiv="2606.01126",
    title="STARFISH",
)
"""The paper of this room's theorems and experiments, but for those that name another."""
