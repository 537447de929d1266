"""Networks that this package knows nothing of are healed, with the numerics of a plain JAX user."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from theory.healing import apply_masks, heal, magnitude, n_of_m, smallest, smallest_of_all


@pytest.fixture(autouse=True)
def plain_jax():
    """JAX's defaults, in place of the tests' strict ones."""
    with (
        jax.enable_x64(False),
        jax.default_matmul_precision("default"),
        jax.numpy_rank_promotion("allow"),
        jax.numpy_dtype_promotion("standard"),
    ):
        yield


def error_of(outputs, dense, network, inputs):
    """Mean square error of the outputs, in units of the variance of the dense network's."""
    target = outputs(dense, inputs)
    variance = jnp.mean(jnp.var(target, axis=0))
    return jnp.mean((outputs(network, inputs) - target) ** 2) / variance


def matrices(params, masks_of):
    """Masks of the leaves of two or more axes."""
    scores = jax.tree.map(lambda leaf: jnp.abs(leaf) if leaf.ndim > 1 else None, params)
    return masks_of(scores)


def check(states, outputs, dense, masks, inputs, test, **options):
    """Healed from few inputs a network is nearer to the dense one on others, zeros exactly kept."""
    pruned = apply_masks(dense, masks)
    healed = heal(states, dense, pruned, masks, inputs, steps=100, **options)
    error = jax.jit(partial(error_of, outputs, dense, inputs=test))
    before, after = error(pruned), error(healed.params)
    assert after < 0.7 * before
    assert jax.tree.structure(healed.params) == jax.tree.structure(dense)
    kept = apply_masks(healed.params, masks)
    assert jax.tree.all(jax.tree.map(np.array_equal, kept, healed.params))
    types = [[leaf.dtype for leaf in jax.tree.leaves(net)] for net in (dense, healed.params)]
    assert types[0] == types[1]


@pytest.mark.slow
def test_a_residual_network_of_tokens_in_dicts():
    """Parameters and inputs hold integers; states have an axis of tokens and come in a dict."""
    words, tokens, width, layers = 20, 5, 16, 2
    keys = iter(jax.random.split(jax.random.key(0), 20))
    dense = {
        "embedding": jax.random.normal(next(keys), (words, width)),
        "version": jnp.array(3),
        "blocks": [
            {
                "mix": jax.random.normal(next(keys), (tokens, tokens)) / tokens**0.5,
                "up": jax.random.normal(next(keys), (width, 2 * width)) / width**0.5,
                "down": jax.random.normal(next(keys), (2 * width, width)) / width**0.5,
                "bias": jnp.zeros(2 * width),
            }
            for _ in range(layers)
        ],
    }

    def states(params, inputs):
        h = params["embedding"][inputs["ids"]] * inputs["scale"][:, None, None]
        reported = {}
        for i, block in enumerate(params["blocks"]):
            h = h + block["mix"] @ h
            h = h + jax.nn.relu(h @ block["up"] + block["bias"]) @ block["down"]
            reported[f"block {i}"] = h
        return reported

    def outputs(params, inputs):
        return states(params, inputs)[f"block {layers - 1}"]

    def draw(n):
        ids = jax.random.randint(next(keys), (n, tokens), 0, words)
        return {"ids": ids, "scale": jax.random.uniform(next(keys), (n,), minval=0.5)}

    masks = {
        "embedding": None,
        "version": None,
        "blocks": [
            {"mix": None, "up": half, "down": n_of_m(magnitude(block["down"]), 2, 4), "bias": None}
            for block in dense["blocks"]
            for half in [smallest(magnitude(block["up"]), 0.5)]
        ],
    }
    check(states, outputs, dense, masks, draw(24), draw(100), trainable=True)


@pytest.mark.slow
def test_an_equinox_mlp_through_partition_and_vmap():
    """States before the ReLU, and the outputs as one more."""
    key, key_x, key_test = jax.random.split(jax.random.key(1), 3)
    model = eqx.nn.MLP(8, 3, 32, 2, key=key)
    dense, static = eqx.partition(model, eqx.is_inexact_array)

    def forward(params, x):
        model = eqx.combine(params, static)
        states = []
        for layer in model.layers:
            x = layer(x)
            states.append(x)
            x = jax.nn.relu(x)
        return states

    def states(params, x):
        return jax.vmap(forward, in_axes=(None, 0))(params, x)

    def outputs(params, x):
        return jax.vmap(eqx.combine(params, static))(x)

    x, test = jax.random.normal(key_x, (32, 8)), jax.random.normal(key_test, (200, 8))
    assert np.allclose(outputs(dense, x), states(dense, x)[-1], atol=1e-5)
    masks = matrices(dense, lambda scores: smallest_of_all(scores, 0.6))
    check(states, outputs, dense, masks, x, test)


@pytest.mark.slow
def test_an_equinox_convolutional_network():
    """Kernels have four axes, and a state is the map of features of one image, flattened."""
    keys = jax.random.split(jax.random.key(2), 5)
    layers = [
        eqx.nn.Conv2d(1, 6, 3, padding=1, key=keys[0]),
        eqx.nn.Conv2d(6, 6, 3, padding=1, key=keys[1]),
        eqx.nn.Linear(6, 4, key=keys[2]),
    ]
    dense, static = eqx.partition(layers, eqx.is_inexact_array)

    def forward(params, image):
        first, second, head = eqx.combine(params, static)
        one = jax.nn.relu(first(image))
        two = jax.nn.relu(second(one))
        return (one.reshape(-1), two.reshape(-1)), head(jnp.mean(two, axis=(1, 2)))

    def states(params, x):
        return jax.vmap(forward, in_axes=(None, 0))(params, x)[0]

    def outputs(params, x):
        return jax.vmap(forward, in_axes=(None, 0))(params, x)[1]

    x, test = (jax.random.normal(k, (n, 1, 4, 4)) for k, n in zip(keys[3:], (16, 40), strict=True))
    *convolutions, head = matrices(dense, lambda scores: smallest(scores, 0.6))
    masks = [*convolutions, jax.tree.map(lambda _: None, head)]
    check(states, outputs, dense, masks, x, test, optimizer=optax.adam(1e-2), method="mse")


def test_a_whole_equinox_model_is_told_to_be_split():
    model = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(3))
    scores = jax.tree.map(lambda leaf: getattr(leaf, "ndim", 0) > 1 or None, model)
    masks = jax.tree.map(
        lambda m, leaf: None if m is None else jnp.ones(leaf.shape, bool),
        scores,
        model,
        is_leaf=lambda leaf: leaf is None,
    )
    with pytest.raises(ValueError, match="give the arrays of the network alone"):
        heal(lambda model, x: jax.vmap(model)(x), model, model, masks, jnp.ones((2, 3)))
