"""Classifiers of images, trained on images alone or on adversarial examples of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from experiments.data.images import load_images
from experiments.errors import UsageError
from experiments.plots.style import BLUE, ORANGE
from experiments.suited import filled
from theory.attacks.prototypes import Points, train_robust
from theory.networks import conv_net, mlp
from theory.settings import Count, Positive, Sample
from theory.settings import Settings as Foundation

KINDS = {"images": 0, "adversarial examples": 5}
"""What networks are trained on, with the steps of APGD that make it."""

COLOURS = {"images": ORANGE, "adversarial examples": BLUE}

NETWORKS = ("MLP", "CNN")

MARKS = {"MLP": "o", "CNN": "s"}

CHANNELS = (16, 32)
"""Of the two convolutions."""


class Suited(NamedTuple):
    """What suits a set of images."""

    eps: float
    training: int


SUITED = {"digits": Suited(0.1, 800), "cifar10": Suited(8 / 255, 2000)}
"""Radius and training steps by set; MNIST's for any other."""


@dataclass(frozen=True)
class ImageSettings(Foundation):
    """MLPs and small CNNs of square images."""

    dataset: str = "digits"
    """digits, mnist, fashion_mnist, cifar10, or an .npz file in Keras's layout"""
    trials: Sample = 3
    """networks of each kind, each with its own start and order of images"""
    width: Count = 128
    """neurons of each of an MLP's two hidden layers"""
    eps: Positive | None = None
    """L∞ radius ε of adversarial examples; what suits the set when None"""
    training: Count | None = None
    """training steps of 128 images; what suits the set when None"""
    points: Count = 300
    """test images attacked"""

    @property
    def suited(self) -> Suited:
        """Radius and training steps, with what suits the set where nothing is given."""
        return filled(self, SUITED.get(self.dataset, Suited(0.1, 2000)))


def logits(net, x):
    """Of pictures, whatever their shape."""
    return net.logits(x.reshape(len(x), -1))


def members(networks: Any, count: int) -> list[Any]:
    """The networks that are stacked in one."""
    return [jax.tree.map(lambda leaf, i=i: leaf[i], networks) for i in range(count)]


def alone(train: Callable[..., Any], net: Any, key, *given: Any, **how: Any) -> Any:
    """One network, trained by what trains several that are stacked: ``train(nets, keys, …)``."""
    nets = jax.tree.map(lambda leaf: leaf[None], net)
    return members(train(nets, key[None], *given, **how), 1)[0]


@dataclass
class Scene:
    """Images to attack, and networks that are trained when they are asked for.

    Attributes:
        x: pictures in single precision, ``(points, height, width)`` or with colours.
        y: their classes.
        classes: how many there are.
        seen: the training images as rows.
        start: networks before training, of a kind and key.
        settings, key: of the training.
    """

    x: Any
    y: Any
    classes: int
    seen: Points
    start: dict[str, Callable[[Any], Any]]
    settings: ImageSettings
    key: Any
    made: dict[tuple[str, str], Any] = field(default_factory=dict)

    def trained(self, network: str, kind: str) -> list[Partial]:
        """The ``logits`` of all networks of a kind."""
        if (network, kind) not in self.made:
            eps, training = self.settings.suited
            keys = jax.random.split(self.key, self.settings.trials)
            start = jax.vmap(self.start[network])(keys)
            start = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), start)
            self.made[network, kind] = train_robust(
                start, keys, self.seen, 2e-3, eps, steps=training, batch=128, ascents=KINDS[kind]
            )
        nets = members(self.made[network, kind], self.settings.trials)
        return [Partial(logits, net) for net in nets]


def require_pictures(dataset: str, x: Any, why: str) -> None:
    """Refuse vectors.

    Raises:
        UsageError: the set has them instead of images.
    """
    if x.ndim < 3:
        raise UsageError(
            f"--dataset {dataset} has vectors of {x.shape[1]} numbers, and {why}: reshape x_train "
            "and x_test to (images, height, width)."
        )


def scene_of(settings: ImageSettings, key_train, key_test) -> Scene:
    """Images of a set, some of the test images chosen to be attacked.

    Raises:
        UsageError: the set has no images, or they are not square.
    """
    images = load_images(settings.dataset)
    require_pictures(settings.dataset, images.x_test, "the CNN needs images")
    chosen = jax.random.permutation(key_test, len(images.x_test))[: settings.points]
    x = jnp.asarray(images.x_test, jnp.float32)[chosen]
    y = jnp.asarray(images.y_test)[chosen]
    seen = Points(
        jnp.asarray(images.x_train, jnp.float32).reshape(len(images.x_train), -1),
        jnp.asarray(images.y_train),
    )
    classes = 1 + int(max(images.y_train.max(), images.y_test.max()))
    side, colours = x.shape[1], x.shape[3] if x.ndim == 4 else 1
    if x.shape[2] != side:
        raise UsageError(
            f"--dataset {settings.dataset} has images of {side} × {x.shape[2]} pixels, and the CNN "
            "needs square ones; cut or pad them."
        )
    width = settings.width
    start = {
        "MLP": lambda key: mlp(key, (seen.x.shape[1], width, width, classes)),
        "CNN": lambda key: conv_net(key, side, (colours, *CHANNELS), classes),
    }
    return Scene(x, y, classes, seen, start, settings, key_train)
