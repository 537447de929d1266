"""Networks with biases on few points of a line or a plane P: what the paper's pictures share.

Everything is trained here, hidden and output weights and both biases, in full dimension. For a
linear P the weights off P are frozen all the same, because ∂L/∂w_i is a combination of the data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from theory import settings as foundation
from theory.boards import Board
from theory.ensemble import ensemble
from theory.networks import MLP, mlp
from theory.settings import Count, Positive
from theory.subspace.flip import first_crossing
from theory.training import train


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """A two-layer ReLU network with biases, trained by full-batch gradient descent."""

    width: Count = 100
    """neurons m"""
    learning_rate: Positive = 0.02
    """step size η"""
    steps: Count = 40_000
    """largest number of training steps"""
    margin: Positive = 0.3
    """stop when every y_j N(x_j) is at least this"""
    factor: Positive = 5.0
    """smaller initialisation: the weights, not the biases, are divided by this"""
    weight_decay: Positive = 0.005
    """L2 regularisation: λ of the penalty (λ/2)·‖all parameters‖²"""

    def __post_init__(self):
        super().__post_init__()
        if self.learning_rate * self.weight_decay >= 1:
            raise ValueError("learning_rate times weight_decay must be below 1, or decay diverges")

    @property
    def remedies(self) -> dict[str, tuple[float, float]]:
        """By method, what the weights are divided by, and λ."""
        return {
            "vanilla": (1.0, 0.0),
            "smaller initialisation": (self.factor, 0.0),
            "L2 regularisation": (1.0, self.weight_decay),
        }


METHODS = tuple(Settings().remedies)


def flip_distances(
    net: MLP, x: Float[Array, "n d"], normal: Float[Array, " d"]
) -> Float[Array, " n"]:
    """The exact distance to the nearest change of sign along ±normal, for a two-layer network.

    Example:
        >>> net = MLP((jnp.eye(2), jnp.array([[1.0, -1.0]])), (jnp.zeros(2), jnp.zeros(1)))
        >>> flip_distances(net, jnp.array([[2.0, 0.5]]), jnp.array([0.0, 1.0])).tolist()
        [1.5]
    """
    (w, u), (b, c) = net.weights, net.biases
    slope = w @ normal
    z = x @ w.T
    z = z + jnp.broadcast_to(b, z.shape)

    along = jax.vmap(first_crossing, in_axes=(0, None, None, None))
    both = jax.vmap(along, in_axes=(None, 0, None, None))
    return both(z, jnp.stack([slope, -slope]), u[0], c[0]).min(axis=0)


def certified_radii(
    net: MLP, x: Float[Array, "n d"], normal: Float[Array, " d"]
) -> Float[Array, " n"]:
    """|N(x)| / (‖u‖₂·‖W normal‖₂): no step along the normal shorter than this changes the sign.

    σ is 1-Lipschitz with or without the bias inside it, and the output bias cancels, so
    |N(x+z) − N(x)| ≤ Σ_i |u_i|·|⟨w_i, z⟩| ≤ ‖u‖₂·‖Wz‖₂.

    Example:
        >>> net = MLP((jnp.eye(2), jnp.array([[1.0, -1.0]])), (jnp.zeros(2), jnp.zeros(1)))
        >>> radii = certified_radii(net, jnp.array([[2.0, 0.5]]), jnp.array([0.0, 1.0]))
        >>> round(float(radii[0]), 3)
        1.061
    """
    w, u = net.weights
    return jnp.abs(net(x)) / (jnp.linalg.norm(u) * jnp.linalg.norm(w @ normal))


def initial_on_a_line(key: Key[Array, ""], width: int) -> MLP:
    """PyTorch's default biases, w_i ~ N(0, I/2) and u_i ~ N(0, 1/width)."""
    key_default, key_w, key_u = jax.random.split(key, 3)
    w = jax.random.normal(key_w, (width, 2)) / 2**0.5
    u = jax.random.normal(key_u, (1, width)) / width**0.5
    return MLP((w, u), mlp(key_default, (2, width, 1)).biases)


def initial_on_a_board(key: Key[Array, ""], width: int) -> MLP:
    """PyTorch's default: w, b ~ U(±1/√3) and u, c ~ U(±1/√width)."""
    return mlp(key, (3, width, 1))


class Fit(NamedTuple):
    """One trained network.

    Attributes:
        network: at the end.
        margin: min_j y_j N(x_j) at the end.
        steps: steps taken.
        drift: ‖W_⊥(T) − c_T W_⊥(0)‖ / ‖W_⊥(0)‖ with W_⊥ the hidden weights along the normal and
            c_T = (1 − ηλ)^T what weight decay leaves of them; 0 where they are frozen.
        flip: distance from each point, along the normal either way, to the nearest change of
            sign; infinite where there is none.
        radius: the certified radius at each point, a lower bound of ``flip``.
    """

    network: MLP
    margin: Float[Array, ""]
    steps: Int[Array, ""]
    drift: Float[Array, ""]
    flip: Float[Array, " n"]
    radius: Float[Array, " n"]


def divided(net: MLP, divisor: Float[Array, ""] | float) -> MLP:
    """The network with its weights, not its biases, divided: a smaller initialisation.

    Example:
        >>> net = divided(MLP((jnp.ones((1, 1)),), (jnp.ones(1),)), 4.0)
        >>> float(net.weights[0][0, 0]), float(net.biases[0][0])
        (0.25, 1.0)
    """
    return net._replace(weights=tuple(w / divisor for w in net.weights))


def fit(settings: Settings, start: MLP, board: Board, divisor, weight_decay) -> Fit:
    """Train from ``start`` with its weights divided, and measure off the hyperplane."""
    start = divided(start, divisor)
    optimizer = optax.chain(
        optax.add_decayed_weights(weight_decay), optax.sgd(settings.learning_rate)
    )
    end = train(
        start, board.x, board.y,
        optimizer=optimizer, steps=settings.steps, margin=settings.margin,
    )  # fmt: skip
    before, after = (net.weights[0] @ board.normal for net in (start, end.network))
    left = (1 - settings.learning_rate * weight_decay) ** end.steps.astype(before.dtype)
    drift = jnp.linalg.norm(after - left * before) / jnp.linalg.norm(before)
    points = board.x, board.normal
    return Fit(
        end.network, end.margin, end.steps, drift,
        flip_distances(end.network, *points), certified_radii(end.network, *points),
    )  # fmt: skip


def trainer(
    settings: Settings, initial: Callable[[Key[Array, ""], int], MLP]
) -> Callable[[Key[Array, ""], Board, str], Fit]:
    """A function of key, board and method that trains all trials; compiled once for all of them.

    Trial i of every board and method starts from one draw, so that their differences are paired.

    Args:
        settings: the settings.
        initial: ``(key, width) -> network`` before any division.

    Returns:
        ``(key, board, method) -> fits``, the first axis of every array being the trial.
    """

    @jax.jit
    def program(keys, board, divisor, weight_decay):
        def member(key):
            start = initial(key, settings.width)
            return fit(settings, start, board, divisor, weight_decay)

        return ensemble(member, keys)

    def train_all(key: Key[Array, ""], board: Board, method: str) -> Fit:
        trials = jnp.arange(settings.trials)
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, trials)
        return jax.device_get(program(keys, board, *settings.remedies[method]))

    return train_all
