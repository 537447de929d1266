"""H4: pruning by activations does not see the frozen noise off the data's subspace, if it is axes.

The data live in a subspace P of R^d that is spanned by d − ℓ coordinate axes, and training on them,
until every margin y_j N(x_j) is at least 1, moved the weights on P and none off P. Wanda scores a
weight by |W_ij|·‖X_j‖, X_j being coordinate j of the calibration inputs, and prunes the same share
s of every row. If the inputs are in P and span it (or merely X_j ≠ 0 for every axis j of P), then
(a) for s ≤ ℓ/d the pruned two-layer network equals the dense one on all of P, and
(b) for any s the mask on P does not depend on Π_{P^⊥}W.

Proof. Off P, X_j = 0 and the score is 0, the smallest there is; on P it is positive, unless
W_ij = 0. So a row's ℓ weights off P are pruned first, none that is not 0 on P for s ≤ ℓ/d, and
x_j = 0 there for every x ∈ P: all pre-activations on P stay. For s > ℓ/d the row loses all ℓ
weights off P and, of those on P, the sd − ℓ with the smallest |W_ij|·‖X_j‖, which read W on P
alone. ∎

(b) is put on trial by drawing Π_{P^⊥}W again, at an s that prunes about half of the weights on P.
Both fail for a rotated P, where ‖X_j‖ > 0 for all j and every weight is part signal and part noise.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, UInt8

from theory import settings as foundation
from theory.claims import Identity
from theory.geometry import Subspace, off_by_rounding, random_subspace
from theory.healing.masks import apply_masks, smallest_of_rows, wanda
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.settings import Count, Margin
from theory.theorem import Choice, Control, Theorem, Trial
from theory.training import train_to_margin

MOVED = 0.05
"""The least that training moves the weights on P, and redrawing those off P: relatively."""

PRUNED = 0.1
"""The least share of the weights on P that (b) prunes."""


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
    """calibration inputs, on which the network is trained too, and as many test points"""
    margin: Margin = 1.0
    """stop training when every y_j N(x_j) is at least this"""
    steps: Count = 20_000
    """largest number of training steps"""

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


def rotated_or_axes(rotated: Choice, key: Key[Array, ""], d: int, dim: int) -> Subspace:
    """`random_subspace` or else `axes_subspace`.

    Example:
        >>> P = rotated_or_axes(False, jax.random.key(0), 4, 2)
        >>> bool((P.basis == axes_subspace(jax.random.key(0), 4, 2).basis).all())
        True
    """
    return optax.tree.where(rotated, random_subspace(key, d, dim), axes_subspace(key, d, dim))


def wanda_mask(
    w: Float[Array, "width d"], x: Float[Array, "samples d"], share: float
) -> UInt8[Array, "width d"]:
    """The row-wise mask of Wanda.

    Example:
        >>> wanda_mask(jnp.array([[1.0, 9.0]]), jnp.array([[1.0, 0.0]]), 0.5).tolist()
        [[1, 0]]
    """
    return smallest_of_rows(wanda(w, x), share)


def separated(
    key: Key[Array, ""], key_rule: Key[Array, ""], n: int, dim: int
) -> tuple[Float[Array, "n dim"], Float[Array, " n"]]:
    """Gaussian points moved apart by 1 on either side of a random hyperplane, and their sides ±1.

    Example:
        >>> z, y = separated(jax.random.key(0), jax.random.key(1), 20, 1)
        >>> float(jnp.abs(z).min()) >= 1
        True
    """
    z, normal = jax.random.normal(key, (n, dim)), jax.random.normal(key_rule, (dim,))
    y = jnp.where(z @ normal > 0, 1, -1).astype(z.dtype)
    return z + y[:, None] * normal[None, :] / jnp.linalg.norm(normal), y


def trial(settings: Settings, key, rotated: Choice = False) -> Trial:
    """Measured: max_x |N_pruned(x) − N(x)| over test points of P; the decisions on P that differ.

    Predicted (their scale): max_x |N(x)|; the number of weights on P.
    """
    key_p, key_x, key_test, key_rule, key_net, key_again = jax.random.split(key, 6)
    dim = settings.d - settings.ell
    subspace = rotated_or_axes(rotated, key_p, settings.d, dim)
    coordinates, y = separated(key_x, key_rule, settings.samples, dim)
    x = coordinates @ subspace.basis.T
    test = jax.random.normal(key_test, (settings.samples, dim)) @ subspace.basis.T
    start = two_layer_relu(key_net, settings.d, settings.width)
    trained = train_to_margin(start, x, y, settings.margin, steps=settings.steps)
    net, on_p, off_p = trained.network, subspace.project, subspace.reject
    again = two_layer_relu(key_again, settings.d, settings.width)

    mask = wanda_mask(net.w, x, settings.harmless)
    before, after = net(test), TwoLayerReLU(apply_masks(net.w, mask), net.u)(test)

    redrawn = on_p(net.w) + off_p(again.w)
    masks = jax.vmap(lambda w: wanda_mask(w, x, settings.beyond))(jnp.stack([net.w, redrawn]))
    on = jnp.sum(subspace.basis**2, axis=1)  # the diagonal of Π_P
    flips = jnp.where(masks[0] != masks[1], on[None, :], 0).sum()
    decisions = settings.width * dim
    cut = jnp.where(masks[0] == 0, on[None, :], 0).sum() / decisions

    def moved(part, one, other):
        return jnp.linalg.norm(part(one - other)) / jnp.linalg.norm(part(other))

    allowed = off_by_rounding(x)
    zeros = settings.width * settings.ell
    return Trial(
        measured={"(a)": jnp.max(jnp.abs(after - before)), "(b)": flips},
        predicted={
            "(a)": jnp.max(jnp.abs(before)),
            "(b)": jnp.full((), decisions, x.dtype),
        },
        assumptions={
            "P is spanned by axes": allowed - jnp.max(on * (1 - on)),
            "calibration and test points in P": allowed
            - jnp.max(subspace.off_share(jnp.concatenate([x, test]))),
            "every axis of P is seen": jnp.min(jnp.linalg.norm(coordinates, axis=0)) - allowed,
            "margin reached": trained.margin - settings.margin,
            "moved on P": moved(on_p, net.w, start.w) - MOVED,
            "W_⊥ kept": allowed - moved(off_p, net.w, start.w),
            "W_⊥ redrawn": moved(off_p, redrawn, net.w) - MOVED,
            "a share ℓ/d pruned": -jnp.abs(zeros - jnp.sum(mask == 0, dtype=x.dtype)),
            "(b) prunes on P": cut - PRUNED,
        },
    )


theorem = Theorem(
    name="healing.frozen-noise",
    statement="P spanned by axes that the inputs see, N trained on P to the margin with W_⊥ as "
    "drawn, Wanda by rows",
    label="H4",
    provenance="derived",
    claim={
        "(a)": Identity(says="at sparsity ℓ/d the pruned network equals N at test points of P"),
        "(b)": Identity(says="at sparsity (1 + ℓ/d)/2 the mask on P ignores W_⊥"),
    },
    presets={
        "smoke": Settings(d=20, ell=15, samples=10, trials=20),
        "course": Settings(trials=135),
        "paper": Settings(d=600, ell=450, width=200, samples=300, trials=688),
    },
    trial=trial,
    control=Control(
        name="a rotated P",
        numbers={"rotated": True},
    ),
)
