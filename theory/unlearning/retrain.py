"""The gold standard: train again, from the same initialisation, without the forgotten points."""

from typing import Any

from theory.checks import check_points
from theory.networks import Linear, TwoLayerReLU
from theory.training import Trained
from theory.unlearning.checks import check_forget, retained
from theory.unlearning.margin import LogSlope, logistic_slope, train_to_large_margin


def retrain(
    start: Linear | TwoLayerReLU,
    x: Any,
    y: Any,
    forget: Any,
    margin: float,
    *,
    slope: LogSlope = logistic_slope,
) -> Trained:
    """Train ``start`` on the retained points to the same margin.

    The result is *a* KKT point of the retained problem. For a linear predictor it is the only
    one; for a ReLU network there are many, and unlearning need not end near this one.

    Args:
        start: the network at the initialisation of the original training.
        x: all training inputs (n, d).
        y: all labels ±1 (n,).
        forget: index or indices of the points left out, or a mask (n,) of them.
        margin: of the original training.
        slope: log |ℓ'| of the loss.

    Raises:
        ValueError: for an index out of range, given twice, or all points; and as `check_points`.

    Example:
        >>> import jax.numpy as jnp
        >>> start, y = Linear(jnp.zeros(2)), jnp.array([1.0, -1.0])
        >>> retrain(start, jnp.eye(2), y, forget=0, margin=2.0).network.w.round(1).tolist()[0]
        0.0
    """
    x, y = check_points(x, y)
    kept = retained(check_forget(forget, len(x)), len(x))
    return train_to_large_margin(start, x[kept], y[kept], margin, slope=slope)
