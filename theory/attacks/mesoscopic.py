"""Smooth two-layer networks trained on a subspace, and how their gradient off it changes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from theory.attacks.settings import Smooth
from theory.networks import two_layer_relu
from theory.theorem import Number
from theory.training import logistic
from theory.training.full_batch import minimise


class SmoothNetwork(NamedTuple):
    """N(x) = Σ_i u_i σ(⟨w_i, x⟩) with σ' = β + (1 − β)/(1 + e^{−κz}), between β and 1.

    Attributes:
        w, u: hidden and output weights.
        beta, sharpness: β and κ; σ' is (1 − β)κ/4-Lipschitz.

    Example:
        >>> net = SmoothNetwork(jnp.eye(2), jnp.array([1.0, -1.0]), 0.5, 2.0)
        >>> round(float(net(jnp.array([100.0, 0.0]))), 4)
        99.8267
    """

    w: Float[Array, "width d"]
    u: Float[Array, " width"]
    beta: Number
    sharpness: Number

    def __call__(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        z = x @ self.w.T
        soft = jax.nn.softplus(self.sharpness * z) / self.sharpness
        return (self.beta * z + (1 - self.beta) * soft) @ self.u

    def slopes(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch width"]:
        """σ' of every neuron."""
        return self.beta + (1 - self.beta) * jax.nn.sigmoid(self.sharpness * (x @ self.w.T))

    def gradient(self, x: Float[Array, "*batch d"], ell: int) -> Float[Array, "*batch ell"]:
        """The first ℓ entries of ∇N."""
        return (self.slopes(x) * self.u) @ self.w[:, :ell]


class Scene(NamedTuple):
    """A network before and after training. P^⊥ is spanned by the first ℓ axes.

    Attributes:
        x: training points of norm √d in P.
        x0: another one.
        before, after: the network.
        loss: mean logistic loss of the training points before and after.
    """

    x: Float[Array, "samples d"]
    x0: Float[Array, " d"]
    before: SmoothNetwork
    after: SmoothNetwork
    loss: Float[Array, " 2"]


def play(
    settings: Smooth, key: Key[Array, ""], *, positive: bool = False, kept: Number = 1.0
) -> Scene:
    """Draw a scene, and train the hidden layer.

    w_i(0) ~ N(0, I/d) is rotation invariant, so that it loses nothing to let axes span P.

    Args:
        settings: of data, network and training.
        key: a typed JAX key.
        positive: whether all u_i are 1/√m; random signs otherwise.
        kept: what weight decay leaves of W_⊥ in the end; 1 is no decay.

    Example:
        >>> scene = play(Smooth(), jax.random.key(0))
        >>> bool(scene.loss[1] < scene.loss[0]), float(jnp.abs(scene.x[:, :56]).max())
        (True, 0.0)
    """
    key_x, key_y, key_net = jax.random.split(key, 3)
    d, rate = settings.d, 4 / settings.d
    points = jax.random.normal(key_x, (settings.samples + 1, settings.dim))
    points = points * (d**0.5 / jnp.linalg.norm(points, axis=1, keepdims=True))
    points = jnp.pad(points, ((0, 0), (settings.ell, 0)))
    y = jax.random.rademacher(key_y, (settings.samples,), dtype=points.dtype)
    w, u = two_layer_relu(key_net, d, settings.width)
    before = SmoothNetwork(w, jnp.abs(u) if positive else u, settings.beta, settings.sharpness)

    def evaluate(w):
        def objective(w):
            q = y * before._replace(w=w)(points[1:])
            return jnp.mean(logistic(q)), jnp.min(q)

        (loss, margin), gradient = jax.value_and_grad(objective, has_aux=True)(w)
        return loss, margin, gradient

    decay = (1 - kept ** (1 / settings.steps)) / rate
    optimizer = optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate))
    end = minimise(evaluate, w, optimizer, settings.steps, jnp.inf)
    after = before._replace(w=end.params)
    return Scene(points[1:], points[0], before, after, jnp.stack([evaluate(w)[0], end.loss]))


def happened(settings: Smooth, scene: Scene) -> dict[str, Float[Array, ""]]:
    """The margins of what the theorems assume of training.

    Example:
        >>> settings = Smooth()
        >>> margins = happened(settings, play(settings, jax.random.key(0), kept=0.8))
        >>> [name for name, margin in margins.items() if margin < 0]
        ['W_⊥ as drawn']
    """
    start, end = (net.w[:, : settings.ell] for net in (scene.before, scene.after))
    off = jnp.linalg.norm(end - start) / jnp.linalg.norm(start)
    return {
        "W_⊥ as drawn": 1e3 * jnp.finfo(off.dtype).eps - off,
        "loss fell by a fiftieth": 0.98 - scene.loss[1] / scene.loss[0],
    }


def smoother(settings: Smooth, net: SmoothNetwork) -> Float[Array, ""]:
    """The margin of "σ′ is L-Lipschitz", L as the settings say: σ′ is steepest at 0.

    Example:
        >>> sharp = SmoothNetwork(jnp.eye(2), jnp.ones(2), 0.5, 6.0)
        >>> float(smoother(Smooth(beta=0.5, sharpness=2.0), sharp))
        -0.5
    """
    return settings.smoothness - (1 - settings.beta) * jnp.asarray(net.sharpness) / 4


def change(
    net: SmoothNetwork, x: Float[Array, " d"], v: Float[Array, " ell"]
) -> Float[Array, " ell"]:
    """Π_{P^⊥}(∇N(x + v) − ∇N(x)), by differences of slopes, for v in P^⊥.

    Example:
        >>> scene = play(Smooth(), jax.random.key(0))
        >>> float(jnp.abs(change(scene.after, scene.x0, jnp.zeros(56))).max())
        0.0
    """
    ell = len(v)
    moved = x.at[:ell].add(v)
    return ((net.slopes(moved) - net.slopes(x)) * net.u) @ net.w[:, :ell]


def worst_change(
    net: SmoothNetwork,
    x: Float[Array, " d"],
    radius: Number,
    v: Float[Array, " ell"],
    rounds: int = 20,
) -> Float[Array, ""]:
    """The largest ‖Π_{P^⊥}(∇N(x + v) − ∇N(x))‖ that ascent finds among ‖v‖ = R from a start.

    Each round follows the gradient of the squared change to the sphere, a power iteration where
    the change is linear in v. It proves nothing from above.

    Example:
        >>> scene = play(Smooth(), jax.random.key(0))
        >>> v = jnp.ones(56)
        >>> start = jnp.linalg.norm(change(scene.after, scene.x0, v / jnp.linalg.norm(v)))
        >>> bool(worst_change(scene.after, scene.x0, 1.0, v) > start)
        True
    """

    def squared(v):
        return jnp.sum(change(net, x, v) ** 2)

    def on_sphere(v):
        norm = jnp.linalg.norm(v)
        return radius * v / jnp.where(norm > 0, norm, 1)

    def follow(carry, _):
        v, best = carry
        value, slope = jax.value_and_grad(squared)(v)
        return (on_sphere(slope), jnp.maximum(best, value)), None

    v = on_sphere(v)
    (v, best), _ = jax.lax.scan(follow, (v, squared(v)), length=rounds)
    return jnp.sqrt(jnp.maximum(best, squared(v)))
