"""X4 for whole texts: Holm's correction keeps its promise when all words share one simulation.

A text of W words is explained by M untrained copies. Word t has p_t = (1 + #{chance ≥ score_t})/
(1 + B), and all words are compared with the same B draws of chance. Holm's procedure at 5 % then
rejects some word with probability at most W·⌊0.05(B+1)/W⌋/(B+1) ≤ 0.05, however the words depend
on each other.

Proof. Let c = ⌊0.05(B+1)/W⌋. Holm compares the smallest p with 0.05/W first and stops where that
fails, so it rejects something exactly if p_t ≤ 0.05/W for some t, that is, if fewer than c draws
reach the score of some word. By X4 that score is one more draw of chance, independent of the B: it
is among the c largest of these B + 1 with probability c/(B+1). Sum over the W words. ∎

The bound is nearly sharp. Were the words independent, no word would be rejected exactly if the c
largest of B + W independent draws were all draws of chance: the probability of an error is
1 − Π_{i<c} (B−i)/(B+W−i), which for c = 1 is W/(B+W). Hence B + 1 just below 2W/0.05: then c = 1,
and the error is near 2.5 %, far enough from 5 % to be told from it by counting. B + 1 a multiple
of W/0.05 makes the bound 5 % itself, which no number of trials can verify.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from theory.attribution.agreement import agreement
from theory.attribution.scene import with_directions
from theory.attribution.theorems import calibrated_agreement
from theory.attribution.theorems.calibrated_agreement import untrained_gradients
from theory.claims import AtLeast
from theory.multiplicity import holm
from theory.sampling import gaussian_points
from theory.settings import Count
from theory.theorem import Control, Theorem, Trial

INVERSE_LEVEL = 20
"""1/0.05: the level is 5 %."""


@dataclass(frozen=True)
class Settings(calibrated_agreement.Settings):
    """Texts of several words, explained by untrained copies."""

    words: Count = 32
    """words W of a text"""

    def __post_init__(self):
        super().__post_init__()
        smallest = self.words * INVERSE_LEVEL
        if self.samples + 1 <= smallest or (self.samples + 1) % smallest == 0:
            raise ValueError(
                f"samples is {self.samples}; samples + 1 must exceed words / 0.05 = {smallest}, "
                "for anything to be rejected, and be no multiple of it, where p-values tie with "
                "the level"
            )

    @property
    def reached(self) -> int:
        """c = ⌊0.05(B+1)/W⌋: Holm rejects where fewer draws than this reach a word's score.

        Example:
            >>> Settings(samples=1270).reached
            1
        """
        return (self.samples + 1) // (INVERSE_LEVEL * self.words)


def trial(settings: Settings, key, correct=holm) -> Trial:
    """Measured: the smallest p of the text after ``correct``. Predicted: 0.05, its level."""
    key_text, key_nets, key_chance = jax.random.split(key, 3)
    text = gaussian_points(key_text, settings.words, settings.d)
    gradients = untrained_gradients(settings, key_nets, text)
    found = agreement(gradients, key=key_chance, samples=settings.samples)
    return Trial(
        measured=jnp.min(correct(found.p_value)),
        predicted=jnp.full((), 1 / INVERSE_LEVEL, text.dtype),
        assumptions=with_directions(gradients),
    )


# At a true rate of W·c/(B+1) = 2.52 % the course needs 2195 texts, at 3.37 % the paper 5679.
theorem = Theorem(
    name="attribution.family-wise-error",
    statement="untrained copies: P(Holm at 5 % rejects any of W words) ≤ W⌊.05(B+1)/W⌋/(B+1)",
    label="X4, Holm",
    provenance="derived",
    claim=AtLeast(failure=lambda settings: 1 / INVERSE_LEVEL),
    presets={
        "smoke": Settings(d=8, width=16, copies=3, words=16, samples=638, trials=60),
        "course": Settings(d=16, width=32, copies=3, samples=1270, trials=2195),
        "paper": Settings(samples=1900, trials=5679),
    },
    trial=trial,
    control=Control(
        name="no correction for the number of words",
        trial=lambda settings, key: trial(settings, key, correct=lambda p_values: p_values),
    ),
)
