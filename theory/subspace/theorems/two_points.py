"""S2'': the joint law of the off-subspace gradients at two points.

Proof. With a = Π_{P^⊥}∇N(x₀), b = Π_{P^⊥}∇N(x'), active sets S, S' of sizes k, k' and c = |S∩S'|,
(a, b) is jointly Gaussian given (S, S') with covariances (σ²/m)·(k, c, k')·I_ℓ. The residual
b − (c/k)a of the regression of b on a is then N(0, (σ²/m)(k' − c²/k) I_ℓ).
"""

import jax
import jax.numpy as jnp
from scipy import stats

from theory.claims import Law
from theory.subspace.gradient import active, off_subspace_gradient
from theory.subspace.scene import assumptions, draw_scene, points_in, train_scene
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key, another_copy: bool = False) -> Trial:
    """Measured: ‖b − (c/k)a‖²·m/(σ²(k' − c²/k)). Predicted: ℓ, the mean of its law.

    With ``another_copy`` the weights off P behind b are drawn afresh.
    """
    key_scene, key_point, key_copy = jax.random.split(key, 3)
    scene = draw_scene(settings, key_scene)
    net = train_scene(settings, scene).network
    x1 = points_in(key_point, scene.subspace, 1)[0]
    copy = net
    if another_copy:
        fresh = settings.sigma * jax.random.normal(key_copy, net.w.shape)
        copy = net._replace(w=scene.subspace.project(net.w) + scene.subspace.reject(fresh))
    a = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    b = off_subspace_gradient(copy, x1, scene.subspace.basis)
    on0, on1 = active(net, scene.x0), active(net, x1)
    k0, k1, common = (jnp.sum(s).astype(a.dtype) for s in (on0, on1, on0 & on1))
    coefficient = common / jnp.maximum(k0, 1)
    left = k1 - coefficient * common
    given = (k0 > 0) & (left > 0)
    variance = settings.sigma**2 / settings.width * jnp.where(given, left, 1)
    return Trial(
        measured=jnp.sum((b - coefficient * a) ** 2) / variance,
        predicted=jnp.asarray(settings.ell, a.dtype),
        assumptions=assumptions(settings, scene),
        given=given,
    )


theorem = Theorem(
    name="subspace.two-points",
    statement="‖b − (c/k)a‖²·m/(σ²(k' − c²/k)) ~ χ²_ℓ for the gradients a, b at two points of P",
    label="S2''",
    provenance="derived",
    claim=Law(cdf=lambda values, settings: stats.chi2.cdf(values, settings.ell)),
    presets={
        "smoke": Settings(ell=32, d=42, trials=118),
        "course": Settings(ell=48, d=58, trials=688),
        "paper": Settings(ell=74, d=84, trials=2000),
    },
    trial=trial,
    control=Control(
        name="b from another copy of W_⊥",
        trial=lambda settings, key: trial(settings, key, another_copy=True),
    ),
)
