"""The scene of linear logits: margins and gradients of all classes but the label's."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from theory.attacks.settings import Linear
from theory.networks import affine


class Scene(NamedTuple):
    """Linear logits at a point, by class from the label's on.

    Attributes:
        a, c: weights and biases of the logits.
        x: the point.
        y: the class of its largest logit.
        others: all other classes.
        g: z_y − z_j of the others, positive.
        slopes: ∇g_j.
    """

    a: Float[Array, "classes d"]
    c: Float[Array, " classes"]
    x: Float[Array, " d"]
    y: Int[Array, ""]
    others: Int[Array, " others"]
    g: Float[Array, " others"]
    slopes: Float[Array, "others d"]

    def logits(self, x: Float[Array, "n d"]) -> Float[Array, "n classes"]:
        """A x + c of rows."""
        return affine(x, self.a, self.c)

    def margins(self, x: Float[Array, "others d"]) -> Float[Array, " others"]:
        """g_j of the j-th of others at the j-th point."""
        z = self.logits(x)
        return z[:, self.y] - jnp.take_along_axis(z, self.others[:, None], axis=1)[:, 0]

    def rounding(self, x: Float[Array, "others d"]) -> Float[Array, " others"]:
        """The size of the numbers that `margins` adds up."""
        sizes = affine(jnp.abs(x), jnp.abs(self.a), jnp.abs(self.c))
        return sizes[:, self.y] + jnp.take_along_axis(sizes, self.others[:, None], axis=1)[:, 0]


def draw(settings: Linear, key: Key[Array, ""]) -> Scene:
    """Gaussian logits at a uniform point of [¼, ¾]^d, which its largest logit labels.

    Example:
        >>> scene = draw(Linear(d=4, classes=3), jax.random.key(0))
        >>> bool(jnp.all(scene.g > 0)), scene.slopes.shape
        (True, (2, 4))
    """
    key_a, key_c, key_x = jax.random.split(key, 3)
    a = jax.random.normal(key_a, (settings.classes, settings.d))
    c = jax.random.normal(key_c, (settings.classes,))
    x = jax.random.uniform(key_x, (settings.d,), minval=0.25, maxval=0.75)
    z = a @ x + c
    y = jnp.argmax(z)
    others = jnp.arange(settings.classes - 1)
    others = jnp.where(others < y, others, others + 1)
    return Scene(a, c, x, y, others, z[y] - z[others], a[y][None] - a[others])
