"""`bench et3`: the defence against the forward and backward passes that it is made of."""

from typing import Any

import jax
import jax.numpy as jnp

from experiments.bench.proof import agree
from experiments.bench.timing import compare, compiled
from experiments.effort import full_effort
from experiments.experiment import Progress
from theory.energy import energy, et3
from theory.networks import conv_net, mlp

BATCH = 1000
"""Images of one call."""

SIDE = 28

STEPS = (1, 2, 5)


def networks() -> dict[str, Any]:
    """Of images of `SIDE`² pixels, in single precision."""
    key = jax.random.key(0)
    made = {
        "MLP": mlp(key, (SIDE**2, 256, 256, 10)),
        "CNN": conv_net(key, SIDE, (1, 16, 32), 10),
    }
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), made)


def cost(progress: Progress) -> list[dict[str, Any]]:
    """ET3 of one to five steps, against one forward and backward pass more than it has steps."""
    x = jax.random.uniform(jax.random.key(1), (BATCH, SIDE**2), jnp.float32, 0.25, 0.75)
    rows = []
    for done, (name, net) in enumerate(networks().items()):
        progress(done / 2, name)

        def slope(net, x):
            return jax.grad(lambda x: -jnp.sum(energy(net.logits(x))))(x)

        for steps in STEPS:

            def passes(net, x, steps=steps):
                # Each takes what the last one gave, or they would be one.
                return jax.lax.fori_loop(0, steps + 1, lambda _, x: x + 1e-9 * slope(net, x), x)

            def defence(net, x, steps=steps):
                return et3(net.logits, x, 5.0, 2.5, steps)

            def first(net, x):
                """A step that neither box nor ball cuts off, as the passes give it."""
                one = et3(net.logits, x, 9.0, 0.1, 1, box=None) - x
                return one / jnp.linalg.norm(one, axis=1, keepdims=True)

            def direction(net, x):
                found = slope(net, x)
                return found / jnp.linalg.norm(found, axis=1, keepdims=True)

            with jax.enable_x64(True):
                wide = jax.tree.map(lambda leaf: leaf.astype(float), (net, x[:20]))
                proof = agree({"ET3": compiled(first, *wide), "passes": compiled(direction, *wide)})
            options = full_effort()
            ready = {
                "ET3": compiled(defence, net, x, options=options),
                "passes": compiled(passes, net, x, options=options),
            }
            what = f"{name}, {BATCH} images, {steps} steps against {steps + 1} passes"
            rows.append(compare(what, "passes", ready) | {"largest_difference": proof})
    return rows
