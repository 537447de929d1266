"""A standard Gaussian on P^⊥: the laws of its norm and of its parts along the coordinate axes.

A norm alone does not tell an isotropic Gaussian from one whose variance is half in one half of
the directions and one and a half in the other. Its parts do: the projections of the coordinate
axes into P^⊥ span subspaces F that are chosen before any weight is drawn, so that ‖Π_F g‖² is
χ² of dim F, and ⟨f, g⟩ standard normal for a unit vector f.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.claims import Law
from theory.geometry import Subspace
from theory.isotropy import axes_off, chi_square, standard_normal


def half(ell: int) -> int:
    """⌈ℓ/2⌉.

    Example:
        >>> half(47), half(48)
        (24, 24)
    """
    return (ell + 1) // 2


def statistics(subspace: Subspace, g: Float[Array, " d"], ell: int) -> dict[str, Float[Array, ""]]:
    """By the names of `laws`: the squares of g, and of its parts along axes; one coordinate.

    Args:
        subspace: P.
        g: a vector on P^⊥.
        ell: ℓ, which is dim P^⊥ where P is what it is believed to be.

    Example:
        >>> plane, g = Subspace(jnp.eye(4)[:, 3:]), jnp.array([1.0, 2.0, 3.0, 0.0])
        >>> {name: float(value) for name, value in statistics(plane, g, ell=3).items()}
        {'norm': 14.0, 'first half': 5.0, 'every other': 10.0, 'axis': 1.0}
    """
    first = g @ axes_off(subspace, slice(half(ell)))
    other = g @ axes_off(subspace, slice(0, 2 * half(ell), 2))
    return {"norm": g @ g, "first half": first @ first, "every other": other @ other} | {
        "axis": first[0]
    }


def scales(ell: int, dtype) -> dict[str, Float[Array, ""]]:
    """The means of the squares, and the deviation of the coordinate."""
    numbers = {"norm": ell, "first half": half(ell), "every other": half(ell), "axis": 1}
    return {name: jnp.asarray(number, dtype) for name, number in numbers.items()}


def laws() -> dict[str, Law]:
    """The laws of `statistics` where g is standard Gaussian on P^⊥."""
    axes = "Π_{P⊥} of the first ⌈ℓ/2⌉ axes"
    return {
        "norm": chi_square(lambda settings: settings.ell, "‖g‖² ~ χ²_ℓ"),
        "first half": chi_square(
            lambda settings: half(settings.ell), f"‖Π_F g‖² ~ χ²_⌈ℓ/2⌉, F = {axes}"
        ),
        "every other": chi_square(
            lambda settings: half(settings.ell),
            "‖Π_F g‖² ~ χ²_⌈ℓ/2⌉, F = Π_{P⊥} of every other axis",
        ),
        "axis": standard_normal("⟨f, g⟩ ~ N(0, 1), f along Π_{P⊥} of the first axis"),
    }
