"""How much of a network was recovered: of its accuracy and of its states."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from theory.checks import traced
from theory.ensemble import ensemble
from theory.healing.alignment import check_shapes, single
from theory.metrics import accuracy, calibration_error, negative_log_likelihood

MEASURES = {"accuracy": accuracy, "NLL": negative_log_likelihood, "ECE": calibration_error}


@jax.jit
def measured(
    nets: Any, x: Float[Array, "n ..."], y: Int[Array, " n"]
) -> Float[Array, "networks measures"]:
    """`MEASURES` of networks with a leading axis on the same inputs."""

    def member(net):
        logits = net.logits(x)
        return jnp.stack([measure(logits, y) for measure in MEASURES.values()])

    return ensemble(member, nets)


def gap_closed(
    healed: Float[Array, "*batch"],
    pruned: Float[Array, "*batch"],
    retrained: Float[Array, "*batch"],
) -> Float[Array, "*batch"]:
    """The share of the accuracy between pruned and retrained that healing won back.

    NaN where retraining wins nothing over the pruned network: there is no gap to close.

    Args:
        healed, pruned, retrained: accuracies, as shares; NaN of a network that diverged.

    Raises:
        ValueError: shares outside of [0, 1], unless they are traced.

    Example:
        >>> float(gap_closed(jnp.array(0.75), jnp.array(0.5), jnp.array(1.0)))
        0.5
    """
    _check_shares(healed, pruned, retrained)
    gap = retrained - pruned
    return jnp.where(gap > 0, (healed - pruned) / jnp.where(gap > 0, gap, 1), jnp.nan)


def recovered(
    accuracy: Float[Array, "*batch"], dense: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """The share of the dense network's accuracy that a network has.

    NaN where the dense network has none: there is nothing to recover.

    Args:
        accuracy: of the network, as a share; NaN if it diverged.
        dense: of the dense network.

    Raises:
        ValueError: shares outside of [0, 1], unless they are traced.

    Example:
        >>> float(recovered(jnp.array(0.75), jnp.array(1.0)))
        0.75
    """
    _check_shares(accuracy, dense)
    return jnp.where(dense > 0, accuracy / jnp.where(dense > 0, dense, 1), jnp.nan)


def _check_shares(*shares):
    for share in shares:
        if not traced(share) and (np.less(share, 0) | np.greater(share, 1)).any():
            raise ValueError("accuracies must be shares from 0 to 1: divide percents by 100")


def _scaled(h, axis=None):
    """In single precision or double, divided by the power of 2 next to its largest entry.

    That is exact, and no norm of it overflows or is 0.
    """
    h = single(h)
    exponent = jnp.frexp(jnp.max(jnp.abs(h), axis=axis, keepdims=True, initial=0))[1]
    return jnp.ldexp(h, jnp.broadcast_to(-exponent, h.shape))


def cosine(
    a: Float[Array, "*rows features"], b: Float[Array, "*rows features"]
) -> Float[Array, ""]:
    """Mean over rows of cos(a, b); a row of zeros has cosine 0, one with a NaN or infinity NaN.

    Raises:
        ValueError: states of different shapes.

    Example:
        >>> float(cosine(jnp.array([[1.0, 0.0], [0.0, 0.0]]), jnp.array([[2.0, 0.0], [1.0, 1.0]])))
        0.5
    """
    check_shapes(a, b)
    a, b = _scaled(a, -1), _scaled(b, -1)
    norms = jnp.linalg.norm(a, axis=-1) * jnp.linalg.norm(b, axis=-1)
    silent = norms == 0
    return jnp.mean(jnp.where(silent, 0, jnp.sum(a * b, axis=-1) / jnp.where(silent, 1, norms)))


def linear_cka(a: Float[Array, "n p"], b: Float[Array, "n q"]) -> Float[Array, ""]:
    r"""Linear centred kernel alignment, in [0, 1]; invariant to rotations and to scale.

    .. math:: ‖AᵀB‖_F² / (‖AᵀA‖_F ‖BᵀB‖_F), \quad A, B \text{ centred}

    0 where a state does not vary, NaN where it is not finite.

    Args:
        a, b: states of the same n rows.

    Raises:
        ValueError: states that are not of the same rows, or of fewer than 2.

    Source: Kornblith, Norouzi, Lee, Hinton (2019), "Similarity of neural network
    representations revisited".

    Example:
        >>> a = jax.random.normal(jax.random.key(0), (9, 3))
        >>> round(float(linear_cka(a, -2 * a[:, ::-1])), 4)
        1.0
    """

    def centred(h):
        c = h - jnp.mean(h, axis=0, keepdims=True)
        # What rounding leaves of a constant column would be alike in any two states.
        constant = jnp.linalg.norm(c) <= 100 * jnp.finfo(h.dtype).eps * jnp.linalg.norm(h)
        return jnp.where(constant, 0, c)

    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or len(a) < 2:
        raise ValueError(
            f"states have shapes {a.shape} and {b.shape}: give (n, features) of the same n rows, "
            "at least 2"
        )
    a, b = centred(_scaled(a)), centred(_scaled(b))
    norm = jnp.linalg.norm(a.T @ a) * jnp.linalg.norm(b.T @ b)
    return jnp.where(norm == 0, 0, jnp.sum((a.T @ b) ** 2) / jnp.where(norm == 0, 1, norm))
