"""D1: the null of every comparison of adversarial distances on and off a manifold.

For a linear model and a uniformly random subspace of dimension k of R^d, independent of it,
(δ_std/δ_on)² ~ Beta(k/2, (d − k)/2), and (δ_std/δ_off)² is its complement. So δ_on/δ_std is about
√(d/k) whatever the data are: that much "perpendicular" means nothing.

Proof. The boundary is at distance f/‖Πg‖ in the directions of a subspace with projector Π, g the
gradient. So (δ_std/δ_on)² = ‖Πg‖²/‖g‖², the squared norm of k coordinates of a unit vector in a
random basis, which is Σ_{i≤k} z_i²/Σ_{i≤d} z_i² of independent standard Gaussians. Off the subspace
are the other d − k coordinates. ∎
"""

import jax.numpy as jnp
import numpy as np
from scipy import stats

from theory.claims import Identity, Law
from theory.dimples.linear import draw
from theory.dimples.settings import Subspace
from theory.theorem import Control, Number, Theorem, Trial


def trial(settings: Subspace, key, cosine: Number = 0.0) -> Trial:
    """Measured: (δ_std/δ_on)² by attacks, and how far its sum with (δ_std/δ_off)² is from 1.
    Predicted: its mean k/d, and 1. One vector of the subspace has ``cosine`` with the gradient."""
    scene = draw(settings, key, cosine)
    (std, on, off), _ = scene.distances()
    share = (std / on) ** 2
    return Trial(
        measured={"law": share, "complement": jnp.abs(share + (std / off) ** 2 - 1)},
        predicted={
            "law": jnp.asarray(settings.k / settings.d, share.dtype),
            "complement": jnp.ones_like(share),
        },
        assumptions={
            "the subspace does not know the gradient": -jnp.asarray(cosine, share.dtype),
            "all three attacks succeed": jnp.where(jnp.isfinite(std + on + off), 1.0, -1.0),
        },
    )


def beta(values: np.ndarray, settings: Subspace, t: float = 0.0) -> np.ndarray:
    """The distribution function of the law, with k multiplied by 1 + t."""
    k = min(settings.k * (1 + t), settings.d - 1e-9)
    return stats.beta.cdf(values, k / 2, (settings.d - k) / 2)


theorem = Theorem(
    name="dimples.random-subspace",
    statement="δ the distance to a linear model's boundary, anywhere, on a uniformly random "
    "subspace of dimension k of R^d, or off it",
    label="D1, the null of claim 6",
    provenance="derived",
    claim={
        "law": Law(
            beta, says="(δ_std/δ_on)² ~ Beta(k/2, (d − k)/2)", families={"k": beta}, resolution=0.17
        ),
        "complement": Identity(
            ulps=2.0**16, says="(δ_std/δ_off)² = 1 − (δ_std/δ_on)², by bisected attacks"
        ),
    },
    presets={
        "smoke": Subspace(trials=200),
        "course": Subspace(trials=688),
        "paper": Subspace(d=784, trials=2000),
    },
    trial=trial,
    control=Control(name="a vector of the subspace at cosine .1", numbers={"cosine": 0.1}),
)
