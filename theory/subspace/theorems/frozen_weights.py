"""S1: training never moves the hidden weights off the data's subspace.

Proof. ∂L/∂w_i = Σ_j c_ij x_j is a combination of data points for any loss, any minibatch, any
output layer and any hidden biases. Descent and momentum (from zero) add multiples of such
gradients, so Π_{P^⊥}w_i stays. A step that is nonlinear in each coordinate, such as Adam's, does
not map P into P unless P^⊥ is spanned by coordinate axes. ∎

The trial trains in *full dimension* (in the span the statement would be a tautology): minibatch
descent with heavy-ball momentum on all parameters, biases included.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from theory.claims import Identity
from theory.geometry import off_by_rounding
from theory.networks import MLP, mlp
from theory.subspace.assumptions import MOVED, decay_error
from theory.subspace.scene import batch_loss, descend_in_batches, draw_scene
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial
from theory.training import apply_update, initial_state


def trial(settings: Settings, key, make_optimizer=lambda rate: optax.sgd(rate, 0.9)) -> Trial:
    """Measured: ‖Π_{P^⊥}(W(T) − W(0))‖_F. Predicted (its scale): ‖W(0)‖_F."""
    key_scene, key_net, key_batch = jax.random.split(key, 3)
    scene = draw_scene(settings, key_scene)
    start = mlp(key_net, (settings.d, settings.width, 1))
    optimizer = make_optimizer(settings.rate)

    keys = jax.random.split(key_batch, settings.steps)
    end = descend_in_batches(scene, start, optimizer, keys)
    assert isinstance(end, MLP)
    w = start.weights[0]
    pairs = zip(groups(start), groups(end), strict=True)
    moves = [jnp.linalg.norm(b - a) / jnp.linalg.norm(a) for a, b in pairs]
    moved = jnp.linalg.norm(scene.subspace.project(end.weights[0] - w))
    gradients = [
        jax.grad(lambda net, inside=inside: batch_loss(scene, net, inside))(start).weights[0]
        for inside in (True, scene.y > 0)
    ]
    rounding = off_by_rounding(w)
    return Trial(
        measured=jnp.linalg.norm(scene.subspace.reject(end.weights[0] - w)),
        predicted=jnp.linalg.norm(w),
        assumptions={
            "training points in P": rounding - jnp.max(scene.subspace.off_share(scene.x)),
            "optimiser linear in gradients": rounding - nonlinearity(optimizer, *gradients),
            "no weight decay": rounding - decay_error(optimizer, w, 1.0),
            "moved on P by a fiftieth": moved / jnp.linalg.norm(scene.subspace.project(w)) - MOVED,
            "both layers and the biases moved by a hundredth": jnp.min(jnp.stack(moves)) - 0.01,
            "loss fell by a tenth": 0.9 - batch_loss(scene, end) / batch_loss(scene, start),
        },
    )


def groups(net: MLP) -> list[Array]:
    """The weights of every layer, and all biases: the last alone may end where it began."""
    return [*net.weights, jnp.concatenate(net.biases)]


def nonlinearity(optimizer: optax.GradientTransformation, a, b):
    """How far the first step for a + b is from the sum of those for a and b, relative."""
    state = initial_state(optimizer, a)
    steps = [apply_update(optimizer, g, state, jnp.zeros_like(a))[0] for g in (a + b, a, b)]
    norm = jnp.linalg.norm(steps[0])
    return jnp.linalg.norm(steps[0] - steps[1] - steps[2]) / jnp.where(norm > 0, norm, 1)


theorem = Theorem(
    name="subspace.frozen-weights",
    statement="Π_{P⊥}w_i(t) = Π_{P⊥}w_i(0) on points of P, minibatches, momentum 0.9, the logistic "
    "loss, without decay, all layers and biases trained",
    label="S1",
    provenance="derived",
    claim=Identity(ulps=32),
    presets={
        "smoke": Settings(ell=32, d=42, steps=100, trials=10),
        "course": Settings(ell=48, d=58, steps=300, trials=135),
        "paper": Settings(ell=74, d=84, steps=1000, trials=688),
    },
    trial=trial,
    control=Control(
        name="Adam on a rotated subspace",
        trial=lambda settings, key: trial(settings, key, lambda rate: optax.adam(0.01)),
    ),
)
