"""Healing without gradients: an MLP's layers corrected one after another, from the input up.

All take the dense network, the pruned one or its masks, and unlabelled inputs. Each layer is
corrected for what the layers before it, already corrected, make of the inputs; `fold_neurons`
alone reads the states of the dense network, whose neurons it folds.

All raise ValueError for inputs that are not rows of the network, and, unless these are traced, for
no inputs, for inputs or networks that are not finite, for masks that do not fit (see `check_masks`)
and where states or their squares overflow.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.checks import check_inputs, finite, traced
from theory.healing.checks import check_networks
from theory.healing.least_squares import masked_ridge, ridge_around
from theory.healing.masks import apply_masks, check_masks
from theory.networks import MLP, affine

RIDGE = 1e-2
"""λ, in units of the mean over inputs of Σ_r x_r²: a hundredth of a typical squared column."""

_Layer = tuple[Float[Array, "outputs inputs"], Float[Array, " outputs"]]
_Correct = Callable[
    [int, Float[Array, "outputs inputs"], Float[Array, " outputs"], Array, Array], _Layer
]


def _check(dense: MLP, pruned: MLP, x: Array, masks: MLP | None = None) -> None:
    """Refuse what has no closed form."""
    takes = dense.weights[0].shape[-1]
    if x.ndim != 2 or x.shape[1] != takes:
        raise ValueError(f"inputs have shape {x.shape} and must have (n, {takes})")
    if traced((dense, pruned, x, masks)):
        return
    if masks is not None:
        check_masks(dense, masks)
    check_networks(dense, pruned, masks)
    check_inputs(x)


def _layer_by_layer(
    dense: MLP, pruned: MLP, x: Float[Array, "n d"], correct: _Correct, layers: int
) -> MLP:
    """Replace the first layers by ``correct(layer, weight, bias, inputs, targets)``."""
    targets = dense.preactivations(x)
    weights, biases = list(pruned.weights), list(pruned.biases)
    for layer in range(layers):
        weights[layer], biases[layer] = correct(
            layer, weights[layer], biases[layer], x, targets[layer]
        )
        x = jax.nn.relu(affine(x, weights[layer], biases[layer]))
    return _corrected(MLP(tuple(weights), tuple(biases)))


def _corrected(net: MLP) -> MLP:
    if not traced(net) and not finite(net):
        raise ValueError(
            "the corrected network has weights that are not finite: states leave the range of "
            "their type, scale the inputs"
        )
    return net


def _mean(h):
    return jnp.mean(h, axis=0)


def correct_biases(dense: MLP, pruned: MLP, x: Float[Array, "n d"]) -> MLP:
    """Biases that give every hidden neuron the mean that it had.

    Args:
        dense, pruned: the networks.
        x: unlabelled inputs.

    Example:
        >>> from theory.networks import mlp
        >>> net, x = mlp(jax.random.key(0), (3, 4, 2)), jnp.ones((5, 3))
        >>> empty = net._replace(weights=(0 * net.weights[0], net.weights[1]))
        >>> healed = correct_biases(net, empty, x)
        >>> bool(jnp.allclose(healed.preactivations(x)[-1], net.preactivations(x)[-1]))
        True
    """
    _check(dense, pruned, x)

    def correct(layer, weight, bias, x, target):
        return weight, bias + _mean(target - affine(x, weight, bias))

    return _layer_by_layer(dense, pruned, x, correct, len(dense.weights) - 1)


def repair(dense: MLP, pruned: MLP, x: Float[Array, "n d"]) -> MLP:
    """Scales and biases that give every hidden neuron the mean and deviation that it had.

    Neurons that no longer vary keep their weights and get the mean.

    Args:
        dense, pruned: the networks.
        x: unlabelled inputs.

    Source: Jordan, Sedghi, Saukh, Entezari, Neyshabur, "REPAIR" (arXiv 2211.08403).

    Example:
        >>> from theory.networks import mlp
        >>> net, x = mlp(jax.random.key(0), (3, 4, 2)), jax.random.normal(jax.random.key(1), (9, 3))
        >>> weak = net._replace(weights=(net.weights[0] / 2, net.weights[1]))
        >>> bool(jnp.allclose(repair(net, weak, x).weights[0], net.weights[0], rtol=1e-4))
        True
    """
    _check(dense, pruned, x)

    def correct(layer, weight, bias, x, target):
        h = affine(x, weight, bias)
        deviation, wanted = jnp.std(h, axis=0), jnp.std(target, axis=0)
        # A deviation that is rounding of the mean is none.
        varies = deviation > 100 * jnp.finfo(h.dtype).eps * jnp.max(jnp.abs(h), axis=0)
        scale = jnp.where(varies, wanted / jnp.where(varies, deviation, 1), 1)
        return weight * scale[:, None], _mean(target) + scale * (bias - _mean(h))

    return _layer_by_layer(dense, pruned, x, correct, len(dense.weights) - 1)


def reconstruct(dense: MLP, pruned: MLP, masks: MLP, x: Float[Array, "n d"]) -> MLP:
    """Survivors of every masked layer by ridge regression on the dense network's pre-activations.

    Args:
        dense, pruned: the networks.
        masks: of the weights.
        x: unlabelled inputs.

    Example:
        >>> from theory.networks import mlp
        >>> net, x = mlp(jax.random.key(0), (3, 4, 2)), jax.random.normal(jax.random.key(1), (9, 3))
        >>> masks = MLP((jnp.ones((4, 3), jnp.uint8), None), (None, None))
        >>> weak = net._replace(weights=(net.weights[0] / 2, net.weights[1]))
        >>> healed = reconstruct(net, weak, masks, x)
        >>> bool(jnp.abs(healed.weights[0] - net.weights[0]).max() < 0.05)
        True
    """
    _check(dense, pruned, x, masks)

    def correct(layer, weight, bias, x, target):
        mask = masks.weights[layer]
        if mask is None:
            return weight, bias
        target = target - jnp.broadcast_to(bias, target.shape)
        return masked_ridge(x, target, mask, RIDGE * _typical(x)), bias

    return _layer_by_layer(dense, pruned, x, correct, len(dense.weights))


def refit_head(dense: MLP, healed: MLP, x: Float[Array, "n d"]) -> MLP:
    """The last layer by ridge regression on the dense logits, as near as that is to what it was.

    Args:
        dense: the network whose logits are wanted.
        healed: the network whose last layer is refitted.
        x: unlabelled inputs.

    Example:
        >>> from theory.networks import mlp
        >>> net, x = mlp(jax.random.key(0), (3, 4, 2)), jax.random.normal(jax.random.key(1), (9, 3))
        >>> bool(jnp.allclose(refit_head(net, net, x).weights[1], net.weights[1]))
        True
    """
    _check(dense, healed, x)
    last = len(dense.weights) - 1
    hidden = jax.nn.relu(healed.preactivations(x)[-2])
    logits = dense.preactivations(x)[-1]
    bias = healed.biases[last]
    weight = ridge_around(
        healed.weights[last],
        hidden,
        logits - jnp.broadcast_to(bias, logits.shape),
        RIDGE * _typical(hidden),
    )
    return _corrected(MLP((*healed.weights[:last], weight), healed.biases))


def fold_neurons(dense: MLP, masks: MLP, x: Float[Array, "n d"]) -> MLP:
    """Fold removed neurons into those that stay: what they did is predicted from these.

    A removed neuron's activation is regressed, affinely, on the activations of the neurons that
    stay, and its outgoing weights are spread over them. Rows of weights that are all pruned are
    the removed neurons.

    Args:
        dense: the network.
        masks: whole rows of hidden weights, and the columns that read them in the next layer.
        x: unlabelled inputs.

    Raises:
        ValueError: the masks prune weights that no removed neuron has.

    Source: CORP and GRAIL fold by the same regression; derived here from least squares.

    Example:
        >>> from theory.networks import mlp
        >>> net, x = mlp(jax.random.key(0), (3, 4, 2)), jax.random.normal(jax.random.key(1), (9, 3))
        >>> twins = net._replace(weights=(net.weights[0].at[1].set(net.weights[0][0]),
        ...     net.weights[1]), biases=(net.biases[0].at[1].set(net.biases[0][0]), net.biases[1]))
        >>> rows = jnp.ones((4, 3), jnp.uint8).at[1].set(0)
        >>> columns = jnp.ones((2, 4), jnp.uint8).at[:, 1].set(0)
        >>> healed = fold_neurons(twins, MLP((rows, columns), (None, None)), x)
        >>> gap = healed.preactivations(x)[-1] - twins.preactivations(x)[-1]
        >>> bool(jnp.abs(gap).max() < 0.02)
        True
    """
    _check(dense, dense, x, masks)
    states = [jax.nn.relu(h) for h in dense.preactivations(x)[:-1]]
    weights, biases = list(dense.weights), list(dense.biases)
    for layer, hidden in enumerate(states):
        mask = masks.weights[layer]
        if mask is None:
            continue
        stays = jnp.any(mask, axis=1)
        mean = _mean(hidden)
        centred = hidden - jnp.broadcast_to(mean, hidden.shape)
        allowed = jnp.broadcast_to(stays[None], (len(stays), len(stays)))
        spread = masked_ridge(centred, centred, allowed, RIDGE * _typical(centred))
        # A neuron that stays is its own best predictor, but for the ridge.
        spread = jnp.where(stays[:, None], jnp.eye(len(stays), dtype=spread.dtype), spread)
        constant = jnp.where(stays, 0, mean - spread @ mean)
        biases[layer + 1] = biases[layer + 1] + weights[layer + 1] @ constant
        weights[layer + 1] = weights[layer + 1] @ spread
        weights[layer] = jnp.where(stays[:, None], weights[layer], 0)
        biases[layer] = jnp.where(stays, biases[layer], 0)
    folded = _corrected(MLP(tuple(weights), tuple(biases)))
    masked = apply_masks(folded, masks)
    if not traced(folded) and not jax.tree.all(jax.tree.map(jnp.array_equal, folded, masked)):
        raise ValueError("the masks prune single weights: only whole neurons can be folded")
    return folded


def _typical(x: Float[Array, "n inputs"]) -> Float[Array, ""]:
    """The mean over inputs of Σ_r x_r², the scale of the eigenvalues of XᵀX; 1 if all are 0."""
    scale = jnp.mean(jnp.sum(x**2, axis=0))
    if not traced(scale) and not finite(scale):
        raise ValueError(f"squares of what enters a layer overflow in {x.dtype}: scale the inputs")
    return jnp.where(scale > 0, scale, 1)
