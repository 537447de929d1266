"""H6: where the loss of a pruned layer stops: at what its mask leaves of the targets, not below.

X are the n inputs of a layer, z_i what its output i should be, M_i the diagonal of that output's
mask, A_i = XM_i. Let f(W) = ½‖XWᵀ − z‖²_F and f* = ½Σ_i ‖(I − Π_{A_i})z_i‖², Π_{A_i} being the
projection onto the image of A_i.

- No weights w_i = M_i w_i have f(W) < f*, whatever found them.
- Descent w_i ← w_i − ηM_i∇f from such weights, at η = 1/‖XᵀX‖_F, goes there:
  (1 − ηλ)^{2t} ≤ (f(W_t) − f*)/(f(W_0) − f*) ≤ (1 − ημ)^{2t}, where μ and λ are the least and the
  largest eigenvalue of any A_iᵀA_i on the coordinates that its mask left. The inputs' columns are
  independent on these, hence μ > 0.

Proof. XM_i w_i is in the image of A_i, and no point of it is closer to z_i than Π_{A_i}z_i, whose
distance is ‖(I − Π_{A_i})z_i‖: f ≥ f*. By Pythagoras f(W) − f* = ½Σ_i ‖e_i‖² with
e_i = A_i w_i − Π_{A_i}z_i. As A_iᵀz_i = A_iᵀΠ_{A_i}z_i, a step turns e_i into (I − ηA_iA_iᵀ)e_i. On
the image of A_i, where e_i is, the eigenvalues of A_iA_iᵀ are those of A_iᵀA_i that are not 0, all
between μ and λ ≤ λ_max(XᵀX) ≤ ‖XᵀX‖_F: a step shortens e_i by a factor between 1 − ηλ ≥ 0 and
1 − ημ < 1. ∎

With as few inputs as weights left, f* = 0 and there is no floor: the trial has more. It is looked
for by Adam too, for long. Descent that does not keep the mask goes below: the control.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, UInt8

from theory.claims import AtLeast, AtMost
from theory.geometry import orthonormalise
from theory.healing import ridge_descent
from theory.healing.descent import masked_descent
from theory.healing.ridge_descent import QUARTER, draw
from theory.settings import Count
from theory.spectrum import largest_eigenvalue
from theory.theorem import Choice, Control, Theorem, Trial

RELATIVE = 0.01
"""The least f* and f(W_0) − f*, in units of f(0), and the least ημ."""

MOVED = 0.05
"""The least that descent and Adam move the weights, relatively."""

LEARNING_RATE = 0.03
"""Adam's step size."""


@dataclass(frozen=True)
class Settings(ridge_descent.Settings):
    """A layer with more inputs than weights left in a row."""

    d: Count = 24
    """inputs of the layer"""
    width: Count = 16
    """outputs of the layer"""
    samples: Count = 480
    """calibration inputs n"""
    steps: Count = 4
    """steps t of descent"""
    adam: Count = 100
    """steps of Adam"""


def floor(
    x: Float[Array, "n d"], z: Float[Array, "n width"], mask: UInt8[Array, "width d"]
) -> Float[Array, ""]:
    """f*, what no weights under the mask can do without.

    Off the image of X nothing is reached by any; on it X is a smaller matrix.

    Example:
        >>> x, z = jnp.eye(2), jnp.array([[3.0], [4.0]])
        >>> float(floor(x, z, jnp.array([[1, 0]], jnp.uint8)))
        8.0
    """

    basis = orthonormalise(x)
    small, on = basis.T @ x, basis.T @ z

    def row(z, kept):
        image = orthonormalise(jnp.where(kept[None], small, 0))
        return jnp.sum((z - image @ (image.T @ z)) ** 2)

    off = jnp.sum((z - basis @ on) ** 2)
    return (off + jnp.sum(jax.vmap(row)(on.T, mask.astype(bool)))) / 2


def extremes(
    x: Float[Array, "n d"], mask: UInt8[Array, "width d"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """μ and λ, the least and the largest eigenvalue of any AᵀA on what its mask left.

    Example:
        >>> x, mask = jnp.diag(jnp.array([1.0, 2.0, 3.0])), jnp.array([[1, 1, 0]], jnp.uint8)
        >>> [round(float(value), 4) for value in extremes(x, mask)]
        [1.0, 4.0]
    """
    gram = x.T @ x

    def row(kept):
        both = kept[:, None] & kept[None, :]
        largest = largest_eigenvalue(jnp.where(both, gram, 0))
        # λI − AᵀA, 0 too where the mask left nothing, has the largest eigenvalue λ − μ.
        turned = jnp.where(both, largest * jnp.eye(len(kept), dtype=gram.dtype) - gram, 0)
        return largest - largest_eigenvalue(turned), largest

    least, largest = jax.vmap(row)(mask.astype(bool))
    return jnp.min(least), jnp.max(largest)


def trial(settings: Settings, key: Key[Array, ""], keep: Choice = True) -> Trial:
    """Measured: f after descent or Adam, whichever is less; f(W_t) − f* after descent, twice.

    Predicted: f*; (1 − ηλ)^{2t}(f(W_0) − f*) and (1 − ημ)^{2t}(f(W_0) − f*). The mask is kept if
    ``keep``.
    """
    x, z, start, mask = draw(settings, key)

    def loss(w, data):
        x, z = data
        return jnp.sum((x @ w.T - z) ** 2) / 2

    def end(optimizer, steps):
        kept = jnp.where(keep, mask, jnp.ones_like(mask))
        options = {"optimizer": optimizer, "steps": steps, "batch": len(x)}
        return masked_descent(loss, start, kept, (x, z), **options).params

    rate = 1 / jnp.linalg.norm(x.T @ x)
    ends = jnp.stack(
        [end(optax.sgd(rate), settings.steps), end(optax.adam(LEARNING_RATE), settings.adam)]
    )
    losses = jax.vmap(lambda w: loss(w, (x, z)))(ends)
    bottom, (mu, largest) = floor(x, z, mask), extremes(x, mask)
    left, high, scale = losses[0] - bottom, loss(start, (x, z)) - bottom, jnp.sum(z**2) / 2
    moved = jax.vmap(jnp.linalg.norm)(ends - start[None]) / jnp.linalg.norm(start)
    return Trial(
        measured={"floor": jnp.min(losses), "lower": left, "upper": left},
        predicted={
            "floor": bottom,
            "lower": (1 - rate * largest) ** (2 * settings.steps) * high,
            "upper": (1 - rate * mu) ** (2 * settings.steps) * high,
        },
        assumptions={
            "W is 0 where the mask is": -jnp.max(jnp.where(mask[None] == 0, jnp.abs(ends), 0)),
            "μ > 0": rate * mu - RELATIVE,
            "f* > 0": bottom / scale - RELATIVE,
            "f(W_0) above f*": high / scale - RELATIVE,
            "weights moved": jnp.min(moved) - MOVED,
            "a quarter of the weights pruned": jnp.mean(mask == 0, dtype=x.dtype) - QUARTER,
        },
    )


theorem = Theorem(
    name="healing.loss-floor",
    statement="f(W) = ½‖XWᵀ − z‖²_F, A_i = XM_i, f* = ½Σ‖(I − Π_{A_i})z_i‖², η = 1/‖XᵀX‖_F, "
    "all A_iᵀA_i between μ > 0 and λ where M_i is 1",
    label="H6",
    provenance="derived",
    claim={
        "floor": AtLeast(says="f(W) ≥ f* for W = MW by descent or Adam"),
        "lower": AtLeast(says="f(W_t) − f* ≥ (1−ηλ)^{2t}(f(W_0) − f*) by masked descent"),
        "upper": AtMost(says="f(W_t) − f* ≤ (1−ημ)^{2t}(f(W_0) − f*) by masked descent"),
    },
    presets={
        "smoke": Settings(d=12, width=8, samples=240, trials=20),
        "course": Settings(trials=135),
        "paper": Settings(d=64, width=64, samples=1280, steps=6, trials=688),
    },
    trial=trial,
    control=Control(
        name="the mask is not kept",
        numbers={"keep": False},
    ),
)
