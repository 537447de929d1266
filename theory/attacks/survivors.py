"""The samples still standing, in batches: one compiled program whatever their number."""

from collections.abc import Callable
from types import MethodType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer, Key

from theory.attacks.losses import misclassified
from theory.checks import is_array

Function = Callable[[Float[Array, "n d"]], Float[Array, "n classes"]]


class Standing(NamedTuple):
    """Of every sample what `Attacked` says, inputs as rows."""

    inputs: Float[Array, "n d"]
    success: Bool[Array, " n"]
    misclassified: Bool[Array, " n"]
    invalid: Bool[Array, " n"]
    target: Integer[Array, " n"]
    runs: Integer[Array, " n"]
    gradients: Integer[Array, " n"]
    forwards: Integer[Array, " n"]
    zero_gradients: Integer[Array, " n"]

    @property
    def alive(self) -> Bool[Array, " n"]:
        """Whether there is something left to attack."""
        return ~(self.success | self.misclassified | self.invalid)


def on_rows(
    update: Callable[[Any, Any, Bool[Array, " batch"]], Any],
    chosen: Bool[Array, " n"],
    state: Any,
    given: Any,
    batch: int,
) -> Any:
    """Update the chosen rows of a state, in as many batches as hold them.

    Args:
        update: ``update(state, given, inside)`` of a batch, the new state; rows that only fill it
            up are not ``inside``, and what becomes of them is dropped.
        chosen: which rows.
        state, given: pytrees with a first axis of n.
        batch: rows of one call.

    Example:
        >>> double = lambda state, given, inside: 2 * state + given
        >>> chosen = jnp.array([True, False, True])
        >>> on_rows(double, chosen, jnp.arange(3), jnp.ones(3, int), batch=1).tolist()
        [1, 1, 5]
    """
    n = len(chosen)
    size = min(batch, n)
    order, count = jnp.argsort(~chosen, stable=True), jnp.sum(chosen)

    def one(i, state):
        at = i * size + jnp.arange(size)
        inside = at < count
        rows = order[jnp.minimum(at, n - 1)]
        some, their = jax.tree.map(lambda leaf: leaf[rows], (state, given))
        new = update(some, their, inside)
        kept = jnp.where(inside, rows, n)
        return jax.tree.map(lambda old, new: old.at[kept].set(new, mode="drop"), state, new)

    return jax.lax.fori_loop(0, (count + size - 1) // size, one, state)


def stand(
    f: Function, x: Float[Array, "n d"], y: Integer[Array, " n"], batch: int
) -> tuple[Standing, Float[Array, "n classes"]]:
    """Every sample before the attack, with its logits: one forward pass.

    Example:
        >>> standing, z = stand(lambda x: x, jnp.eye(2), jnp.array([0, 0]), batch=1)
        >>> standing.alive.tolist()
        [True, False]
    """
    n, shape = len(x), jax.eval_shape(f, x)
    z = on_rows(
        lambda z, x, inside: f(x),
        jnp.ones(n, bool),
        jnp.zeros(shape.shape, shape.dtype),
        x,
        batch,
    )
    zero = jnp.zeros(n, int)
    invalid = jnp.any(jnp.isnan(z), axis=1) | jnp.any(jnp.isnan(x), axis=1)
    missed = misclassified(z, y) & ~invalid
    none = jnp.zeros(n, bool)
    return Standing(x, none, missed, invalid, zero - 1, zero, zero, zero + 1, zero), z


def keys_of(key: Key[Array, ""], n: int) -> Key[Array, " n"]:
    """A key for every sample, whatever the batches and whoever is left.

    Example:
        >>> bool(keys_of(jax.random.key(0), 3)[1] == keys_of(jax.random.key(0), 2)[1])
        True
    """
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(n))


def folded(keys: Key[Array, " n"], number: Integer[Array, ""] | int) -> Key[Array, " n"]:
    """A further key of every sample for each number.

    Example:
        >>> folded(keys_of(jax.random.key(0), 3), 1).shape
        (3,)
    """
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)


class Split(NamedTuple):
    """A function of a batch as arrays and the rest, so that new arrays need no new program."""

    arrays: tuple[Any, ...]
    rest: tuple[Any, ...]
    """leaves that are no arrays, and the structure; it can be hashed"""

    def whole(self) -> Callable[[Any], Any]:
        """The function again."""
        (*others, structure) = self.rest
        arrays = iter(self.arrays)
        leaves = [next(arrays) if leaf is ARRAY else leaf for leaf in others]
        return jax.tree.unflatten(structure, leaves)

    def joined(self, shape: tuple[int, ...]) -> Function:
        """The function again, of rows; ``shape`` is that of an input."""
        function = self.whole()
        return lambda rows: function(rows.reshape(len(rows), *shape))


ARRAY = "array"
"""Where an array stands among the leaves of a function."""


def as_tree(logits: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The method of a pytree as a pytree that can be called; all else as it is.

    Example:
        >>> from theory.networks import mlp
        >>> net = mlp(jax.random.key(0), (2, 4, 3))
        >>> len(jax.tree.leaves(as_tree(net.logits)))
        4
    """
    if isinstance(logits, MethodType):
        return jax.tree_util.Partial(logits.__func__, logits.__self__)
    return logits


def split(logits: Callable[[Any], Any]) -> Split:
    """A function's arrays apart: of a pytree that can be called, or of the method of one.

    Example:
        >>> from theory.networks import mlp
        >>> net = mlp(jax.random.key(0), (2, 4, 3))
        >>> len(split(net.logits).arrays), len(split(lambda x: net.logits(x)).arrays)
        (4, 0)
    """
    leaves, structure = jax.tree.flatten(as_tree(logits))
    arrays = tuple(leaf for leaf in leaves if is_array(leaf))
    rest = [ARRAY if is_array(leaf) else leaf for leaf in leaves]
    return Split(arrays, (*rest, structure))
