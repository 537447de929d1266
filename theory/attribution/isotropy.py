"""What a standard Gaussian on P^⊥ shows: its norm, a coordinate, and that directions are alike."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats

from theory.claims import Law
from theory.geometry import Subspace
from theory.isotropy import axes_off, chi_square, standard_normal


def isotropy(g: Float[Array, " D"], span: Subspace) -> dict[str, Float[Array, ""]]:
    """‖g‖², ⟨g, v⟩ and ‖Π_Q g‖²/‖g‖² of a vector of P^⊥; the last is 0 for g = 0.

    Of the directions of P^⊥ next to the axes, v is the first and Q the span of the first ⌊ℓ/2⌋.

    Example:
        >>> found = isotropy(jnp.array([3.0, 4.0, 0.0]), Subspace(jnp.eye(3)[:, 2:]))
        >>> {name: round(float(number), 4) for name, number in found.items()}
        {'norm': 25.0, 'axis': 3.0, 'half': 0.36}
    """
    coordinates = g @ axes_off(span, slice(span.ell // 2))
    norm = g @ g
    half = coordinates @ coordinates / jnp.where(norm > 0, norm, 1)
    return {"norm": norm, "axis": coordinates[0], "half": half}


def means(settings: Any, dtype: Any) -> dict[str, Float[Array, ""]]:
    """Those of the laws: ℓ, 0 and ⌊ℓ/2⌋/ℓ.

    Example:
        >>> from theory.attribution.settings import Settings
        >>> {name: float(mean) for name, mean in means(Settings(samples=60), float).items()}
        {'norm': 4.0, 'axis': 0.0, 'half': 0.5}
    """
    of = {"norm": settings.ell, "axis": 0, "half": (settings.ell // 2) / settings.ell}
    return {name: jnp.full((), mean, dtype) for name, mean in of.items()}


def half_cdf(values: np.ndarray, settings: Any, wider: float = 0.0) -> np.ndarray:
    """Of Beta(h/2, (ℓ−h)/2), h = ⌊ℓ/2⌋, and where the variances on Q are 1 + ``wider``."""
    h, values = settings.ell // 2, np.clip(values, 0, 1)
    share = values / (values + (1 + wider) * (1 - values))
    return stats.beta.cdf(share, h / 2, (settings.ell - h) / 2)


def laws(g: str, resolution: float = 0.075) -> dict[str, Law]:
    """The laws of `isotropy` by part, of a vector that is called ``g``.

    Example:
        >>> laws("g")["norm"].says
        '‖g‖² ~ χ²_ℓ'
    """
    return {
        "norm": chi_square(lambda settings: settings.ell, f"‖{g}‖² ~ χ²_ℓ", resolution),
        "axis": standard_normal(f"⟨{g}, v⟩ ~ N(0, 1), v ∈ P⊥ fixed", resolution),
        "half": Law(
            half_cdf,
            resolution,
            f"‖Π_Q {g}‖²/‖{g}‖² ~ Beta(h/2, (ℓ−h)/2), Q ⊂ P⊥ fixed, h = dim Q = ⌊ℓ/2⌋",
            {"variance on Q": half_cdf},
        ),
    }
