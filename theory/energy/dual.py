"""A small CLIP: an image tower and a prompt tower into one space, trained on captions.

A classifier is a set of prompts, with logits 100·cos(image, prompt).

Source: Radford et al. 2021 (arXiv 2103.00020); `harden` is Mao et al. 2023 (arXiv 2212.07016),
TeCoA, on the image tower.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.attacks.balls import unit
from theory.attacks.prototypes import Points, robust_cross_entropy
from theory.ensemble import ensemble
from theory.networks import MLP, affine, mlp
from theory.training.mini_batch import descend
from theory.training.updates import annealed_adam

SCALE = 100.0
"""What cosines are multiplied by, CLIP's at the end of its training."""

Prompts = Float[Array, "prompts words"]
"""Which words of the vocabulary each prompt has, as 1 and 0."""


class DualEncoder(NamedTuple):
    """Two towers.

    Attributes:
        image: of rows of pixels.
        words: a vector for every word; a prompt is the sum of its words'.
        prompt: of such sums.
    """

    image: MLP
    words: Float[Array, "words features"]
    prompt: MLP

    def of_images(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Unit vectors of images."""
        return unit(self.image.logits(x))

    def of_prompts(self, prompts: Prompts) -> Float[Array, "prompts k"]:
        """Unit vectors of prompts."""
        return unit(
            self.prompt.logits(affine(prompts, self.words.T, jnp.zeros_like(self.words[0])))
        )


class ZeroShot(NamedTuple):
    """The classifier of a set of prompts, a class each.

    Example:
        >>> dual = dual_encoder(jax.random.key(0), d=64, words=12, width=32, k=8)
        >>> ZeroShot(dual, jnp.eye(12)[:10]).logits(jnp.ones((5, 64))).shape
        (5, 10)
    """

    dual: DualEncoder
    prompts: Prompts

    def logits(self, x: Float[Array, "n d"]) -> Float[Array, "n prompts"]:
        """100·cos of rows of pixels with all prompts."""
        cosines = self.dual.of_images(x) @ self.dual.of_prompts(self.prompts).T
        return jnp.asarray(SCALE, x.dtype) * cosines


def dual_encoder(key: Key[Array, ""], d: int, words: int, width: int, k: int) -> DualEncoder:
    """Two towers of one hidden layer each, before training.

    Args:
        key: a typed JAX key.
        d: pixels of an image.
        words: of the vocabulary.
        width: neurons of a hidden layer, and features of a word.
        k: dimension of the common space.

    Example:
        >>> dual_encoder(jax.random.key(0), d=64, words=12, width=32, k=8).words.shape
        (12, 32)
    """
    key_image, key_words, key_prompt = jax.random.split(key, 3)
    vectors = jax.random.normal(key_words, (words, width)) / width**0.5
    image = mlp(key_image, (d, width, width, k))
    return DualEncoder(image, vectors, mlp(key_prompt, (width, width, k)))


def contrastive(dual: DualEncoder, data: tuple[Float[Array, "n d"], Prompts]) -> Float[Array, ""]:
    """The symmetric cross-entropy of a batch: each image against all captions, and the reverse.

    Captions that are the same share the probability.

    Example:
        >>> dual = dual_encoder(jax.random.key(0), d=4, words=3, width=8, k=2)
        >>> same = jnp.ones((5, 4)), jnp.ones((5, 3))
        >>> round(float(contrastive(dual, same)), 4)  # log 5
        1.6094
    """
    x, captions = data
    z = ZeroShot(dual, captions).logits(x)
    same = jnp.all(captions[:, None] == captions[None], axis=2).astype(z.dtype)
    target = same / jnp.sum(same, axis=1, keepdims=True)
    both = jax.nn.log_softmax(z, axis=1) + jax.nn.log_softmax(z, axis=0)
    return -jnp.mean(jnp.sum(target * both, axis=1)) / 2


@partial(jax.jit, static_argnames=("steps", "batch"))
def train_dual(
    duals: DualEncoder,
    keys: Key[Array, " networks"],
    x: Float[Array, "n d"],
    captions: Prompts,
    rate: float | Float[Array, ""] = 1e-3,
    *,
    steps: int,
    batch: int = 128,
) -> DualEncoder:
    """Train dual encoders on `contrastive` by Adam with an annealed rate.

    Args:
        duals: with a leading axis.
        keys: of the order of the images, for each dual encoder its own.
        x, captions: images and what is said of them.
        rate: step size of Adam at the start.
        steps, batch: of training.

    Example:
        >>> keys = jax.random.split(jax.random.key(0), 2)
        >>> duals = jax.vmap(lambda key: dual_encoder(key, d=3, words=3, width=16, k=4))(keys)
        >>> y = jax.random.randint(jax.random.key(1), (99,), 0, 3)
        >>> x = jnp.eye(3)[y]
        >>> trained = train_dual(duals, keys, x, x, 1e-2, steps=50, batch=33)
        >>> right = jax.vmap(lambda dual: ZeroShot(dual, jnp.eye(3)).logits(x).argmax(1) == y)
        >>> bool(right(trained).all())
        True
    """

    def member(given):
        dual, key = given
        order = jax.random.permutation(key, len(x))
        data = x[order], captions[order]
        optimizer = annealed_adam(rate, steps)
        return descend(contrastive, dual, data, optimizer=optimizer, steps=steps, batch=batch)[0]

    return ensemble(member, (duals, keys))


@partial(jax.jit, static_argnames=("steps", "batch", "ascents"))
def harden(
    duals: DualEncoder,
    keys: Key[Array, " networks"],
    data: Points,
    prompts: Prompts,
    rate: float | Float[Array, ""],
    eps: float | Float[Array, ""],
    *,
    steps: int,
    batch: int,
    ascents: int,
) -> DualEncoder:
    """Train image towers further on adversarial examples of a zero-shot classifier, in L∞.

    Args:
        duals, keys, rate, steps, batch: as of `train_dual`.
        data: images and their classes.
        prompts: of the classes; the prompt tower stays as it is.
        eps, ascents: as of `theory.attacks.prototypes.train_robust`.

    Example:
        >>> keys = jax.random.split(jax.random.key(0), 1)
        >>> duals = jax.vmap(lambda key: dual_encoder(key, d=3, words=3, width=16, k=4))(keys)
        >>> y = jax.random.randint(jax.random.key(1), (99,), 0, 3)
        >>> data, options = Points(0.8 * jnp.eye(3)[y], y), {"steps": 4, "batch": 33, "ascents": 2}
        >>> hard = harden(duals, keys, data, jnp.eye(3), 1e-2, 0.1, **options)
        >>> bool((hard.words == duals.words).all())
        True
        >>> bool((hard.image.weights[0] == duals.image.weights[0]).all())
        False
    """

    def member(given):
        dual, key = given
        order = jax.random.permutation(key, len(data.y))

        def loss(image, batch):
            return robust_cross_entropy(
                ZeroShot(dual._replace(image=image), prompts), batch, eps, ascents
            )

        image, _ = descend(
            loss, dual.image, Points(data.x[order], data.y[order]),
            optimizer=annealed_adam(rate, steps), steps=steps, batch=batch,
        )  # fmt: skip
        return dual._replace(image=image)

    return ensemble(member, (duals, keys))
