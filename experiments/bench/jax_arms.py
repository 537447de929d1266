"""Training ensembles by this package: in the span of the data, and in full dimension."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.bench.problems import Arm, Problem, Ready, Shape, problem
from experiments.bench.timing import compiled
from theory.ensemble import Strategy, ensemble
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.training import hidden_layer_only, train, train_in_span


def in_span(given: Problem, steps: int, strategy: Strategy = "auto") -> Any:
    """`theory.train_in_span` by the Gram matrix, over an ensemble; traceable.

    Example:
        >>> in_span(Problem(*map(jnp.asarray, problem(Shape(3, 5, 4), 2, "float32"))), 9).shape
        (2, 4, 5)
    """
    return ensemble(lambda one: _in_span(one, steps), given, strategy)


def _in_span(one: Problem, steps: int) -> Any:
    net, descent = TwoLayerReLU(one.w, one.u), optax.sgd(one.rate)
    trained = train_in_span(net, one.x, one.y, optimizer=descent, steps=steps, form="gram")
    return trained.network.w


def in_full(given: Problem, steps: int) -> Any:
    """`theory.train` with autograd in full dimension, over an ensemble; traceable.

    Example:
        >>> in_full(Problem(*map(jnp.asarray, problem(Shape(3, 5, 4), 2, "float32"))), 9).shape
        (2, 4, 5)
    """

    def member(one: Problem) -> Any:
        net, descent = TwoLayerReLU(one.w, one.u), hidden_layer_only(optax.sgd(one.rate))
        return train(net, one.x, one.y, optimizer=descent, steps=steps).network.w

    return ensemble(member, given)


def draw(given: Problem) -> Problem:
    """The same data and rates with networks of `theory.two_layer_relu`; traceable."""
    networks, n, d = given.x.shape
    keys = jax.random.split(jax.random.key(0), networks)
    drawn = jax.vmap(lambda key: two_layer_relu(key, d, given.u.shape[1]))(keys)
    return given._replace(w=drawn.w, u=drawn.u)


def drawn_in_span(given: Problem, steps: int) -> Any:
    """`in_span` with each network drawn before it is trained, as the trials of a theorem do."""
    networks, n, d = given.x.shape
    keys = jax.random.split(jax.random.key(0), networks)

    def member(key_and_data: tuple[Any, Problem]) -> Any:
        key, one = key_and_data
        net = two_layer_relu(key, d, given.u.shape[1])
        return _in_span(one._replace(w=net.w, u=net.u), steps)

    return ensemble(member, (keys, given))


def arm(function: Callable[[Problem, int], Any]) -> Arm:
    """An arm from a traceable function of problem and steps."""

    def ready(given: Problem, steps: int) -> Ready:
        on_device = jax.device_put(Problem(*map(jnp.asarray, given)))
        return compiled(lambda given: function(given, steps), on_device)

    return ready


def once(shape: tuple[int, int, int], networks: int, steps: int) -> None:
    """What a script would do: make a problem, compile and train; for a process of its own."""
    arm(in_span)(problem(Shape(*shape), networks, "float32"), steps).run()
