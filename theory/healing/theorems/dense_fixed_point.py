"""H1: the dense network is a fixed point of healing, dead neurons and rows of zeros included.

Let the student be the dense network itself: the mask is all ones. Then the distance of its states
from the teacher's and the gradient of that distance in all weights are 0, for directions
(STARFISH) and for the states themselves (normalised mean square error). The trials are of drawn
networks that have dead neurons and rows of zeros in every layer, and other states.

Proof. The distance of a layer is D(h, h*) = c·Σ_r ‖φ(h_r) − φ(h*_r)‖² with φ(h) = h/√(‖h‖² + ε),
or φ(h) = h, where c > 0 and ε > 0 depend on the teacher alone. Equal states give D = 0. The
gradient is 2c·Σ_r J_r(φ(h_r) − φ(h*_r)), J_r the transposed Jacobian of φ∘h_r in the weights. φ is
smooth, at h = 0 too, where its derivative is 1/√ε, and a ReLU at its kink has the derivative 0 in
JAX: every J_r is finite, and is multiplied by a vector that is 0. ∎

A cosine with norms in the denominator has no derivative at a row of zeros, and with ε inside the
square roots alone, 1 − ⟨φ(h), φ(h*)⟩, it is not 0 at equal states: a row of zeros costs 1.

The states of student and teacher are computed by the same operations, which a compiler may order
differently, hence an identity up to rounding: of order ε_machine in the gradient, and its square in
the distance, of which the root is compared. Nothing is said of optimisers that divide by the size
of the gradient: Adam magnifies the rounding and drifts.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from theory import settings as foundation
from theory.claims import Identity
from theory.healing.alignment import Method, distance
from theory.healing.masks import apply_masks, random_scores, smallest
from theory.networks import MLP, mlp
from theory.settings import Count
from theory.theorem import Choice, Control, Theorem, Trial


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """A ReLU network with hidden layers of one width, and unlabelled inputs."""

    d: Count = 32
    """input dimension"""
    width: Count = 64
    """neurons m of every hidden layer"""
    depth: Count = 3
    """hidden layers"""
    samples: Count = 64
    """calibration inputs n"""


def draw_network(settings: Settings, key: Key[Array, ""]) -> MLP:
    """A network with a dead neuron in every hidden layer and no positive bias in one.

    So the input 0 leaves every hidden state 0.

    Example:
        >>> net = draw_network(Settings(), jax.random.key(0))
        >>> [float(h.max()) for h in hidden_states(net, jnp.zeros((1, 32)))]
        [0.0, 0.0, 0.0]
    """
    net = mlp(key, (settings.d, *[settings.width] * settings.depth, 1))
    weights = tuple(w.at[0].set(0) for w in net.weights[:-1])
    biases = tuple(-jnp.abs(b) for b in net.biases[:-1])
    return MLP((*weights, net.weights[-1]), (*biases, net.biases[-1]))


def draw_inputs(settings: Settings, key: Key[Array, ""]) -> Float[Array, "samples d"]:
    """Standard Gaussian inputs, the first of which is 0.

    Example:
        >>> draw_inputs(Settings(samples=2, d=3), jax.random.key(0))[0].tolist()
        [0.0, 0.0, 0.0]
    """
    return jax.random.normal(key, (settings.samples, settings.d)).at[0].set(0)


def hidden_states(net: MLP, x: Float[Array, "n d"]) -> tuple[Float[Array, "n width"], ...]:
    """What every hidden layer gives after its ReLU.

    Example:
        >>> net = mlp(jax.random.key(0), (3, 5, 1))
        >>> [h.shape for h in hidden_states(net, jnp.zeros((2, 3)))]
        [(2, 5)]
    """
    return tuple(jax.nn.relu(h) for h in net.preactivations(x)[:-1])


def draw_masks(net: MLP, key: Key[Array, ""], share: float) -> MLP:
    """Masks that prune this share of every hidden matrix at random; all else stays whole.

    Example:
        >>> masks = draw_masks(mlp(jax.random.key(0), (3, 4, 1)), jax.random.key(1), 0.25)
        >>> int(masks.weights[0].sum()), masks.weights[1]
        (9, None)
    """
    hidden = smallest(random_scores(key, net.weights[:-1]), share)
    whole = (None,) * len(net.biases)
    return MLP((*hidden, None), whole)  # pyright: ignore[reportArgumentType]


NAMES: dict[Method, str] = {"starfish": "cosine", "mse": "mse"}
"""What the statement calls the distances."""

SHARE = 0.001
"""What the control prunes."""

ALIVE = 0.01
"""The least share of a layer's states that are not 0: of zeros alone nothing would be said."""


def trial(settings: Settings, key, pruned: Choice = False) -> Trial:
    """Measured: the root of both distances and both ‖W‖·‖∇‖. Predicted (their scale): 1.

    A `SHARE` of the student's weights is pruned where ``pruned``. ‖W‖·‖∇‖ is the change of a
    distance that a relative change of the weights can make.
    """
    key_net, key_x, key_masks = jax.random.split(key, 3)
    net, x = draw_network(settings, key_net), draw_inputs(settings, key_x)
    masks = draw_masks(net, key_masks, SHARE)
    masks = optax.tree.where(pruned, masks, jax.tree.map(jnp.ones_like, masks))
    targets = hidden_states(net, x)
    student = apply_masks(net, masks)

    def norm(tree):
        return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)))

    measured = {}
    for method, name in NAMES.items():

        def loss_of(net, method: Method = method):
            return distance(hidden_states(net, x), targets, method)

        loss, gradient = jax.value_and_grad(loss_of)(student)
        measured |= {f"D {name}": jnp.sqrt(loss), f"∇ {name}": norm(student) * norm(gradient)}
    dtype = x.dtype
    zeros = [jnp.sum(mask == 0) for mask in jax.tree.leaves(masks)]
    zero_rows = [jnp.sum(~jnp.any(h > 0, axis=1)) for h in targets]
    dead = [jnp.sum(~jnp.any(h > 0, axis=0)) for h in targets]
    alive = [jnp.mean(h > 0, dtype=dtype) for h in targets]
    return Trial(
        measured=measured,
        predicted={name: jnp.ones((), dtype) for name in measured},
        assumptions={
            "all-ones mask": -jnp.stack(zeros).sum().astype(dtype),
            "a row of zeros in every state": jnp.min(jnp.stack(zero_rows)).astype(dtype) - 1,
            "a dead neuron in every layer": jnp.min(jnp.stack(dead)).astype(dtype) - 1,
            "living states in every layer": jnp.min(jnp.stack(alive)) - ALIVE,
        },
    )


theorem = Theorem(
    name="healing.dense-fixed-point",
    statement="the student is the dense network, dead neurons and rows of zeros included: "
    "never NaN, and up to 32 roundings",
    label="H1",
    provenance="derived",
    claim={
        "D cosine": Identity(ulps=32, says="√D = 0 for directions"),
        "∇ cosine": Identity(ulps=32, says="‖W‖·‖∇D‖ = 0 for directions"),
        "D mse": Identity(ulps=32, says="√D = 0 for the states themselves"),
        "∇ mse": Identity(ulps=32, says="‖W‖·‖∇D‖ = 0 for the states themselves"),
    },
    presets={
        "smoke": Settings(d=16, width=32, depth=2, samples=16, trials=20),
        "course": Settings(trials=135),
        "paper": Settings(d=64, width=128, depth=4, samples=128, trials=688),
    },
    trial=trial,
    control=Control(
        name="a thousandth of the weights pruned",
        numbers={"pruned": True},
    ),
)
