"""Recovering pruned networks from their internal states (arXiv 2606.01126)."""

from theory.healing.alignment import cosine_distance as cosine_distance
from theory.healing.alignment import normalised_mse as normalised_mse
from theory.healing.corrections import correct_biases as correct_biases
from theory.healing.corrections import fold_neurons as fold_neurons
from theory.healing.corrections import reconstruct as reconstruct
from theory.healing.corrections import refit_head as refit_head
from theory.healing.corrections import repair as repair
from theory.healing.descent import Healed as Healed
from theory.healing.heal import annealed_adam as annealed_adam
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
