"""X2: averaging M copies shrinks the gradient off the span of the texts by 1/√M, in law.

Copies share the data and are initialised independently, k_m > 0 neurons of copy m are active at the
training text x, and all have width m and u = ±1/√m. Off P = span{x_j}, after training without
decay, g = √(m·M²/(σ² Σ_m k_m))·Π_{P^⊥} mean_m ∇N_m(x) is a standard Gaussian on P^⊥: ‖g‖² ~ χ²_ℓ,
⟨g, v⟩ ~ N(0, 1) and ‖Π_Q g‖²/‖g‖² ~ Beta(h/2, (ℓ−h)/2) for v and Q of P^⊥ that are fixed before the
weights are drawn, as in X3.

Proof. As in X3, given the data, u and Π_P w(0) of all copies, the Π_{P^⊥}∇N_m(x) are independent
Gaussians on P^⊥ with covariance σ² Σ_{i∈S_m} u_i² = σ²k_m/m in each of ℓ directions. Their mean is
Gaussian with covariance σ² Σ_m k_m/(m M²), so g is standard given all this, hence without. ∎

With k_m = k the squared norm is σ²kℓ/(mM) on average: it falls as 1/√M. Copies that start from the
same weights off P do not average out, which is the control.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from theory.attribution import settings as attribution
from theory.attribution.isotropy import isotropy, laws, means
from theory.attribution.scene import (
    active,
    assumptions,
    draw_copies,
    draw_scene,
    drawn_apart,
    kept_off_span,
    learned,
    off_span_gradients,
    train_copies,
)
from theory.geometry import Subspace
from theory.networks import TwoLayerReLU
from theory.settings import Count
from theory.theorem import Choice, Control, Theorem, Trial


@dataclass(frozen=True)
class Settings(attribution.Settings):
    """Several copies of the network on the same texts."""

    copies: Count = 8
    """copies M that are averaged"""


def shared_off_span(copies: TwoLayerReLU, span: Subspace) -> TwoLayerReLU:
    """Give every copy the first one's output weights and its hidden weights off P.

    Example:
        >>> settings = Settings(copies=2)
        >>> scene = draw_scene(settings, jax.random.key(0))
        >>> copies = draw_copies(settings, jax.random.split(jax.random.key(1), 2))
        >>> off = scene.span.reject(shared_off_span(copies, scene.span).w)
        >>> bool(jnp.abs(off[0] - off[1]).max() < 1e-5)
        True
    """
    off = jnp.broadcast_to(span.reject(copies.w[:1]), copies.w.shape)
    return TwoLayerReLU(
        span.project(copies.w) + off, jnp.broadcast_to(copies.u[:1], copies.u.shape)
    )


def trial(settings: Settings, key, shared: Choice = False) -> Trial:
    """Measured: ‖g‖², ⟨g, v⟩ and ‖Π_Q g‖²/‖g‖². Predicted: their means ℓ, 0 and h/ℓ."""
    key_scene, key_copies = jax.random.split(key)
    scene = draw_scene(settings, key_scene)
    starts = draw_copies(settings, jax.random.split(key_copies, settings.copies))
    starts = optax.tree.where(shared, shared_off_span(starts, scene.span), starts)
    trained = train_copies(settings, scene, starts)
    mean = off_span_gradients(trained.network, scene.x[0], scene.span).mean(axis=0)
    k = active(trained.network, scene.x[0])
    given = (k > 0).all()
    total = jnp.where(given, k.sum(), 1).astype(mean.dtype)
    variance = settings.sigma**2 * total / (settings.width * settings.copies**2)
    return Trial(
        measured=isotropy(mean / jnp.sqrt(variance), scene.span),
        predicted=means(settings, mean.dtype),
        assumptions=assumptions(scene)
        | drawn_apart(scene.span.reject(starts.w))
        | kept_off_span(scene.span, starts, trained.network)
        | learned(settings, scene.span, starts, trained),
        given=given,
    )


theorem = Theorem(
    name="attribution.mean-gradient",
    statement="M independent copies, trained to the margin, W_⊥ as drawn, "
    "g = √(mM²/(σ²Σ_m k_m))·Π_{P⊥} mean_m ∇N_m(x), x a training text",
    label="X2",
    provenance="derived",
    claim=laws("g"),
    presets={
        "smoke": Settings(samples=32, copies=4, steps=5000, trials=118),
        "course": Settings(steps=5000, trials=688),
        "paper": Settings(tokens=16, samples=32, width=100, steps=5000, trials=2000),
    },
    trial=trial,
    control=Control(
        name="the same initialisation off the span in all copies",
        numbers={"shared": True},
    ),
)
