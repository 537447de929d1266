"""The scene of D1 and D2: a linear model, perhaps bent, a point, and a random subspace."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.attacks.balls import unit
from theory.attacks.restricted import SIDES, follow
from theory.dimples.settings import Subspace
from theory.geometry import orthonormalise
from theory.networks import affine
from theory.sampling import at_cosine
from theory.theorem import Number


class Scene(NamedTuple):
    """Two logits ±f/2 with f(x) = ⟨g, x⟩ + c + ``bend``·Σ_i u_i relu(⟨w_i, x⟩) of 64 neurons.

    Attributes:
        g, c: of the linear part; f > 0 at the point.
        w, u, bend: of the rest.
        x: the point.
        basis: of the subspace, orthonormal columns.
    """

    g: Float[Array, " d"]
    c: Float[Array, ""]
    w: Float[Array, "neurons d"]
    u: Float[Array, " neurons"]
    bend: Float[Array, ""]
    x: Float[Array, " d"]
    basis: Float[Array, "d k"]

    def value(self, x: Float[Array, "n d"]) -> Float[Array, " n"]:
        """f of rows."""
        hidden = jax.nn.relu(x @ self.w.T)
        return x @ self.g + self.c + self.bend * (hidden @ self.u)

    def logits(self, x: Float[Array, "n d"]) -> Float[Array, "n 2"]:
        """f/2 and −f/2."""
        return affine(self.value(x)[:, None], jnp.array([[0.5], [-0.5]]), jnp.zeros(2))

    def distances(self) -> tuple[Float[Array, " 3"], Float[Array, "3 d"]]:
        """How far attacks go anywhere, on the subspace and off it, as `SIDES` are, and where they
        end."""
        x, y = self.x[None], jnp.zeros(1, int)
        found = [follow(self.logits, x, y, self.basis, side) for side in SIDES]
        return (
            jnp.stack([one.distance[0] for one in found]),
            jnp.stack([one.inputs[0] for one in found]),
        )


def draw(
    settings: Subspace, key: Key[Array, ""], cosine: Number = 0.0, bend: Number = 0.0
) -> Scene:
    """A Gaussian gradient and point, and a subspace that is uniform, or leans to the gradient.

    Args:
        settings: d and k.
        key: of all.
        cosine: between the gradient and a vector of the subspace that is not drawn at random; 0
            leaves all of it uniform.
        bend: of the network besides.

    Example:
        >>> scene = draw(Subspace(d=12, k=3), jax.random.key(0))
        >>> bool(scene.value(scene.x[None])[0] > 0), scene.basis.shape
        (True, (12, 3))
    """
    key_g, key_x, key_w, key_u, key_basis, key_off = jax.random.split(key, 6)
    d, k = settings.d, settings.k
    g, x = jax.random.normal(key_g, (d,)), jax.random.normal(key_x, (d,))
    w, u = jax.random.normal(key_w, (64, d)), jax.random.rademacher(key_u, (64,), dtype=g.dtype)
    cosine, bend = jnp.asarray(cosine, g.dtype), jnp.asarray(bend, g.dtype)
    drawn = jax.random.normal(key_basis, (k, d))
    planted = at_cosine(key_off, unit(g[None])[0], cosine)
    drawn = drawn.at[0].set(jnp.where(cosine > 0, planted, drawn[0]))
    basis = orthonormalise(drawn.T)
    start = Scene(g, jnp.zeros(()), w, u / d**0.5, bend, x, basis)
    # The boundary a typical step away: f = ‖g‖/2 at the point.
    return start._replace(c=jnp.linalg.norm(g) / 2 - start.value(x[None])[0])
