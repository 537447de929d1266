"""Images of two classes as a problem of unlearning.

Images are centred by the mean training image of the two classes and scaled by one common factor to
a root mean square norm of one. Without the centring all images lie in one narrow cone, and training
to a large margin takes many times as long.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.data import two_classes
from experiments.errors import UsageError
from theory.settings import Count, Filled, Positive, Sample

# fmt: off
Method = Literal[
    "gradient ascent", "certificate", "Newton step", "NegGrad", "NegGrad+",
    "random labels", "SCRUB", "fine-tuning", "ℓ1-sparse",
]
# fmt: on


@dataclass(frozen=True)
class Settings(two_classes.Settings):
    """Networks trained to tell a few images of two classes apart, which forget some of them.

    The images to forget are the same for all networks. Every network draws the images that stay,
    and its initialisation, which is all that an attacker does not know.
    """

    methods: Filled[Method] = get_args(Method)
    """ways to forget, compared with the original and the retrained network"""
    forget: Count = 2
    """images to forget, the first ones, so of the two classes in turn"""
    test: Count = 500
    """test images, where there are so many"""
    width: int = 200
    """neurons n"""
    scale: Positive = 0.1
    """standard deviation of the hidden weights at initialisation, in units of 1/√d"""
    margin: Positive = 100.0
    """train until every y_i N(x_i) is at least this"""
    trials: Sample = 64
    """networks"""

    def __post_init__(self):
        super().__post_init__()
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods are {self.methods} and must be different ones")
        if self.forget > self.samples - 2:
            raise ValueError(
                f"forget is {self.forget} of {self.samples} images, and must leave at least two"
            )


class Problem(NamedTuple):
    """Images, centred and scaled.

    Attributes:
        forgotten: images to forget, of the two classes in turn.
        pools: the other training images of either class, from which those that stay are drawn.
        x_test: test images.
        y_test: their labels ±1.
    """

    forgotten: Float[Array, "forget d"]
    pools: tuple[Float[Array, "_ d"], Float[Array, "_ d"]]
    x_test: Float[Array, "test d"]
    y_test: Float[Array, " test"]


def load_problem(settings: Settings, key) -> Problem:
    """Load the images and draw those to forget and those to test with.

    Raises:
        UsageError: the set lacks a class or images of it.
    """
    images, train = two_classes.draw_classes(settings, key, folds=settings.classes)
    test = np.flatnonzero(np.isin(images.y_test, settings.classes))
    if not test.size:
        raise UsageError(f"{images.name} has no test images of the classes {settings.classes}.")
    test = test[np.asarray(jax.random.permutation(key, test.size))[: settings.test]]
    together = np.concatenate(train)
    centre = together.mean(axis=0)
    unit = np.sqrt(((together - centre) ** 2).sum() / len(together))
    if unit == 0:
        raise UsageError(f"The images of {settings.classes} in {images.name} are all the same.")

    def scaled(part: np.ndarray) -> Array:
        return jnp.asarray(((part - centre) / unit).reshape(len(part), -1), float)

    k = settings.forget
    return Problem(
        forgotten=scaled(np.stack([train[i % 2][i // 2] for i in range(k)])),
        pools=(scaled(train[0][(k + 1) // 2 :]), scaled(train[1][k // 2 :])),
        x_test=scaled(images.x_test[test]),
        y_test=jnp.asarray(np.where(images.y_test[test] == settings.classes[1], 1.0, -1.0), float),
    )


def training_set(
    settings: Settings, problem: Problem, key
) -> tuple[Float[Array, "samples d"], Float[Array, " samples"]]:
    """The images one network trains on, the ones to forget first, and labels; classes in turn."""
    k, m = settings.forget, settings.samples
    drawn = [
        pool[jax.random.permutation(jax.random.fold_in(key, i), len(pool))[: (m + 1) // 2]]
        for i, pool in enumerate(problem.pools)
    ]
    # Position i holds class i % 2; the first k are taken.
    stay = jnp.stack([drawn[i % 2][i // 2 - (k + 1 - i % 2) // 2] for i in range(k, m)])
    y = jnp.asarray(np.where(np.arange(m) % 2, 1.0, -1.0), stay.dtype)
    return jnp.concatenate([problem.forgotten, stay]), y
