"""Ways to prune an MLP below its head, by any scores: single weights or whole neurons.

Of a neuron that is removed the row of weights and the bias go. Its state is 0 then and stays so,
and the cosine with the dense state is that of the kept coordinates times a factor that the mask
and the input fix: aligning whole states aligns the kept coordinates, rows weighted by the factor.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.healing.masks import (
    magnitude,
    n_of_m,
    random_scores,
    smallest,
    smallest_of_all,
    smallest_of_rows,
    wanda,
)
from theory.healing.objectives import hidden
from theory.networks import MLP

Scores = Callable[[MLP, Float[Array, "n d"], Key[Array, ""]], list[Array]]
"""``scores(net, x, key)`` of the weights of every hidden layer, from a network and its inputs."""

Masks = Callable[[MLP, Float[Array, "n d"], Key[Array, ""]], MLP]
"""``masks(net, x, key)``, None for the head and for whatever else stays whole."""


def by_magnitude(net: MLP, x, key) -> list[Array]:
    """The scores of `magnitude`."""
    return magnitude(list(net.weights[:-1]))


def by_use(net: MLP, x, key) -> list[Array]:
    """The scores of `wanda`, on what enters every layer of this network."""
    return wanda(list(net.weights[:-1]), [x, *hidden(net, x)[:-1]])


def by_chance(net: MLP, x, key) -> list[Array]:
    """The scores of `random_scores`."""
    return random_scores(key, list(net.weights[:-1]))


def of_weights(choose: Callable[[list[Array]], list[Array]], scores: Scores) -> Masks:
    """Masks of single weights.

    Args:
        choose: `smallest` of a share or another structure, from scores.
        scores: of the weights.

    Example:
        >>> from theory.networks import mlp
        >>> import jax
        >>> net = mlp(jax.random.key(0), (3, 4, 2))
        >>> masks = of_weights(lambda s: smallest(s, 0.5), by_magnitude)(net, None, None)
        >>> int(masks.weights[0].sum()), masks.weights[1]
        (6, None)
    """

    def masks(net, x, key):
        return _mlp((*choose(scores(net, x, key)), None), (None,) * len(net.biases))

    return masks


def of_neurons(share: float, scores: Scores) -> Masks:
    """Masks of the rows and biases of a share of every layer's neurons.

    A neuron counts by the norm of its weights' scores.

    Example:
        >>> from theory.networks import mlp
        >>> import jax
        >>> net = mlp(jax.random.key(0), (3, 4, 2))
        >>> masks = of_neurons(0.5, by_magnitude)(net, None, None)
        >>> int(masks.weights[0].sum()), int(masks.biases[0].sum())
        (6, 2)
    """

    def masks(net, x, key):
        kept = smallest([jnp.linalg.norm(s, axis=1) for s in scores(net, x, key)], share)
        rows = [
            jnp.broadcast_to(k[:, None], w.shape) for k, w in zip(kept, net.weights, strict=False)
        ]
        return _mlp((*rows, None), (*kept, None))

    return masks


def _mlp(weights: Any, biases: Any) -> MLP:
    return MLP(weights, biases)


def magnitude_masks(dense: MLP, share: float) -> MLP:
    """Masks of the smallest weights of every hidden layer, for networks of a leading axis."""
    choose = of_weights(partial(smallest, share=share), by_magnitude)
    return jax.vmap(lambda net: choose(net, None, None))(dense)  # pyright: ignore


def percent(share: float) -> str:
    """A share in words, with all its digits.

    Example:
        >>> percent(0.9), percent(0.901), percent(0.999999)
        ('90 %', '90.1 %', '99.9999 %')
    """
    return f"{100 * share:.10g} %"


LAYER, ALL, ROW = "magnitude, by layer", "magnitude, of all", "magnitude, by row"
WANDA, RANDOM = "Wanda", "random"


def ways(unstructured: Sequence[float], neurons: Sequence[float]) -> dict[tuple[str, str], Masks]:
    """Masks by structure and criterion: shares of single weights, 2:4 and 1:4, shares of neurons.

    Example:
        >>> list(ways((), ()))[:2]
        [('2:4', 'magnitude, by layer'), ('2:4', 'Wanda')]
    """
    out: dict[tuple[str, str], Masks] = {}
    scores = {LAYER: by_magnitude, WANDA: by_use, RANDOM: by_chance}
    for part in unstructured:
        layer, every, row = (
            partial(choose, share=part) for choose in (smallest, smallest_of_all, smallest_of_rows)
        )
        # Wanda takes as many of every row: beside `ROW` only the criterion differs.
        chosen_by = {LAYER: layer, ALL: every, ROW: row, WANDA: row, RANDOM: layer}
        for criterion, choose in chosen_by.items():
            of = scores.get(criterion, by_magnitude)
            out[f"{percent(part)} of weights", criterion] = of_weights(choose, of)
    for n in (2, 1):
        for criterion, of in scores.items():
            out[f"{n}:4", criterion] = of_weights(partial(n_of_m, n=n, m=4), of)
    for part in neurons:
        for criterion, of in scores.items():
            out[f"{percent(part)} of neurons", criterion] = of_neurons(part, of)
    return out
