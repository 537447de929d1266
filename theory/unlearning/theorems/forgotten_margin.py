"""The margin that a forgotten point is left with.

Let w be as in U1': multipliers λ ≥ 0, smallest margin 1, residual e = w − Σλ_i y_i x_i of norm ε₁,
|⟨x_i, x_j⟩| ≤ φ and ‖x_i‖² ≤ 1 + ψ. After w' = w − λ_r y_r x_r the forgotten point has the margin
that the others, and the residual, give it:

    q'_r = Σ_{k≠r} λ_k y_r y_k⟨x_r, x_k⟩ + y_r⟨e, x_r⟩,  so  |q'_r| ≤ φΣ_{k≠r}λ_k + ε₁√(1 + ψ).

Proof. w' = Σ_{k≠r} λ_k y_k x_k + e; take the product with y_r x_r, then the triangle inequality and
Cauchy's. ∎

So on nearly orthogonal data a forgotten point is neither right nor wrong. Zero is no target: on
correlated data the others give it a margin, as they give it to a point never seen.
"""

import jax.numpy as jnp
import numpy as np

from theory.claims import AtMost
from theory.theorem import Control, Number, Search, Theorem, Trial
from theory.unlearning.linear import Planted, Settings, plant, unlearn
from theory.unlearning.planted import plant_linear, start_linear
from theory.unlearning.recomputed import forget_linear


def trial(settings: Settings, key, fraction: Number = 1.0) -> Trial:
    """Measured: |q'_r|. Predicted: φΣ_{k≠r}λ_k + ε₁√(1 + ψ).

    φ and ψ are the smallest that the data allow. The step is ``fraction`` of the theorem's.
    """
    return forget(settings, plant(settings, key), fraction)


def forget(settings: Settings, planted: Planted, fraction: Number = 1.0) -> Trial:
    """What the theorem says of one predictor."""
    unlearned = unlearn(planted, fraction=fraction)
    before, network = unlearned.before, unlearned.after.snapped.network
    others = unlearned.phi * jnp.sum(before.multipliers[1:])
    return Trial(
        measured=jnp.abs(network(planted.x)[0]) / before.scale,
        predicted=others + before.stationarity * jnp.sqrt(1 + unlearned.psi),
        assumptions=unlearned.happened,
    )


def check(settings: Settings, scene) -> Trial:
    """The same of a planted scene in NumPy."""
    found = forget_linear(settings, scene)
    others = found.phi * found.before.lam[1:].sum()
    bound = others + found.before.epsilon * np.sqrt(1 + found.psi)
    return Trial(np.abs(found.left), bound, found.happened)


theorem = Theorem(
    name="unlearning.forgotten-margin",
    statement="linear, w' = w − λ_r y_r x_r, λ ≥ 0, φ = max|⟨x_i, x_j⟩|, ψ = max|‖x_i‖² − 1|: "
    "|q'_r| ≤ φΣ_{k≠r}λ_k + ε₁√(1 + ψ)",
    label="U11 (the forgotten point)",
    provenance="derived",
    claim=AtMost(),
    presets={
        "smoke": Settings(samples=5, trials=20),
        "course": Settings(samples=10, trials=135),
        "paper": Settings(samples=20, trials=688),
    },
    trial=trial,
    control=Control(name="half the step", numbers={"fraction": 0.5}),
    search=Search(
        settings=Settings(samples=4),
        start=start_linear,
        trial=lambda settings, scene: forget(settings, plant_linear(settings, scene)),
        check=check,
    ),
)
