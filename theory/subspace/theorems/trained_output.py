"""S2': the law of the off-subspace gradient when both layers are trained.

Proof. As S2: (u_T, S) is a function of Π_P w(0), u(0) and the data, so it is independent of
Π_{P^⊥}w(0), and given it Π_{P^⊥}∇N(x₀) = Σ_{i∈S} u_{i,T} Π_{P^⊥}w_i(0) is Gaussian on P^⊥ with
covariance σ² Σ_{i∈S} u_{i,T}² I_ℓ.
"""

from dataclasses import replace

import jax.numpy as jnp
from scipy import stats

from theory.claims import Law
from theory.subspace.gradient import active, gradient_scale, off_subspace_gradient
from theory.subspace.scene import assumptions, draw_scene, train_scene
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key, fixed_output: bool = False) -> Trial:
    """Measured: ‖Π_{P^⊥}∇N(x₀)‖²/(σ²Σ_{i∈S}u_{i,T}²). Predicted: ℓ, the mean of its law.

    With ``fixed_output`` the normaliser is σ²k/m, as if u had stayed at ±1/√m.
    """
    scene = draw_scene(settings, key)
    net = train_scene(settings, scene, train_output=True).network
    gradient = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    given = active(net, scene.x0).any()
    believed = net._replace(u=scene.network.u) if fixed_output else net
    scale = jnp.where(given, gradient_scale(believed, scene.x0, settings.sigma), 1)
    return Trial(
        measured=jnp.sum((gradient / scale) ** 2),
        predicted=jnp.asarray(settings.ell, gradient.dtype),
        assumptions=assumptions(settings, scene),
        given=given,
    )


# A large margin moves the output weights far from ±1/√m, which the control needs.
LARGE_MARGIN = Settings(margin=10.0, steps=2000)

theorem = Theorem(
    name="subspace.trained-output",
    statement="‖Π_{P⊥}∇N(x₀)‖² / (σ²Σ_{i∈S}u_{i,T}²) ~ χ²_ℓ with both layers trained",
    label="S2'",
    provenance="derived",
    claim=Law(cdf=lambda values, settings: stats.chi2.cdf(values, settings.ell)),
    presets={
        "smoke": replace(LARGE_MARGIN, ell=32, d=42, trials=118),
        "course": replace(LARGE_MARGIN, ell=48, d=58, trials=688),
        "paper": replace(LARGE_MARGIN, ell=74, d=84, trials=2000),
    },
    trial=trial,
    control=Control(
        name="k/m in place of Σu²",
        trial=lambda settings, key: trial(settings, key, fixed_output=True),
    ),
)
