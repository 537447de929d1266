"""The energy of a classifier, and in which directions a defence may move an input.

Source: Grathwohl et al. 2020 (arXiv 1912.03263) for the energy; Mirza et al. (arXiv 2603.26984).
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from theory.attacks.balls import Rows
from theory.attacks.losses import Logits, Values, cross_entropy, wide
from theory.attacks.survivors import Function

Direction = Literal["energy", "ascent", "pseudo-label", "centred", "random"]
"""What a defence follows:

* ``energy``: −∇E, which ET3 follows;
* ``ascent``: ∇E;
* ``pseudo-label``: the gradient of log p of the class predicted for the input as it was given
  (Alfarra et al. 2022, arXiv 2103.14347);
* ``centred``: −∇E of the logits less their mean, the same classifier;
* ``random``: a Gaussian direction, the same at every step.
"""


def energy(z: Any) -> Values:
    """E = −log Σ_k exp z_k, whose gradient in the input is −Σ_k softmax_k(z)·∇z_k.

    Args:
        z: logits (n, classes).

    Raises:
        ValueError: for another shape.

    Example:
        >>> round(float(energy(jnp.zeros((1, 4)))[0]), 4)
        -1.3863
    """
    if jnp.ndim(z) != 2:
        raise ValueError(f"logits have shape {jnp.shape(z)} and must have two axes, (n, classes)")
    return -jax.nn.logsumexp(z, axis=1)


def centred(z: Logits) -> Logits:
    """Logits less their mean: the same classes, in a gauge that no shift of all of them changes.

    Example:
        >>> centred(jnp.array([[1.0, 3.0]])).tolist()
        [[-1.0, 1.0]]
    """
    return z - jnp.mean(z, axis=1, keepdims=True)


def slope_of(
    direction: Direction, f: Function, x: Rows, key: Key[Array, ""] | None = None
) -> Callable[[Rows], Rows]:
    """What a defence follows from any point, 0 for rows where it is not finite.

    Args:
        direction: which.
        f: logits of rows.
        x: the inputs as they were given.
        key: of ``random``, which needs one.

    Example:
        >>> x = jnp.array([[2.0, 0.0]])
        >>> slope_of("pseudo-label", lambda x: x, x)(x).round(2).tolist()
        [[0.12, -0.12]]
    """
    if direction == "random":
        assert key is not None
        noise = jax.random.normal(key, x.shape, x.dtype)
        return lambda _: noise
    if direction == "pseudo-label":
        predicted = jnp.argmax(f(x), axis=1)

        def climbed(z):
            return -cross_entropy(z, predicted)
    else:
        sign = 1 if direction == "ascent" else -1

        def climbed(z):
            return sign * energy(centred(z) if direction == "centred" else z)

    def slope(point):
        gradient = jax.grad(lambda at: jnp.sum(climbed(wide(f(at)))))(point)
        sound = jnp.all(jnp.isfinite(gradient), axis=1, keepdims=True)
        return jnp.where(sound, gradient, 0)

    return slope
