"""S8: the first-order flip distance |N|/‖Π_{P^⊥}∇N‖ grows as √(d/ℓ).

Proof. Let σ² = 1/d, η = 4/d, points of norm √d in a subspace Q ⊂ P of fixed dimension, and x₀ the
training point of the smallest margin. In the coordinates √d·Π_Q w_i and x_j/√d neither d nor ℓ is
left of the training, so |N(x₀)| and k have laws free of both, and so has the choice of x₀. By S2
‖Π_{P^⊥}∇N(x₀)‖² = (k/md)·χ²_ℓ independently, and the mean of (|N|/‖Π∇N‖)^{−2} is
(ℓ/d)·E[k/(m|N|²)] exactly: that average has slope −1/2 in log ℓ and +1/2 in log d, with no
finite-size bias. ∎
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from theory.claims import Scaling
from theory.networks import two_layer_relu
from theory.settings import Count, Sizes
from theory.subspace.assumptions import MOVED, STANDARD_ERRORS, decay_error
from theory.subspace.settings import Settings
from theory.theorem import Choice, Control, Theorem, Trial
from theory.training import train_in_span


@dataclass(frozen=True)
class ScalingSettings(Settings):
    """The sizes to sweep: of ℓ at a fixed d, and of d in steps of ``stretch`` at a fixed ℓ."""

    sizes: Sizes = (16, 32, 64, 96, 128, 256)
    """values of ℓ, and of d/stretch, in rising order; the last ones held out and predicted"""
    stretch: Count = 2
    """d over size where d is swept, at ℓ = ell"""
    data_dim: Count = 10
    """dimension of the subspace of P in which the data lies"""

    def __post_init__(self):
        super().__post_init__()
        room = min(self.d - self.sizes[-1], self.stretch * self.sizes[0] - self.ell)
        if room < self.data_dim:
            raise ValueError(f"d - ell comes down to {room}, below data_dim = {self.data_dim}")


def trial(settings: ScalingSettings, key, larger: Choice = False) -> Trial:
    """Measured: |N(x₀)|/‖Π_{P^⊥}∇N(x₀)‖ at each ℓ (part ``ℓ``) and at each d (part ``d``).

    Predicted: √(d/ℓ). P^⊥ is spanned by the first ℓ coordinate axes and Q by the next ones, which
    loses nothing because the initialisation is rotation invariant, and lets one program sweep both.
    The variance of W_⊥ is 1/d, and 1/ℓ where ``larger``.
    """
    sizes = jnp.asarray(settings.sizes)
    fixed = jnp.full_like(sizes, settings.ell), jnp.full_like(sizes, settings.d)
    shapes = jnp.stack(
        [
            jnp.concatenate([sizes, fixed[0]]),
            jnp.concatenate([fixed[1], settings.stretch * sizes]),
        ],
        axis=1,
    )
    columns = max(settings.d, settings.stretch * settings.sizes[-1])

    def at_size(argument):
        shape, key = argument
        key_x, key_y, key_net = jax.random.split(key, 3)
        column, (ell, d) = jnp.arange(columns, dtype=float), shape.astype(float)
        off = column < ell
        inside = ~off & (column < ell + settings.data_dim)
        points = jax.random.normal(key_x, (settings.samples, columns))
        points = jnp.where(inside[None, :], points, 0)
        points = points * (jnp.sqrt(d) / jnp.linalg.norm(points, axis=-1, keepdims=True))
        y = jax.random.rademacher(key_y, (settings.samples,), dtype=points.dtype)
        net = two_layer_relu(key_net, columns, settings.width, 1.0)
        deviation = 1 / jnp.sqrt(jnp.where(off & larger, ell, d))
        start = net._replace(w=net.w * jnp.where(column < d, deviation, 0)[None, :])
        optimizer = optax.chain(optax.add_decayed_weights(settings.weight_decay), optax.sgd(4 / d))
        trained = train_in_span(
            start, points, y, optimizer=optimizer, steps=settings.steps, margin=settings.margin
        )
        net = trained.network
        x0 = points[jnp.argmin(y * net(points))]
        gradient = jnp.where(off, jax.grad(lambda x: net(x))(x0), 0)
        before = jnp.where(inside[None, :], start.w, 0)
        moved = jnp.linalg.norm(net.w - start.w) / jnp.linalg.norm(before)
        weights = settings.width * ell
        variance = jnp.sum(jnp.where(off[None, :], start.w, 0) ** 2) * d / weights
        return jnp.abs(net(x0)) / jnp.linalg.norm(gradient), {
            "margin reached": trained.margin - settings.margin,
            "moved on Q by a fiftieth": moved - MOVED,
            "no weight decay": -decay_error(optimizer, start.w, 1.0),
            "W_⊥ of variance 1/d": STANDARD_ERRORS * jnp.sqrt(2 / weights) - jnp.abs(variance - 1),
        }

    measured, margins = jax.lax.map(at_size, (shapes, jax.random.split(key, len(shapes))))
    predicted = jnp.sqrt(shapes[:, 1] / shapes[:, 0]).astype(measured.dtype)

    def by_part(values):
        return {"ℓ": values[: len(sizes)], "d": values[len(sizes) :]}

    smallest = {name: jnp.min(values) for name, values in margins.items()}
    return Trial(by_part(measured), by_part(predicted), smallest)


theorem = Theorem(
    name="subspace.flip-scaling",
    statement="|N(x₀)|/‖Π_{P⊥}∇N(x₀)‖ ∝ √(d/ℓ) at the training point x₀ of smallest margin, for "
    "w_i(0) ~ N(0, I/d), ‖x_j‖ = √d in Q ⊂ P, dim Q fixed, trained without decay",
    label="S8",
    provenance="derived",
    claim={
        "ℓ": Scaling(exponent=-0.5, tolerance=0.05, says="∝ ℓ^{−1/2} at fixed d"),
        "d": Scaling(exponent=0.5, tolerance=0.05, says="∝ d^{1/2} at fixed ℓ"),
    },
    presets={
        "smoke": ScalingSettings(d=80, ell=12, stretch=3, sizes=(8, 16, 24, 32, 48, 64), trials=40),
        "course": ScalingSettings(d=300, ell=20, trials=600),
        "paper": ScalingSettings(d=2000, ell=50, sizes=(32, 64, 128, 256, 512, 1024), trials=1600),
    },
    trial=trial,
    control=Control(
        name="variance of W_⊥ set to 1/ℓ",
        numbers={"larger": True},
    ),
    expects={"smoke": "inconclusive"},
)
