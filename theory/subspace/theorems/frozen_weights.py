"""S1: training never moves the hidden weights off the data's subspace.

Proof. ∂L/∂w_i = Σ_j c_ij x_j is a combination of data points for any loss, any minibatch, any
output layer and any hidden biases. Descent and momentum (from zero) add multiples of such
gradients, so Π_{P^⊥}w_i stays. A step that is nonlinear in each coordinate, such as Adam's, does
not map P into P unless P^⊥ is spanned by coordinate axes.

The trial trains in *full dimension* (in the span the statement would be a tautology): minibatch
descent with heavy-ball momentum on all parameters, biases included.
"""

import jax
import jax.numpy as jnp
import optax

from theory.claims import Identity
from theory.networks import MLP, mlp
from theory.subspace.scene import assumptions, draw_scene
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial
from theory.training import apply_update, initial_state, logistic


def trial(settings: Settings, key, make_optimizer=lambda rate: optax.sgd(rate, 0.9)) -> Trial:
    """Measured: ‖Π_{P^⊥}(W(T) − W(0))‖_F. Predicted (its scale): ‖W(0)‖_F."""
    key_scene, key_net, key_batch = jax.random.split(key, 3)
    scene = draw_scene(settings, key_scene)
    start = mlp(key_net, (settings.d, settings.width, 1))
    optimizer = make_optimizer(settings.rate)

    def step(carry, key):
        net, state = carry
        in_batch = jax.random.bernoulli(key, 0.5, scene.y.shape)

        def loss(net):
            return jnp.mean(jnp.where(in_batch, logistic(scene.y * net(scene.x)), 0))

        return apply_update(optimizer, jax.grad(loss)(net), state, net), None

    keys = jax.random.split(key_batch, settings.steps)
    (end, _), _ = jax.lax.scan(step, (start, initial_state(optimizer, start)), keys)
    assert isinstance(end, MLP)
    drift = scene.subspace.reject(end.weights[0] - start.weights[0])
    return Trial(
        measured=jnp.linalg.norm(drift),
        predicted=jnp.linalg.norm(start.weights[0]),
        assumptions=assumptions(settings, scene),
    )


def trained_by_adam(settings: Settings, key) -> Trial:
    """The trial with Adam, which normalises every coordinate by itself."""
    return trial(settings, key, lambda rate: optax.adam(0.01))


theorem = Theorem(
    name="subspace.frozen-weights",
    statement="Π_{P⊥}w_i(t) = Π_{P⊥}w_i(0) for SGD with momentum, all layers and biases trained",
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
        trial=trained_by_adam,
    ),
)
