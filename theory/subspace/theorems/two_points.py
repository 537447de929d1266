"""S2'': the joint law of the off-subspace gradients at two points.

Proof. With a = Π_{P^⊥}∇N(x₀), b = Π_{P^⊥}∇N(x'), active sets S, S' of sizes k, k' and c = |S∩S'|,
(a, b) is jointly Gaussian given (S, S') with covariances (σ²/m)·(k, c, k')·I_ℓ. The residual
b − (c/k)a of the regression of b on a is then N(0, (σ²/m)(k' − c²/k) I_ℓ) and independent of a, so
that its component along a is Gaussian too, of the same variance. ∎
"""

import jax
import jax.numpy as jnp

from theory.geometry import off_by_rounding
from theory.isotropy import standard_normal
from theory.subspace.assumptions import assumptions
from theory.subspace.gradient import active, off_subspace_gradient
from theory.subspace.isotropy import laws, scales, statistics
from theory.subspace.scene import draw_scene, points_in, train_scene
from theory.subspace.settings import Settings
from theory.theorem import Choice, Control, Theorem, Trial


def trial(settings: Settings, key, another_copy: Choice = False) -> Trial:
    """Measured: `statistics` of g = (b − (c/k)a)/(σ√((k' − c²/k)/m)); ``along a``, ⟨a, g⟩/‖a‖.

    Predicted: the scales of their laws. With ``another_copy`` the weights off P behind b are drawn
    afresh.
    """
    key_scene, key_point, key_copy = jax.random.split(key, 3)
    scene = draw_scene(settings, key_scene)
    trained = train_scene(settings, scene)
    net = trained.network
    x1 = points_in(key_point, scene.subspace, 1)[0]
    fresh = settings.sigma * jax.random.normal(key_copy, net.w.shape)
    other = scene.subspace.project(net.w) + scene.subspace.reject(fresh)
    copy = net._replace(w=jnp.where(another_copy, other, net.w))
    a = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    b = off_subspace_gradient(copy, x1, scene.subspace.basis)
    on0, on1 = active(net, scene.x0), active(net, x1)
    k0, k1, common = (jnp.sum(s).astype(a.dtype) for s in (on0, on1, on0 & on1))
    coefficient = common / jnp.maximum(k0, 1)
    left = k1 - coefficient * common
    given = (k0 > 0) & (left > 0)
    deviation = settings.sigma * jnp.sqrt(jnp.where(given, left, 1) / settings.width)
    g = (b - coefficient * a) / deviation
    apart = jnp.linalg.norm(copy.w - net.w) / jnp.linalg.norm(net.w)
    along = a @ g / jnp.where(given, jnp.linalg.norm(a), 1)
    return Trial(
        measured=statistics(scene.subspace, g, settings.ell) | {"along a": along},
        predicted=scales(settings.ell, g.dtype) | {"along a": jnp.ones_like(along)},
        assumptions=assumptions(settings, scene, trained)
        | {"one W at both points": off_by_rounding(a) - apart},
        given=given,
    )


theorem = Theorem(
    name="subspace.two-points",
    statement="g = (b − (c/k)a)/(σ√((k' − c²/k)/m)) ~ N(0, I_ℓ), independent of a, given k ≥ 1 and "
    "k' > c²/k, for a = Π_{P⊥}∇N(x₀), b = Π_{P⊥}∇N(x'), c = |S∩S'|, w_i(0) ~ N(0, σ²I), "
    "u_i = ±1/√m, trained on points of P without decay",
    label="S2''",
    provenance="derived",
    claim=laws() | {"along a": standard_normal("⟨a, g⟩/‖a‖ ~ N(0, 1)")},
    presets={
        "smoke": Settings(ell=32, d=42, trials=200),
        "course": Settings(ell=48, d=58, trials=688),
        "paper": Settings(ell=74, d=84, trials=2000),
    },
    trial=trial,
    control=Control(
        name="b from another copy of W_⊥",
        numbers={"another_copy": True},
    ),
)
