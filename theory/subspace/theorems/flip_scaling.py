"""S8: the first-order flip distance |N|/‖Π_{P^⊥}∇N‖ falls as √(d/ℓ).

At fixed d, |N| and k/m it is 1/‖Π_{P^⊥}∇N‖ up to constants, and by S2 the mean of its inverse
square is exactly kℓσ²/m, so that average has slope −1/2 in log ℓ with no finite-size bias.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from theory.claims import Scaling
from theory.networks import two_layer_relu
from theory.settings import Sizes
from theory.subspace.gradient import active, gradient_scale
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial
from theory.training import train_in_span


@dataclass(frozen=True)
class ScalingSettings(Settings):
    """Fixed d, and the sizes ℓ to sweep; ``ell`` itself is the largest."""

    sizes: Sizes = (8, 16, 32, 64, 128, 256, 512)
    """values of ℓ in rising order, the last one held out and predicted"""

    def __post_init__(self):
        super().__post_init__()
        if self.sizes[-1] != self.ell:
            raise ValueError(f"the largest of sizes, {self.sizes[-1]}, must be ell = {self.ell}")


def trial(settings: ScalingSettings, key, off_variance=None) -> Trial:
    """Measured: √(k/m)/‖Π_{P^⊥}∇N(x₀)‖ at each ℓ, the flip at |N| = 1 and k = m.

    Predicted: √(d/ℓ), for σ² = 1/d. P is spanned by all coordinate axes but the first ℓ, which
    loses nothing because the initialisation is rotation invariant, and lets one program sweep ℓ.
    ``off_variance(ℓ)`` replaces the variance of W_⊥.
    """
    d, sigma = settings.d, settings.sigma

    def at_size(argument):
        ell, key = argument
        key_x, key_y, key_net = jax.random.split(key, 3)
        off = jnp.arange(d) < ell
        points = jax.random.normal(key_x, (settings.samples + 1, d))
        points = jnp.where(off[None, :], 0, points)
        points = points * (d**0.5 / jnp.linalg.norm(points, axis=-1, keepdims=True))
        y = jax.random.rademacher(key_y, (settings.samples,), dtype=points.dtype)
        net = two_layer_relu(key_net, d, settings.width, sigma)
        if off_variance is not None:
            stretch = jnp.sqrt(off_variance(ell)).astype(points.dtype) / sigma
            net = net._replace(w=jnp.where(off[None, :], net.w * stretch, net.w))
        net = train_in_span(
            net,
            points[1:],
            y,
            optimizer=optax.sgd(settings.rate),
            steps=settings.steps,
            margin=settings.margin,
        ).network
        gradient = jnp.where(off, jax.grad(lambda x: net(x))(points[0]), 0)
        norm = jnp.linalg.norm(gradient)
        share = gradient_scale(net, points[0], 1.0)
        return share / jnp.where(norm > 0, norm, 1), active(net, points[0]).any()

    sizes = jnp.asarray(settings.sizes)
    keys = jax.random.split(key, len(settings.sizes))
    measured, given = jax.lax.map(at_size, (sizes, keys))
    predicted = 1 / (sigma * jnp.sqrt(sizes.astype(measured.dtype)))
    return Trial(
        measured=measured,
        predicted=predicted,
        assumptions={"no weight decay": -jnp.asarray(settings.weight_decay, measured.dtype)},
        given=given.all(),
    )


theorem = Theorem(
    name="subspace.flip-scaling",
    statement="|N|/‖Π_{P⊥}∇N‖ ∝ √(d/ℓ) at fixed d, |N| and k/m",
    label="S8",
    provenance="derived",
    claim=Scaling(exponent=-0.5),
    presets={
        "smoke": ScalingSettings(d=160, ell=128, sizes=(4, 8, 16, 32, 64, 128), trials=40),
        "course": ScalingSettings(d=1024, ell=512, trials=264),
        "paper": ScalingSettings(
            d=10_000, ell=4096, sizes=(16, 64, 256, 1024, 2048, 4096), trials=264
        ),
    },
    trial=trial,
    control=Control(
        name="variance of W_⊥ set to 1/ℓ",
        trial=lambda settings, key: trial(settings, key, lambda ell: 1 / ell),
    ),
)
