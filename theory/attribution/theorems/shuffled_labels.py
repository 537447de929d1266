"""X5: agreement certifies learned directions, not signal: on the span, any labels are agreed on.

Two copies, w_i(0) and u_i = ±1/√m independent, are trained by descent on the same texts x_j with
the same labels y_j, which may have nothing to do with the texts. At a training text x with active
neurons S_m, let L_m = Σ_{i∈S_m} u_i(w_i(T) − w_i(0)) = Σ_j c_mj x_j be what copy m has learned of
its gradient and I_m = Π_P Σ_{i∈S_m} u_i w_i(0) the rest on P = span{x_j}, so that
Π_P∇N_m(x) = L_m + I_m. Let the vectors b_m = (|c_mj|·‖x_j‖)_j of the two copies make the angle φ,
let ρ = ‖Ĝ − I‖_F < 1 for the Gram matrix Ĝ of the x_j/‖x_j‖, and ‖I_m‖ ≤ ε_m‖L_m‖, ε_m < 1. Then

  y_j c_mj ≥ 0 for every text j and copy m, and
  ∠(Π_P∇N_1(x), Π_P∇N_2(x)) ≤ 2 arctan(√((1+ρ)/(1−ρ))·tan(φ/2)) + arcsin ε_1 + arcsin ε_2.

Proof. A step of descent adds Σ_j y_j u_i a_ij x_j to w_i, with a_ij = −ηℓ'(y_j N(x_j))/n ≥ 0 where
neuron i is active at x_j and a_ij = 0 where not. So L_m adds up y_j u_i² a_ij x_j: y_j c_mj ≥ 0 *in
every copy*, whatever its initialisation, and c_mj‖x_j‖ = y_j b_mj. With Y = diag(y) and the square
root A of YĜY, ⟨L_1, L_2⟩ = ⟨Ab_1, Ab_2⟩ and ‖L_m‖ = ‖Ab_m‖. The eigenvalues of YĜY are those of Ĝ
and within ρ of 1, so A has a condition number s ≤ √((1+ρ)/(1−ρ)). In the plane of b_1 and b_2, up
to rotations and scale, A is (p, q) ↦ (p, σq) with 1 ≤ σ ≤ s. It takes the direction τ to
arctan(σ tan τ), whose derivative is the same at τ and τ + φ only if these lie ±φ/2 about an axis:
φ is stretched most about the first, to 2 arctan(σ tan(φ/2)). The angle between L_m and L_m + I_m
is at most arcsin ε_m, and angles add up at most. ∎

The labels enter only through magnitudes: |c_mj| is the share of neurons active at both x and x_j
times how long x_j took to fit, and differs between copies by chance alone. What copies must have in
common is the labels: each trained on its own, they agree on nothing.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.attribution.scene import (
    assumptions,
    draw_copies,
    draw_scene,
    drawn_apart,
    kept_off_span,
    learned,
    train_copies,
)
from theory.attribution.settings import Settings
from theory.claims import AtLeast, AtMost
from theory.geometry import orthonormalise
from theory.theorem import Choice, Control, Theorem, Trial


def angle(a: Float[Array, " n"], b: Float[Array, " n"]) -> Float[Array, ""]:
    """∠(a, b) in [0, π], to full precision at either end (Kahan).

    Example:
        >>> round(float(angle(jnp.array([1.0, 0.0]), jnp.array([2.0, 2.0]))), 4)
        0.7854
    """
    a, b = a * jnp.linalg.norm(b), b * jnp.linalg.norm(a)
    return 2 * jnp.arctan2(jnp.linalg.norm(a - b), jnp.linalg.norm(a + b))


def stretched(phi: Float[Array, ""], rho: Float[Array, ""]) -> Float[Array, ""]:
    """2 arctan(√((1+ρ)/(1−ρ))·tan(φ/2)), what becomes of an angle φ at most; π for ρ ≥ 1.

    Example:
        >>> round(float(stretched(jnp.array(jnp.pi / 2), jnp.array(0.6))), 4)  # 2 arctan 2
        2.2143
    """
    shrunk = jnp.sqrt(jnp.maximum(1 - rho, 0)) * jnp.cos(phi / 2)
    return 2 * jnp.arctan2(jnp.sqrt(1 + rho) * jnp.sin(phi / 2), shrunk)


def coefficients(
    x: Float[Array, "n D"], vectors: Float[Array, "copies D"]
) -> Float[Array, "copies n"]:
    """The c of vectors Σ_j c_j x_j, for independent x_j.

    The part of x_j that is orthogonal to all others, which is what Gram-Schmidt makes of it when
    it comes last, sees c_j alone.

    Example:
        >>> x = jnp.array([[1.0, 0.0], [1.0, 1.0]])
        >>> coefficients(x, jnp.array([[3.0, 2.0]])).round(4).tolist()
        [[1.0, 2.0]]
    """

    def own(j):
        return orthonormalise(jnp.roll(x, -j - 1, axis=0).T)[:, -1]

    duals = jax.vmap(own)(jnp.arange(len(x)))
    return (vectors @ duals.T) / jnp.sum(duals * x, axis=1)[None, :]


def trial(settings: Settings, key, own_labels: Choice = False) -> Trial:
    """Measured: min y_j c_mj, and the angle of the copies' Π_P∇N(x). Predicted: 0, the bound above.

    Labels are uniform and have nothing to do with the texts. With ``own_labels`` the second copy
    is trained on a shuffle of them.
    """
    key_scene, key_copies, key_labels = jax.random.split(key, 3)
    scene = draw_scene(settings, key_scene)
    x = scene.x[0]
    other = jnp.where(own_labels, jax.random.permutation(key_labels, scene.y), scene.y)
    labels = jnp.stack([scene.y, other])
    starts = draw_copies(settings, jax.random.split(key_copies, 2))

    def train(start, y):
        one = jax.tree.map(lambda leaf: leaf[None], start)
        trained = train_copies(settings, scene._replace(y=y), one)
        return jax.tree.map(lambda leaf: leaf[0], trained)

    trained = jax.vmap(train)(starts, labels)
    ends = trained.network
    gradients = scene.span.project(jax.vmap(lambda network: jax.grad(network)(x))(ends))
    out = jnp.where(ends.w @ x > 0, ends.u, 0)
    shown = jnp.einsum("mi,mid->md", out, ends.w - starts.w)

    lengths = jnp.linalg.norm(scene.x, axis=1)
    directions = scene.x / lengths[:, None]
    rho = jnp.linalg.norm(directions @ directions.T - jnp.eye(len(lengths)))
    shares = coefficients(scene.x, shown)
    phi = angle(*jnp.abs(shares * lengths[None, :]))
    norms = jnp.linalg.norm(shown, axis=1)
    share = jnp.linalg.norm(gradients - shown, axis=1) / jnp.where(norms > 0, norms, 1)
    # A text on which a copy hardly depends has a coefficient of 0, to rounding of the largest.
    zero = 64 * jnp.finfo(shares.dtype).eps * jnp.max(jnp.abs(shares))
    bound = stretched(phi, rho) + jnp.sum(jnp.arcsin(jnp.minimum(share, 1)))
    differ = jnp.sum(labels[0] != labels[1]).astype(x.dtype)
    return Trial(
        measured={"signs": jnp.min(scene.y[None, :] * shares) + zero, "angle": angle(*gradients)},
        predicted={"signs": jnp.zeros_like(bound), "angle": bound},
        assumptions=assumptions(scene)
        | drawn_apart(starts.w)
        | kept_off_span(scene.span, starts, ends)
        | learned(settings, scene.span, starts, trained)
        | {"same labels": -differ, "ρ < 1": 1 - rho, "ε < 1": 1 - jnp.max(share)},
        given=(norms > 0).all(),
    )


theorem = Theorem(
    name="attribution.shuffled-labels",
    statement="labels uniform, apart from the texts, the same for both copies, trained to the "
    "margin without decay; Π_P∇N_m(x) = Σ_j c_mj x_j + I_m, ρ < 1, ε < 1",
    label="X5",
    provenance="derived",
    claim={
        "signs": AtLeast(says="y_j c_mj ≥ 0 for all texts j and both copies m"),
        "angle": AtMost(
            says="∠(Π_P∇N₁(x), Π_P∇N₂(x)) ≤ "
            "2arctan(√((1+ρ)/(1−ρ))·tan(φ/2)) + arcsin ε₁ + arcsin ε₂"
        ),
    },
    presets={
        "smoke": Settings(tokens=32, samples=4, margin=4.0, steps=3000, trials=20),
        "course": Settings(
            tokens=32, d=16, samples=8, width=100, margin=4.0, steps=3000, trials=135
        ),
        "paper": Settings(
            tokens=64, d=16, samples=16, width=200, margin=4.0, steps=4000, trials=688
        ),
    },
    trial=trial,
    control=Control(
        name="each copy's labels shuffled on their own",
        numbers={"own_labels": True},
    ),
)
