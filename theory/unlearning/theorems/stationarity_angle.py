"""U7, first half: how far from stationary a network is, by the angle to its gradient.

Lyu and Li (2020): train a network that is 1-homogeneous in θ on ℒ = Σ_i e^{−q_i}, put
γ = q_min/‖θ‖ and λ_i = |ℓ'(q_i)|/(γ‖∇ℒ‖). Then θ/q_min satisfies the constraints of margin
maximisation, and, with any selection of gates, the same in ∇N as in ∇ℒ,

    ‖θ/q_min − Σ_i λ_i y_i ∇N(x_i)‖ = √2·γ^{−1}·√(1 − cos(θ, −∇ℒ)).

Proof. ∇N does not depend on the scale of θ, and Σ_i |ℓ'(q_i)| y_i ∇N(x_i) = −∇ℒ, so the residual
is γ^{−1} times the difference of the unit vectors of θ and −∇ℒ, whose norm is √(2(1 − cos)). ∎

The two sides are computed apart: the left one from the gates at θ/q_min, the right one by automatic
differentiation of log ℒ at θ, whose gradient has the direction of ∇ℒ and does not underflow. Both
take σ'(0) = 0, an element of Clarke's subdifferential that need not be the right one at kinks, so
the residual here does not tend to zero. Squares are compared, because the square root would magnify
the rounding of 1 − cos.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from theory.claims import Identity
from theory.networks import Linear, TwoLayerReLU
from theory.theorem import Choice, Control, Paper, Theorem, Trial
from theory.unlearning.margin import exponential_slope
from theory.unlearning.pattern import autograd_pattern, combine, with_weights
from theory.unlearning.scene import Scene, descend, draw_gaussian, margin_reached
from theory.unlearning.settings import Settings


def log_loss(net: Linear | TwoLayerReLU, scene: Scene) -> Float[Array, ""]:
    """log ℒ of the exponential loss, which no margin makes underflow.

    Example:
        >>> scene = Scene(jnp.ones((1, 1)), jnp.ones(1), Linear(jnp.zeros(1)))
        >>> float(log_loss(Linear(jnp.array([1000.0])), scene))
        -1000.0
    """
    return jax.nn.logsumexp(-scene.y * net(scene.x))


def trial(settings: Settings, key: Key[Array, ""], stale: Choice = False) -> Trial:
    """Measured: |residual² − 2γ^{−2}(1 − cos)|. Predicted: γ^{−2}, their scale.

    Where ``stale``, ∇N has the gates that the network had before it was trained.
    """
    scene = draw_gaussian(settings, key)
    trained = descend(settings, scene, exponential_slope)
    net = trained.network
    gradient = jax.grad(log_loss)(net, scene).w
    steepness, norm = jnp.linalg.norm(gradient), jnp.linalg.norm(net.w)
    q = scene.y * net(scene.x)
    smallest = jnp.min(q)
    multipliers = norm / smallest * jax.nn.softmax(-q) / steepness

    unit = with_weights(net, net.w / smallest)
    gates = autograd_pattern(optax.tree.where(stale, scene.start, unit), scene.x).gates
    explained = combine(net.u, gates * multipliers[None, :], scene.x, scene.y)
    residual = jnp.sum((unit.w - explained) ** 2)
    cosine = -jnp.sum(net.w * gradient) / (norm * steepness)
    scale = (norm / smallest) ** 2
    return Trial(
        measured=jnp.abs(residual - 2 * scale * (1 - cosine)),
        predicted=scale,
        assumptions={
            "all q_i > 0": smallest,
            "margin reached": margin_reached(settings, trained),
            "gates of ∇N are those of ∇ℒ": jnp.all(gates == autograd_pattern(net, scene.x).gates),
        },
    )


theorem = Theorem(
    name="unlearning.stationarity-angle",
    statement="exponential loss, all q_i > 0, the same gates in ∇N and ∇ℒ: "
    "‖θ/q_min − Σλ_i y_i∇N(x_i)‖² = 2γ⁻²(1 − cos(θ, −∇ℒ)), γ = q_min/‖θ‖, λ_i = |ℓ'(q_i)|/(γ‖∇ℒ‖)",
    label="U7 (stationarity, identity derived)",
    provenance="derived",
    paper=Paper(
        key="lyu2020gradient",
        arxiv="1906.05890",
        title="Gradient Descent Maximizes the Margin of Homogeneous Neural Networks",
    ),
    claim=Identity(),
    presets={
        "smoke": Settings(margin=100.0, trials=20),
        "course": Settings(margin=300.0, trials=135),
        "paper": Settings(d=1000, margin=1000.0, trials=688),
    },
    trial=trial,
    control=Control(
        name="gates of the network before training",
        numbers={"stale": True},
    ),
)
