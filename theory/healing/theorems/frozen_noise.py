"""H4: pruning by activations does not see the frozen noise off the data's subspace, if it is axes.

The data live in a subspace P of R^d that is spanned by d − ℓ coordinate axes, and training never
moved the weights off P. Wanda scores a weight by |W_ij|·‖X_j‖, X_j being coordinate j of the
calibration inputs, and prunes the same share s of every row. If the inputs are in P and span it (or
merely X_j ≠ 0 for every axis j of P), then
(a) for s ≤ ℓ/d the pruned two-layer network equals the dense one on all of P, and
(b) for any s the mask on P does not depend on Π_{P^⊥}W.

Proof. Off P, X_j = 0 and the score is 0, the smallest there is; on P it is positive, unless
W_ij = 0. So a row's ℓ weights off P are pruned first, none that is not 0 on P for s ≤ ℓ/d, and
x_j = 0 there for every x ∈ P: all pre-activations on P stay. For s > ℓ/d the row loses all ℓ
weights off P and, of those on P, the sd − ℓ with the smallest |W_ij|·‖X_j‖, which read W on P
alone. ∎

Both fail for a rotated P, where ‖X_j‖ > 0 for all j and every weight is part signal and part noise.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from theory import settings as foundation
from theory.claims import Identity
from theory.geometry import Subspace, off_by_rounding, random_subspace
from theory.healing.masks import apply_masks, smallest_of_rows, wanda
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.settings import Count
from theory.theorem import Control, Theorem, Trial


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """A two-layer network on inputs from a subspace P."""

    d: Count = 60
    """input dimension"""
    ell: Count = 45
    """ℓ = dim P^⊥"""
    width: Count = 50
    """neurons m"""
    samples: Count = 30
    """calibration inputs, and as many test points"""

    def __post_init__(self):
        super().__post_init__()
        if self.ell >= self.d:
            raise ValueError(f"ell is {self.ell} and must be smaller than d = {self.d}")

    @property
    def harmless(self) -> float:
        """ℓ/d, the largest share s of (a)."""
        return self.ell / self.d

    @property
    def beyond(self) -> float:
        """A share of (b) at which about half of the weights on P are pruned."""
        return (1 + self.harmless) / 2


def axes_subspace(key: Key[Array, ""], d: int, dim: int) -> Subspace:
    """The span of ``dim`` random coordinate axes of R^d.

    Example:
        >>> axes_subspace(jax.random.key(0), 4, 2).basis.sum(axis=0).tolist()
        [1.0, 1.0]
    """
    return Subspace(jnp.eye(d)[:, jax.random.permutation(key, d)[:dim]])


def wanda_mask(
    w: Float[Array, "width d"], x: Float[Array, "samples d"], share: float
) -> UInt8[Array, "width d"]:
    """The row-wise mask of Wanda.

    Example:
        >>> wanda_mask(jnp.array([[1.0, 9.0]]), jnp.array([[1.0, 0.0]]), 0.5).tolist()
        [[1, 0]]
    """
    return smallest_of_rows(wanda(w, x), share)


def trial(settings: Settings, key, draw_subspace=axes_subspace) -> Trial:
    """Measured: the larger of (a) and (b). Predicted (their scale): 1.

    (a) max_x |N_pruned(x) − N(x)| / max_x |N(x)| over test points of P, at sparsity ℓ/d;
    (b) the share of decisions on P that differ when Π_{P^⊥}W is drawn again, beyond it.
    """
    key_p, key_x, key_test, key_net, key_again = jax.random.split(key, 5)
    dim = settings.d - settings.ell
    subspace = draw_subspace(key_p, settings.d, dim)
    coordinates = jax.random.normal(key_x, (settings.samples, dim))
    x = coordinates @ subspace.basis.T
    test = jax.random.normal(key_test, (settings.samples, dim)) @ subspace.basis.T
    net = two_layer_relu(key_net, settings.d, settings.width)
    again = two_layer_relu(key_again, settings.d, settings.width)

    mask = wanda_mask(net.w, x, settings.harmless)
    before, after = net(test), TwoLayerReLU(apply_masks(net.w, mask), net.u)(test)
    change = jnp.max(jnp.abs(after - before)) / jnp.max(jnp.abs(before))

    redrawn = subspace.project(net.w) + subspace.reject(again.w)
    masks = jax.vmap(lambda w: wanda_mask(w, x, settings.beyond))(jnp.stack([net.w, redrawn]))
    on = jnp.sum(subspace.basis**2, axis=1)  # the diagonal of Π_P
    flips = jnp.where(masks[0] != masks[1], on[None, :], 0).sum() / (settings.width * dim)

    allowed = off_by_rounding(x)
    return Trial(
        measured=jnp.maximum(change, flips),
        predicted=jnp.ones((), x.dtype),
        assumptions={
            "P is spanned by axes": allowed - jnp.max(on * (1 - on)),
            "calibration and test points in P": allowed
            - jnp.max(subspace.off_share(jnp.concatenate([x, test]))),
            "every axis of P is seen": jnp.min(jnp.linalg.norm(coordinates, axis=0)),
            "sparsity ≤ ℓ/d": (settings.width * settings.ell - jnp.sum(mask == 0)).astype(x.dtype),
        },
    )


theorem = Theorem(
    name="healing.frozen-noise",
    statement="P spanned by axes: Wanda at sparsity ≤ ℓ/d keeps N on P; its mask there ignores W_⊥",
    label="H4",
    provenance="derived",
    claim=Identity(),
    presets={
        "smoke": Settings(d=20, ell=15, width=20, samples=10, trials=20),
        "course": Settings(trials=135),
        "paper": Settings(d=600, ell=450, width=200, samples=300, trials=688),
    },
    trial=trial,
    control=Control(
        name="a rotated P",
        trial=lambda settings, key: trial(settings, key, random_subspace),
    ),
)
