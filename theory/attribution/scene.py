"""The scene in which the attribution theorems play: texts, their span, and trained copies.

Copies are networks that share the data and are initialised independently: one `TwoLayerReLU`
whose arrays have a leading axis of copies.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from theory.attribution.agreement import pair_cosines
from theory.attribution.settings import Settings
from theory.geometry import Subspace, off_by_rounding, orthonormalise
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.sampling import gaussian_points
from theory.training import Trained, train_in_span

MOVED = 0.1
"""The least that training moves the weights on P, relative to what was drawn there."""

APART = 0.5
"""The least relative distance of two copies' weights as drawn; independent ones are √2 apart."""


class Scene(NamedTuple):
    """The training texts and their span.

    Attributes:
        x: flattened embedded texts, words of one text side by side; ``x[0]`` is explained.
        y: uniform labels ±1.
        span: P = span{x_j}; a text that depends on earlier ones leaves a zero basis column.
    """

    x: Float[Array, "samples D"]
    y: Float[Array, " samples"]
    span: Subspace


def draw_scene(settings: Settings, key: Key[Array, ""]) -> Scene:
    """Draw the embedding table, rows N(0, I_d/d), texts of uniform words, and labels.

    Args:
        settings: sizes.
        key: a typed JAX key.

    Returns:
        The scene.

    Example:
        >>> scene = draw_scene(Settings(tokens=8, d=8, samples=16), jax.random.key(0))
        >>> scene.x.shape, scene.span.ell
        ((16, 64), 48)
    """
    key_table, key_texts, key_y = jax.random.split(key, 3)
    table = gaussian_points(key_table, settings.vocabulary, settings.d)
    shape = (settings.samples, settings.tokens)
    texts = jax.random.randint(key_texts, shape, 0, settings.vocabulary)
    x = table[texts].reshape(settings.samples, settings.dimension)
    y = jax.random.rademacher(key_y, (settings.samples,), dtype=x.dtype)
    return Scene(x, y, Subspace(orthonormalise(x.T)))


def learnable(scene: Scene) -> Scene:
    """The scene with labels that half of the coordinates of a text decide, not random ones.

    Example:
        >>> scene = learnable(draw_scene(Settings(), jax.random.key(0)))
        >>> float(jnp.sum(scene.y))  # as many of each
        0.0
    """
    score = jnp.sum(scene.x[:, ::2], axis=1)
    return scene._replace(y=jnp.where(score >= jnp.median(score), 1.0, -1.0).astype(scene.x.dtype))


def draw_copies(settings: Settings, keys: Key[Array, " copies"]) -> TwoLayerReLU:
    """One network at initialisation per key.

    Example:
        >>> draw_copies(Settings(), jax.random.split(jax.random.key(0), 3)).w.shape
        (3, 50, 64)
    """
    return jax.vmap(
        lambda key: two_layer_relu(key, settings.dimension, settings.width, settings.sigma)
    )(keys)


def train_copies(settings: Settings, scene: Scene, copies: TwoLayerReLU) -> Trained:
    """Full-batch descent with weight decay of every copy until it reaches the margin itself.

    Args:
        settings: rate, decay and when to stop.
        scene: the data, the same for all copies.
        copies: the networks at initialisation.

    Returns:
        What `train_in_span` gives, every array with a leading axis of copies.

    Example:
        >>> settings = Settings()
        >>> copies = draw_copies(settings, jax.random.split(jax.random.key(0), 3))
        >>> trained = train_copies(settings, draw_scene(settings, jax.random.key(1)), copies)
        >>> trained.margin.shape, bool(trained.margin.min() >= 1)
        ((3,), True)
    """
    optimizer = optax.chain(
        optax.add_decayed_weights(settings.weight_decay), optax.sgd(settings.rate)
    )
    return jax.vmap(
        lambda network: train_in_span(
            network,
            scene.x,
            scene.y,
            optimizer=optimizer,
            steps=settings.steps,
            margin=settings.margin,
        )
    )(copies)


def off_span_gradients(
    copies: TwoLayerReLU, x: Float[Array, " D"], span: Subspace
) -> Float[Array, "copies D"]:
    """Π_{P^⊥} ∇N_m(x), the part of every copy's input gradient orthogonal to P.

    Example:
        >>> copies = TwoLayerReLU(jnp.array([[[1.0, 2.0]], [[1.0, -2.0]]]), jnp.ones((2, 1)))
        >>> span = Subspace(jnp.array([[1.0], [0.0]]))
        >>> off_span_gradients(copies, jnp.array([3.0, 0.0]), span).tolist()
        [[0.0, 2.0], [0.0, -2.0]]
    """
    return span.reject(jax.vmap(lambda network: jax.grad(lambda x: network(x))(x))(copies))


class SpanAgreement(NamedTuple):
    """How copies agree off the span of the texts and on it.

    Attributes:
        off: cosines of all pairs of copies off the span.
        on: the same on it.
        average: norm off the span of the mean of the first 1..M copies, over that of the first.
    """

    off: Float[Array, " pairs"]
    on: Float[Array, " pairs"]
    average: Float[Array, " copies"]


def span_agreement(copies: TwoLayerReLU, x: Float[Array, " D"], span: Subspace) -> SpanAgreement:
    """The agreement of the copies' gradients at x.

    Example:
        >>> copies = TwoLayerReLU(jnp.array([[[1.0, 2.0]], [[1.0, -2.0]]]), jnp.ones((2, 1)))
        >>> span = Subspace(jnp.array([[1.0], [0.0]]))
        >>> [part.tolist() for part in span_agreement(copies, jnp.array([3.0, 0.0]), span)]
        [[-1.0], [1.0], [1.0, 0.0]]
    """
    gradients = jax.vmap(lambda net: jax.grad(lambda x: net(x))(x))(copies)
    off, on = span.reject(gradients), span.project(gradients)
    counts = jnp.arange(1, len(off) + 1, dtype=off.dtype)[:, None]
    averages = jnp.cumsum(off, axis=0) / counts
    return SpanAgreement(
        pair_cosines(off[:, None])[:, 0],
        pair_cosines(on[:, None])[:, 0],
        jnp.linalg.norm(averages, axis=1) / jnp.linalg.norm(off[0]),
    )


def active(copies: TwoLayerReLU, x: Float[Array, " D"]) -> Int[Array, " copies"]:
    """k_m, the neurons of every copy active at x (as in JAX, a neuron at its kink is off).

    Example:
        >>> copies = TwoLayerReLU(jnp.array([[[1.0], [2.0]], [[1.0], [-1.0]]]), jnp.ones((2, 2)))
        >>> active(copies, jnp.array([3.0])).tolist()
        [2, 1]
    """
    return jnp.sum(copies.w @ x > 0, axis=-1)


def assumptions(scene: Scene) -> dict[str, Float[Array, ""]]:
    """The margins of what every theorem here assumes of its data.

    Example:
        >>> one_word = Settings(vocabulary=1)
        >>> margins = assumptions(draw_scene(one_word, jax.random.key(0)))
        >>> {name: bool(margin >= 0) for name, margin in margins.items()}
        {'training texts in P': True, 'ℓ = D − rank': False}
    """
    rank = jnp.round(jnp.sum(scene.span.basis**2))
    return {
        "training texts in P": off_by_rounding(scene.x) - jnp.max(scene.span.off_share(scene.x)),
        "ℓ = D − rank": rank - scene.x.shape[0],
    }


def kept_off_span(
    span: Subspace, starts: TwoLayerReLU, ends: TwoLayerReLU
) -> dict[str, Float[Array, ""]]:
    """The margin of what the laws off P assume: no copy's training touched its weights there.

    Example:
        >>> scene = draw_scene(Settings(), jax.random.key(0))
        >>> start = draw_copies(Settings(), jax.random.split(jax.random.key(1), 1))
        >>> shrunk = start._replace(w=0.9 * start.w)
        >>> [float(*kept_off_span(scene.span, start, end).values()) > 0 for end in (start, shrunk)]
        [True, False]
    """
    off = jax.vmap(jnp.linalg.norm)(span.reject(ends.w - starts.w))
    drawn = jax.vmap(jnp.linalg.norm)(span.reject(starts.w))
    return {"W_⊥ kept": off_by_rounding(drawn) - jnp.max(off / drawn)}


def learned(
    settings: Settings, span: Subspace, starts: TwoLayerReLU, trained: Trained
) -> dict[str, Float[Array, ""]]:
    """The margins of what training must have done: it reached its margin, and moved weights on P.

    Example:
        >>> settings = Settings()
        >>> scene = draw_scene(settings, jax.random.key(0))
        >>> start = draw_copies(settings, jax.random.split(jax.random.key(1), 2))
        >>> margins = learned(settings, scene.span, start, train_copies(settings, scene, start))
        >>> {name: bool(margin >= 0) for name, margin in margins.items()}
        {'margin reached': True, 'moved on P': True}
    """
    return {
        "margin reached": jnp.min(trained.margin) - settings.margin,
        "moved on P": jnp.min(moved_on(span, starts, trained.network)) - MOVED,
    }


def moved_on(span: Subspace, starts: TwoLayerReLU, ends: TwoLayerReLU) -> Float[Array, " copies"]:
    """‖Π_P(W_m(T) − W_m(0))‖_F/‖Π_P W_m(0)‖_F of every copy.

    Example:
        >>> start = TwoLayerReLU(jnp.ones((1, 2, 2)), jnp.ones((1, 2)))
        >>> end = start._replace(w=start.w.at[:, :, 0].set(3.0))
        >>> moved_on(Subspace(jnp.eye(2)[:, :1]), start, end).tolist()
        [2.0]
    """
    moved = jax.vmap(jnp.linalg.norm)(span.project(ends.w - starts.w))
    return moved / jax.vmap(jnp.linalg.norm)(span.project(starts.w))


def drawn_apart(w: Float[Array, "copies width D"]) -> dict[str, Float[Array, ""]]:
    """The margin of what makes copies independent: no two of them start alike.

    Args:
        w: of every copy what must be its own: its hidden weights, or their part off P.

    Example:
        >>> w = jax.random.normal(jax.random.key(0), (2, 5, 8))
        >>> [float(*drawn_apart(one).values()) > 0 for one in (w, w[jnp.array([0, 0])])]
        [True, False]
    """
    i, j = jnp.triu_indices(len(w), 1)
    norm = jax.vmap(jnp.linalg.norm)
    return {"copies drawn apart": jnp.min(norm(w[i] - w[j]) / norm(w[i])) - APART}


def with_directions(gradients: Float[Array, "models words d"]) -> dict[str, Float[Array, ""]]:
    """The margin of what agreement assumes: no gradient is zero, which has no direction.

    Example:
        >>> gradients = jnp.array([[[3.0, 4.0]], [[0.0, 2.0]]])
        >>> [float(*with_directions(g).values()) for g in (gradients, 0 * gradients)]
        [2.0, -1.0]
    """
    norms = jnp.linalg.norm(gradients, axis=-1)
    return {"every copy has a gradient": jnp.min(jnp.where(norms > 0, norms, -1))}
