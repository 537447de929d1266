"""What shows a standard Gaussian on P^⊥: directions to look along, and the laws along them."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float
from scipy import stats

from theory.claims import Law
from theory.geometry import Subspace, orthonormalise


def axes_off(subspace: Subspace, which: slice) -> Float[Array, "d axes"]:
    """An orthonormal basis of what is off P of some of the coordinate axes, in their order.

    They are chosen before any weight is drawn, and know nothing of it.

    Example:
        >>> plane = Subspace(jnp.eye(4)[:, :1])
        >>> axes_off(plane, slice(1, 3)).T.tolist()
        [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    d = subspace.basis.shape[0]
    return orthonormalise(subspace.reject(jnp.eye(d)[which]).T)


def chi_square(dof: Callable[[Any], int], says: str, resolution: float = 0.17) -> Law:
    """χ² of as many degrees of freedom as the settings say.

    Example:
        >>> law = chi_square(lambda settings: 2, says="χ²₂")
        >>> round(float(law.cdf(2.0, None)), 4)
        0.6321
    """
    return Law(
        cdf=lambda values, settings: stats.chi2.cdf(values, dof(settings)),
        resolution=resolution,
        says=says,
        families={
            "ℓ": lambda values, settings, t: stats.chi2.cdf(values, dof(settings) * (1 + t)),
            "σ²": lambda values, settings, t: stats.chi2.cdf(values / (1 + t), dof(settings)),
        },
    )


def standard_normal(says: str, resolution: float = 0.17) -> Law:
    """N(0, 1).

    Example:
        >>> float(standard_normal("z ~ N(0, 1)").cdf(0.0, None))
        0.5
    """
    return Law(
        cdf=lambda values, settings: stats.norm.cdf(values),
        resolution=resolution,
        says=says,
        families={
            "σ²": lambda values, settings, t: stats.norm.cdf(values / (1 + t) ** 0.5),
        },
    )
