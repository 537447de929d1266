"""Copies trained in three ways: what stays at chance off the span of the texts, and what does not.

Descent leaves the gradients of two copies at chance off the span, on true labels and on shuffled
ones; Adam, whose steps leave the span, does not.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from theory.attribution.scene import (
    draw_copies,
    draw_scene,
    learnable,
    span_agreement,
    train_copies,
)
from theory.attribution.settings import Settings
from theory.training import hidden_layer_only, train

TRUE, SHUFFLED, ADAM = "descent", "descent, labels shuffled", "Adam"
RECIPES = (TRUE, SHUFFLED, ADAM)


def trial(
    settings: Settings, key: Key[Array, ""], *, copies: int, adam_rate: float, adam_steps: int
) -> dict[str, Float[Array, "recipes ..."]]:
    """One data set: what `span_agreement` says, and the ``margin`` of each copy.

    Args:
        settings: of the texts, the networks, and descent.
        key: of all that is drawn.
        copies: M, as many are trained by each recipe.
        adam_rate: step size of Adam.
        adam_steps: steps of Adam, unless the margin is reached before.
    """
    key_scene, key_copies = jax.random.split(key)
    shuffled = draw_scene(settings, key_scene)  # its labels are random
    scene = learnable(shuffled)
    start = draw_copies(settings, jax.random.split(key_copies, copies))

    def by_adam(network):
        rule = hidden_layer_only(optax.adam(adam_rate))
        until = {"steps": adam_steps, "margin": settings.margin}
        return train(network, scene.x, scene.y, optimizer=rule, **until)

    trained = (
        train_copies(settings, scene, start),
        train_copies(settings, shuffled, start),
        jax.vmap(by_adam)(start),
    )
    networks = [each.network for each in trained]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    found = jax.lax.map(lambda copies: span_agreement(copies, scene.x[0], scene.span), stacked)
    return found._asdict() | {"margin": jnp.stack([each.margin for each in trained])}
