"""The worst case of a claim, searched for: random trials say how often, an adversary says whether.

A bound that must hold *always* is driven towards its end by an evolution strategy over data,
labels, weights and whatever else a scene has (Hansen's CMA-ES from evosax, many restarts in one
program). The largest ratio found bounds how far the constant could be lowered; above 1 it is a
counter-example. That none is found proves nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key

from theory.claims import AtLeast, AtMost
from theory.theorem import Search, Theorem, as_margin, by_part


class Found(NamedTuple):
    """Where a search stands.

    Attributes:
        ratio: the largest measured / predicted found (predicted / measured of an `AtLeast`) where
            all assumptions hold; −∞ where they never did.
        scene: where it was found.
        states: of the evolution strategies, to go on from.
    """

    ratio: float
    scene: Any
    states: Any


INFEASIBLE = 1e6
"""Fitness from which on no assumption holds: above any −log of a ratio."""


def fitness(search: Search, claim: AtMost | AtLeast, part: str, scene: Any) -> Float[Array, ""]:
    """What the search makes small: −log of the ratio, or by how much assumptions are missed.

    Scenes in which an assumption is missed come after all others, those that miss it by least
    first: a strategy that looks at ranks alone then finds its way back.
    """
    trial = search.trial(search.settings, scene)
    measured, predicted = by_part(trial.measured)[part], by_part(trial.predicted)[part]
    above, below = (measured, predicted) if isinstance(claim, AtMost) else (predicted, measured)
    margins = map(as_margin, trial.assumptions.values())
    missed = sum((jnp.maximum(-margin, 0) for margin in margins), jnp.zeros_like(above))
    ratio = jnp.where((above > 0) & (below > 0), above / below, 0)
    value = -jnp.log(jnp.maximum(ratio, 1e-30))
    excluded = (missed > 0) | jnp.logical_not(trial.given)
    value = jnp.where(excluded, INFEASIBLE + missed, value)
    return jnp.where(jnp.isfinite(value), value, jnp.inf)


def strategy(search: Search, population: int):
    """The CMA-ES of this population over the flattened scene."""
    from evosax.algorithms import CMA_ES

    scene = jax.eval_shape(lambda: search.start(search.settings, jax.random.key(0)))
    return CMA_ES(population, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), scene))


def begin(
    search: Search, key: Key[Array, ""], restarts: int = 16, population: int = 64
) -> tuple[Any, Any]:
    """The strategies' parameters, and their states where nothing was searched yet.

    Args:
        search: of a theorem.
        key: of the first scenes.
        restarts: evolution strategies side by side, each from a scene of its own.
        population: scenes of one generation of one strategy.
    """
    with _of_the_library():
        es = strategy(search, population)
        params = es.default_params.replace(std_init=0.3)
        keys = jax.random.split(jax.random.fold_in(key, 0), restarts)
        scenes = jax.vmap(partial(search.start, search.settings))(keys)
        return params, jax.vmap(lambda key, mean: es.init(key, mean, params))(keys, scenes)


def hunt(
    theorem: Theorem,
    part: str,
    key: Key[Array, ""],
    *,
    restarts: int = 16,
    population: int = 64,
    generations: int = 50,
    states: Any = None,
) -> Iterator[Found]:
    """Search for the worst case of one part, for as long as the caller asks for the next.

    Args:
        theorem: with a `Search`.
        part: the name of a part that is an `AtMost` or `AtLeast`.
        key: of the first scenes and of all that is drawn.
        restarts, population: see `begin`.
        generations: between one report and the next.
        states: where an earlier search with this key stopped; it goes on as if it had not.

    Yields:
        `Found`, the best so far, every time so many generations have passed.

    Raises:
        ValueError: the theorem has no search, or the part is no bound.
    """
    search, claim = theorem.search, theorem.parts.get(part)
    if search is None or not isinstance(claim, AtMost | AtLeast):
        raise ValueError(f"{theorem.name}, {part}: there is no bound to search the worst case of.")
    es = strategy(search, population)
    params, first = begin(search, key, restarts, population)
    states = first if states is None else states
    score = jax.vmap(partial(fitness, search, claim, part))

    def generation(state, key):
        key_ask, key_tell = jax.random.split(key)
        scenes, state = es.ask(key_ask, state, params)
        state, _ = es.tell(key_tell, scenes, score(scenes), state, params)
        return state, None

    def several(state, key):
        return jax.lax.scan(generation, state, jax.random.split(key, generations))[0]

    block = jax.jit(jax.vmap(several))
    while True:
        passed = 1 + int(states.generation_counter[0])
        with _of_the_library():
            states = block(states, jax.random.split(jax.random.fold_in(key, passed), restarts))
        best = int(jnp.argmin(states.best_fitness))
        least = float(states.best_fitness[best])
        ratio = float(np.exp(-least)) if least < INFEASIBLE else -np.inf
        yield Found(ratio, unflattened(search, states.best_solution[best]), states)


@contextmanager
def _of_the_library():
    """What the library does with ranks and types of arrays is its own affair."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def unflattened(search: Search, flat: Float[Array, " dims"]) -> Any:
    """A scene from the vector that the strategy holds."""
    scene = search.start(search.settings, jax.random.key(0))
    return ravel_pytree(scene)[1](flat)
