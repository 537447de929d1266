"""The conditions of Lyu and Li along training on the exponential loss (U7).

With θ at smallest margin one, their multipliers λ_i ∝ e^{−q_i} leave a residual
ε = √2 γ⁻¹ √(1 − cos(θ, −∇ℒ)) and a slack Σ_i λ_i (q_i/q_min − 1) of at most (m − 1)γ⁻²/(e q_min),
where γ = q_min/‖θ‖; both are proved in ``theorems/``. The smoothed margin γ̃ = log(1/ℒ)/‖θ‖ never
decreases under gradient flow.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.networks import Linear, TwoLayerReLU
from theory.theorem import Number, Trial
from theory.unlearning.margin import LogSlope, exponential_slope, train_to_large_margin
from theory.unlearning.pattern import autograd_pattern, combine, neurons
from theory.unlearning.scene import Scene


def smoothed_margin(net: TwoLayerReLU, scene: Scene) -> Float[Array, ""]:
    """γ̃ = log(1/ℒ)/‖θ‖ for ℒ = Σ_i e^{−q_i}, at any margin.

    Example:
        >>> net = TwoLayerReLU(jnp.array([[3.0, 4.0]]), jnp.ones(1))
        >>> round(float(smoothed_margin(net, Scene(jnp.eye(2)[:1], jnp.ones(1), net))), 6)
        0.6
    """
    q = scene.y * net(scene.x)
    return -jax.nn.logsumexp(-q) / jnp.linalg.norm(net.w)


def lyu_li(net: TwoLayerReLU, scene: Scene) -> dict[str, Array]:
    """ε and the slack with the multipliers of the gradient, and the bound of the slack.

    Example:
        >>> net = TwoLayerReLU(jnp.array([[3.0, 4.0]]), jnp.ones(1))
        >>> found = lyu_li(net, Scene(net.w / 5, jnp.ones(1), net))
        >>> {name: round(float(value), 3) for name, value in found.items()}
        {'epsilon': 0.0, 'slack': 0.0, 'slack_bound': 0.0, 'gamma': 1.0}
    """
    q = scene.y * net(scene.x)
    smallest, norm = jnp.min(q), jnp.linalg.norm(net.w)
    gates = autograd_pattern(net, scene.x).gates
    weights = jnp.exp(smallest - q)  # |ℓ'(q_i)| in units of the largest
    descent = combine(net.u, gates * weights[None, :], scene.x, scene.y)
    strength = jnp.linalg.norm(descent)
    multipliers = norm / smallest * weights / strength
    difference = net.w / norm - descent / strength  # of norm √(2 − 2 cos)
    return {
        "epsilon": norm / smallest * jnp.linalg.norm(difference),
        "slack": jnp.sum(multipliers * (q / smallest - 1)),
        "slack_bound": (len(q) - 1) * (norm / smallest) ** 2 / (jnp.e * smallest),
        "gamma": smallest / norm,
    }


def decayed(
    net: Linear | TwoLayerReLU,
    x: Float[Array, "samples d"],
    y: Float[Array, " samples"],
    slope: LogSlope = exponential_slope,
    stretch: Number = 1.0,
) -> Trial:
    """The slack of a network against its bound, measured and predicted as U7 compares them.

    Args:
        net: θ before it is stretched.
        x: points.
        y: labels ±1.
        slope: log |ℓ'| of the loss that the multipliers are those of.
        stretch: the weights are multiplied by this.

    Example:
        >>> net = TwoLayerReLU(jnp.array([[3.0, 4.0]]), jnp.ones(1))
        >>> float(decayed(net, net.w / 5, jnp.ones(1)).measured)
        0.0
    """
    (w, u, _), gates = neurons(net), autograd_pattern(net, x).gates
    w, q = stretch * w, stretch * y * net(x)
    # ∇ℒ and |ℓ'| are both divided by Σ|ℓ'|, which underflows.
    weights = jax.nn.softmax(slope(q))
    tail = slope(q) + q  # constant for |ℓ'(q)| ∝ e^{−q}
    gradient = combine(u, gates * weights[None, :], x, y)
    smallest, norm = jnp.min(q), jnp.linalg.norm(w)
    multipliers = norm / smallest * weights / jnp.linalg.norm(gradient)
    return Trial(
        measured=jnp.sum(multipliers * (q / smallest - 1)),
        predicted=(len(x) - 1) * (norm / smallest) ** 2 / (jnp.e * smallest),
        assumptions={
            "all q_i > 0": smallest,
            "|ℓ'(q)| ∝ e^{−q}": 1e-9 * jnp.max(q) - (jnp.max(tail) - jnp.min(tail)),
        },
    )


def follow(
    scene: Scene, margins: Float[Array, " stops"], steps: int
) -> tuple[TwoLayerReLU, dict[str, Array]]:
    """Train by descent and look at γ̃ after every single step from the first margin on.

    Args:
        scene: data and network at initialisation.
        margins: smallest margins to stop at, increasing.
        steps: largest number of steps.

    Returns:
        The networks at the stops, with a leading axis, and by name at every stop: the largest
        relative ``fall`` of γ̃ below its ``peak`` so far, ``steps`` taken and margin ``reached``.

    Example:
        >>> from theory.unlearning.scene import draw_gaussian
        >>> from theory.unlearning.settings import Settings
        >>> scene = draw_gaussian(Settings(d=50, samples=4, width=10), jax.random.key(0))
        >>> networks, found = follow(scene, jnp.array([2.0, 4.0]), 1000)
        >>> networks.w.shape, bool((found["reached"] >= jnp.array([2.0, 4.0])).all())
        ((2, 10, 50), True)
    """

    def train(net, margin, steps):
        return train_to_large_margin(
            net, scene.x, scene.y, margin, slope=exponential_slope, steps=steps
        )

    def onward(carry, margin):
        def step(carry):
            net, peak, fall, count, _ = carry
            trained = train(net, jnp.inf, 1)
            now = smoothed_margin(trained.network, scene)
            fall = jnp.maximum(fall, 1 - now / peak)
            return trained.network, jnp.maximum(peak, now), fall, count + 1, trained.margin

        def unfinished(carry):
            *_, count, reached = carry
            return (reached < margin) & (count < steps)

        carry = jax.lax.while_loop(unfinished, step, carry)
        return carry, carry

    first = train(scene.start, margins[0], steps)
    peak = smoothed_margin(first.network, scene)
    carry = first.network, peak, jnp.zeros_like(peak), first.steps, first.margin
    _, (networks, peaks, falls, taken, reached) = jax.lax.scan(onward, carry, margins)
    return networks, {"fall": falls, "peak": peaks, "steps": taken, "reached": reached}
