"""Pruning by magnitude at several sparsities, and controls that healing must not survive."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import jax
import jax.numpy as jnp

from experiments.healing.arms import Member
from experiments.healing.dense import CalibratedSettings
from theory.healing.masks import apply_masks, magnitude, smallest
from theory.networks import MLP, mlp

CONTROLS = ("targets of other images", "noise for images", "survivors redrawn")
"""What must heal less than STARFISH does: each breaks one thing that it relies on."""


def percent(share: float) -> str:
    """A share in words, with all its digits.

    Example:
        >>> percent(0.9), percent(0.901), percent(0.999999)
        ('90 %', '90.1 %', '99.9999 %')
    """
    return f"{100 * share:.10g} %"


def check_sparsity(sparsity: float) -> None:
    """Refuse a share of weights that cannot be pruned.

    Raises:
        ValueError: it is not in (0, 1).

    Example:
        >>> check_sparsity(1.0)
        Traceback (most recent call last):
        ValueError: sparsity is 1.0 and must be between 0 and 1
    """
    if not 0 < sparsity < 1:
        raise ValueError(f"sparsity is {sparsity} and must be between 0 and 1")


def check_sparsities(name: str, shares: Sequence[float]) -> None:
    """Refuse shares of weights that cannot be pruned, or that would be pruned twice.

    Raises:
        ValueError: there is none, one is not in (0, 1), or two read the same.

    Example:
        >>> check_sparsities("sparsities", (0.9, 0.9))
        Traceback (most recent call last):
        ValueError: sparsities is (0.9, 0.9) and must differ
    """
    if not shares or not all(0 < share < 1 for share in shares):
        raise ValueError(f"{name} is {shares} and must be between 0 and 1")
    if len(set(map(percent, shares))) < len(shares):
        raise ValueError(f"{name} is {shares} and must differ")


def check_retraining(retraining: float) -> None:
    """Refuse a share of passes that is none.

    Raises:
        ValueError: it is not in (0, ∞).

    Example:
        >>> check_retraining(0.0)
        Traceback (most recent call last):
        ValueError: retraining is 0.0 and must be above 0 and finite
    """
    if not 0 < retraining < inf:
        raise ValueError(f"retraining is {retraining} and must be above 0 and finite")


@dataclass(frozen=True)
class Settings(CalibratedSettings):
    """Networks pruned by magnitude within every hidden layer; the head stays whole."""

    sparsities: tuple[float, ...] = (0.5, 0.75, 0.9, 0.95, 0.98)
    """shares of the weights of every hidden layer that are pruned"""
    timed: float = 0.95
    """the sparsity at which methods are compared once more with equal time"""
    retraining: float = 0.5
    """passes over the training images of retraining, as a share of those of training"""

    def __post_init__(self):
        super().__post_init__()
        check_sparsities("sparsities", self.sparsities)
        check_retraining(self.retraining)
        if self.timed not in self.sparsities:
            raise ValueError(f"timed is {self.timed} and must be one of {self.sparsities}")


def magnitude_masks(dense: MLP, share: float) -> MLP:
    """Masks of the smallest weights of every hidden layer, for networks of a leading axis."""
    whole: Any = (None,) * len(dense.weights)

    def of(net):
        weights: Any = (*smallest(magnitude(net.weights[:-1]), share), None)
        return MLP(weights, whole)

    return jax.vmap(of)(dense)


def broken(control: str, cell: Member, key) -> Member:
    """Members with what STARFISH relies on broken."""
    if control == CONTROLS[0]:
        return cell._replace(teacher=jnp.roll(cell.x, 1, axis=1))
    if control == CONTROLS[1]:
        noise = jnp.mean(cell.x) + jnp.std(cell.x) * jax.random.normal(
            key, cell.x.shape, jnp.float32
        )
        return cell._replace(x=noise, teacher=noise)
    widths = (cell.x.shape[-1], *[w.shape[1] for w in cell.dense.weights])
    keys = jax.random.split(key, len(cell.x))
    drawn = jax.vmap(lambda key: mlp(key, widths))(keys)
    weights = (*drawn.weights[:-1], cell.dense.weights[-1])
    fresh = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), MLP(weights, cell.dense.biases))
    return cell._replace(start=apply_masks(fresh, cell.masks))
