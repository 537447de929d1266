"""H3: descent on the ridge loss of a pruned layer goes to the closed form, at a known rate.

X are the n inputs of a layer, z what one of its outputs should be, M the diagonal of that output's
mask, G = XᵀX. Over weights w = Mw, f(w) = ½‖Xw − z‖² + ½λ‖w‖² with λ > 0 has the unique minimiser
w* that solves (MGM + λI + I − M)w* = MXᵀz, and descent w ← w − ηM∇f(w) from w_0 = Mw_0 with
η = 1/(tr G + λ) obeys

  (1 − ηλ)^t‖Πw_0‖ ≤ ‖w_t − w*‖ ≤ (1 − ηλ)^t‖w_0 − w*‖,

Π being the projection onto the w = Mw that no input sees, XMw = 0.

Proof. With w = Mw, M∇f(w) = (MGM + λI)w − MXᵀz. The matrix is positive definite for λ > 0, so f is
strictly convex on these w and M∇f(w*) = 0 has one solution there. On pruned coordinates the system
reads w = 0, on the others it is M∇f = 0: it has the same solution. Subtract:
w_{t+1} − w* = (I − η(MGM + λI))(w_t − w*). The eigenvalues of MGM are in [0, tr G], so those of
the factor are in [0, 1 − ηλ]. On the image of Π, MGM is 0 and the factor 1 − ηλ, and Πw* = 0,
because λΠw* = ΠMXᵀz = 0 by the system: Π(w_t − w*) = (1 − ηλ)^t Πw_0. ∎

The norms are those over all outputs together, which share η. With fewer inputs than weights left,
MGM is singular, and the lower bound says that no smaller rate is true. The trial has such sizes,
so its bounds are within a factor of 2 of each other.

The closed form of the whole layer, (G + λI)w = Xᵀz, is not where descent goes that keeps what is
pruned at 0: the control.
"""

import jax.numpy as jnp

from theory.claims import AtLeast, AtMost
from theory.healing.least_squares import masked_ridge
from theory.healing.ridge_descent import Settings, compare, draw
from theory.healing.searches import ridge_descent
from theory.theorem import Choice, Control, Theorem, Trial


def trial(settings: Settings, key, ignored: Choice = False) -> Trial:
    """Measured: ‖W_t − W*‖_F, twice. Predicted: the two bounds, see `compare`.

    The closed form has no mask where it is ``ignored``.
    """

    def closed_form(x, z, mask, ridge):
        return masked_ridge(x, z, jnp.where(ignored, jnp.ones_like(mask), mask), ridge)

    return compare(settings, draw(settings, key), closed_form)


theorem = Theorem(
    name="healing.masked-ridge",
    statement="w_t by masked descent at η = 1/(tr G + λ), (MGM + λI + I − M)w* = MXᵀz, "
    "Π onto XMw = 0",
    label="H3",
    provenance="derived",
    claim={
        "lower": AtLeast(says="‖w_t − w*‖ ≥ (1−ηλ)^t‖Πw_0‖"),
        "upper": AtMost(says="‖w_t − w*‖ ≤ (1−ηλ)^t‖w_0 − w*‖"),
    },
    presets={
        "smoke": Settings(d=24, width=8, samples=8, steps=20, trials=20),
        "course": Settings(trials=135),
        "paper": Settings(d=192, width=128, samples=64, steps=60, trials=688),
    },
    trial=trial,
    control=Control(
        name="the closed form ignores the mask",
        numbers={"ignored": True},
    ),
    search=ridge_descent,
)
