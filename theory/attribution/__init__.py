"""Explaining text classifiers by the agreement of independent copies."""

from theory.attribution.agreement import Agreement as Agreement
from theory.attribution.agreement import AgreementScores as AgreementScores
from theory.attribution.agreement import agreement as agreement
from theory.attribution.agreement import agreement_scores as agreement_scores
from theory.attribution.agreement import calibrate as calibrate
from theory.attribution.agreement import p_values as p_values
from theory.attribution.agreement import small_norm as small_norm
from theory.attribution.copies import draw_classifier as draw_classifier
from theory.attribution.embedding import ppmi_embedding as ppmi_embedding
from theory.attribution.embedding import random_embedding as random_embedding
from theory.attribution.methods import gradient as gradient
from theory.attribution.methods import gradient_times_input as gradient_times_input
from theory.attribution.methods import integrated_gradients as integrated_gradients
from theory.attribution.methods import occlusion as occlusion
from theory.attribution.methods import smooth_grad as smooth_grad
from theory.attribution.methods import span_share as span_share
from theory.attribution.scores import explain as explain
from theory.multiplicity import holm as holm
from theory.theorem import Paper

PAPER = Paper(
    key="melamed2023attribution",
    arxiv="2311.13454",
    title="Explaining high-dimensional text classifiers",
)
"""The paper of this room's theorems and experiments, but for those that name another."""
