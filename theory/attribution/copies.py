"""Copies of a text classifier, trained together on one frozen embedding, from one start each.

Copies are one network whose arrays have a leading axis of copies. A text is a row of word ids, 0
being padding, and is embedded by a table that is never trained.
"""

from enum import IntEnum
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Int32, Key

from theory.ensemble import ensemble
from theory.keys import named
from theory.networks import FlatReLU, MaxReLU, SumReLU, lstm, two_layer_relu
from theory.training import apply_update, logistic

Kind = Literal["flat", "sum", "max", "lstm"]
"""Two-layer ReLU on the flattened text, summed over words, its largest over words; or an LSTM."""

CLIP = 1.0
"""Largest norm of a gradient of the LSTM, whose loss has cliffs (Pascanu et al. 2013)."""


class Drawn(IntEnum):
    """What else is drawn with the key of an LSTM, whose own weights take it as it is."""

    MEMORIES = 1


def draw_classifier(kind: Kind, key: Key[Array, ""], *, words: int, d: int, width: int) -> Any:
    """One untrained classifier, mapping ``(..., words, d)`` to a logit.

    Args:
        kind: which.
        key: a typed JAX key.
        words: words of a text; only "flat" has weights of its own for each position.
        d: dimension of the embedding.
        width: neurons of the two-layer networks, hidden units of either layer of the LSTM.

    Raises:
        ValueError: another kind.

    Example:
        >>> net = draw_classifier("max", jax.random.key(0), words=5, d=3, width=8)
        >>> net(jnp.zeros((2, 5, 3))).shape
        (2,)
    """
    match kind:
        case "flat":
            return FlatReLU(two_layer_relu(key, words * d, width, d**-0.5))
        case "sum":
            return SumReLU(two_layer_relu(key, d, width))
        case "max":
            return MaxReLU(two_layer_relu(key, d, width))
        case "lstm":
            # Memories that start as long as texts are (Tallec & Ollivier 2018, "chrono"): with
            # forget gates half open, copies stay for epochs where the loss is flat.
            net = lstm(key, d, (width, width))
            span = jax.random.uniform(
                named(key, Drawn.MEMORIES), (2, width), minval=1, maxval=max(2, words - 1)
            )
            opened = tuple(
                layer._replace(bias=layer.bias.at[: 2 * width].set(jnp.concatenate([-f, f])))
                for layer, f in zip(net.layers, jnp.log(span), strict=True)
            )
            return net._replace(layers=opened)
        case _:
            raise ValueError(f"There is no classifier {kind!r}: give flat, sum, max or lstm.")


def optimizer(kind: Kind, learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Adam with clipping for the LSTM, heavy-ball descent for the others; the rate falls to 0.

    Descent, unlike Adam, leaves the weights off the span of the texts as they were drawn.

    Args:
        kind: which classifier.
        learning_rate: at the start.
        steps: steps until the rate, falling as a cosine, is 0.

    Example:
        >>> heavy_ball = optimizer("sum", 0.1, steps=100)
        >>> float(heavy_ball.init(jnp.zeros(3))[0].trace.max())
        0.0
    """
    schedule = optax.cosine_decay_schedule(learning_rate, steps)
    if kind == "lstm":
        return optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(schedule))
    return optax.sgd(schedule, momentum=0.9)


class Training(NamedTuple):
    """Copies on their way: everything has a leading axis of copies.

    Attributes:
        copies: the networks.
        optimizer: the optimiser's state of each.
    """

    copies: Any
    optimizer: Any


class Batches(NamedTuple):
    """The texts of one epoch, the same for all copies.

    Attributes:
        texts: indices of texts.
        bucket: which of the sizes holds all words of each batch.
    """

    texts: Int[Array, "batches batch"]
    bucket: Int[Array, " batches"]


def draw_batches(
    key: Key[Array, ""], ids: Int32[Array, "n words"], batch: int, sizes: tuple[int, ...]
) -> Batches:
    """Every text once, in random batches of similar length, so that little padding is computed.

    Texts that do not fill a batch are left out, others in every epoch.

    Args:
        key: a typed JAX key.
        ids: the texts.
        batch: texts of a batch.
        sizes: lengths to which a batch may be cut, ascending, the last being all words.

    Example:
        >>> ids = jnp.array([[1, 0], [1, 2], [3, 0], [3, 1]], jnp.int32)
        >>> draw_batches(jax.random.key(0), ids, 2, (1, 2)).bucket.sort().tolist()
        [0, 1]
    """
    key_keep, key_near, key_order = jax.random.split(key, 3)
    count = len(ids) // batch
    kept = jax.random.permutation(key_keep, len(ids))[: count * batch]
    lengths = jnp.sum(ids[kept] > 0, axis=1)
    # Texts of one length should not always meet the same others.
    near = jax.random.uniform(key_near, lengths.shape, maxval=sizes[0] / 4)
    texts = kept[jnp.argsort(lengths.astype(near.dtype) + near)].reshape(count, batch)
    texts = jax.random.permutation(key_order, texts)
    longest = jnp.max(jnp.sum(ids[texts] > 0, axis=2), axis=1)
    return Batches(texts, jnp.searchsorted(jnp.array(sizes, longest.dtype), longest))


def draw_untrained(kind: Kind, keys: Key[Array, " copies"], words: int, d: int, width: int) -> Any:
    """Copies at initialisation, one per key, in single precision, in which they are trained.

    Example:
        >>> draw_untrained("sum", jax.random.split(jax.random.key(0), 2), 5, 3, 4).network.w.shape
        (2, 4, 3)
    """
    copies = jax.vmap(lambda key: draw_classifier(kind, key, words=words, d=d, width=width))(keys)
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), copies)


def begin(copies: Any, optimizer: optax.GradientTransformation) -> Training:
    """Copies at initialisation, with their optimiser.

    Example:
        >>> copies = jax.vmap(lambda key: two_layer_relu(key, 3, 4))(
        ...     jax.random.split(jax.random.key(0), 2)
        ... )
        >>> begin(copies, optax.sgd(0.1)).copies.w.shape
        (2, 4, 3)
    """
    return Training(copies, jax.vmap(optimizer.init)(copies))


def train_epoch(
    state: Training,
    table: Float[Array, "vocabulary_and_padding d"],
    ids: Int32[Array, "n words"],
    y: Float[Array, " n"],
    batches: Batches,
    *,
    optimizer: optax.GradientTransformation,
    sizes: tuple[int, ...],
) -> tuple[Training, Float[Array, " copies"]]:
    """One pass of every copy over the texts, on the logistic loss of y·logit.

    Args:
        state: the copies, in the floating point of ``table`` and ``y``.
        table: the frozen embedding, its first row zero.
        ids: the texts.
        y: labels ±1.
        batches: from `draw_batches`.
        optimizer: any optax optimiser.
        sizes: as given to `draw_batches`.

    Returns:
        The copies one epoch later, and the mean loss of each on the way.
    """

    def member(state: Training):
        def step(state: Training, batch: Batches):
            rows, labels = ids[batch.texts], y[batch.texts]

            def at(size: int):
                def loss(net):
                    return jnp.mean(logistic(labels * net(table[rows[:, :size]])))

                return jax.value_and_grad(loss)

            value, gradient = jax.lax.switch(batch.bucket, [at(s) for s in sizes], state.copies)
            return Training(
                *apply_update(optimizer, gradient, state.optimizer, state.copies)
            ), value

        return jax.lax.scan(step, state, batches)

    state, losses = ensemble(member, state)
    return state, jnp.mean(losses, axis=1)


def logits(
    copies: Any,
    table: Float[Array, "vocabulary_and_padding d"],
    ids: Int32[Array, "n words"],
    batch: int = 256,
) -> Float[Array, "copies n"]:
    """The logit of every copy for every text, computed in batches of texts.

    Example:
        >>> copies = jax.vmap(lambda key: SumReLU(two_layer_relu(key, 3, 4)))(
        ...     jax.random.split(jax.random.key(0), 2)
        ... )
        >>> logits(copies, jnp.zeros((5, 3)), jnp.zeros((7, 6), jnp.int32)).tolist()[0]
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    return ensemble(
        lambda net: jax.lax.map(lambda row: net(table[row]), ids, batch_size=batch), copies
    )
