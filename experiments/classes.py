"""Training images of one class, in random order."""

import jax
import numpy as np

from experiments.datasets import Images
from experiments.errors import UsageError


def draw_class(images: Images, label: int, wanted: int, key) -> np.ndarray:
    """Indices of the training images of one class, shuffled.

    Args:
        images: the data set.
        label: the class.
        wanted: how many there must be.
        key: a typed JAX key.

    Raises:
        UsageError: the set lacks the class, or has fewer images of it.
    """
    of_class = np.flatnonzero(images.y_train == label)
    if not of_class.size:
        raise UsageError(
            f"{images.name} has no class {label}: choose from {np.unique(images.y_train).tolist()}."
        )
    if wanted > of_class.size:
        raise UsageError(
            f"{images.name} has {of_class.size} training images of class {label}, fewer than the "
            f"{wanted} that samples asks for: lower samples."
        )
    return of_class[np.asarray(jax.random.permutation(key, of_class.size))]
