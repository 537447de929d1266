"""Linear predictors and fully connected ReLU networks, on vectors."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.checks import as_floats, check_dimension


class _Vector(NamedTuple):
    w: Float[Array, " d"]


class Linear(_Vector):
    """The linear predictor N(x) = ⟨w, x⟩.

    Attributes:
        w: weights (d,); one row or one column of them, as a layer of PyTorch or Flax has, is taken
            for that.

    Raises:
        ValueError: these are no weights of such a predictor.

    Example:
        >>> float(Linear(jnp.array([1.0, 2.0]))(jnp.array([3.0, 4.0])))
        11.0
    """

    def __new__(cls, w: Any):
        w = as_floats("w", w)
        if w.ndim == 2 and 1 in w.shape:
            w = w.reshape(-1)
        if w.ndim != 1:
            raise ValueError(f"w has shape {w.shape}: give the weights of a predictor, (d,).")
        return super().__new__(cls, w)

    def __call__(self, x: Any) -> Float[Array, "*batch"]:
        x = as_floats("x", x)
        check_single(self, 1)
        check_dimension(self.w.shape[-1], x)
        return x @ self.w


def check_single(network: Any, axes: int) -> None:
    """Refuse copies of a network, whose weights have more axes than one has.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_single(TwoLayerReLU(jnp.ones((3, 2, 2)), jnp.ones((3, 2))), 2)
        Traceback (most recent call last):
        ...
        ValueError: The TwoLayerReLU has more axes than one network, weights of shape (3, 2, 2): ...
    """
    if network.w.ndim != axes:
        raise ValueError(
            f"The {type(network).__name__} has more axes than one network, weights of shape "
            f"{network.w.shape}: map over copies by jax.vmap."
        )


class _Layers(NamedTuple):
    w: Float[Array, "width d"]
    u: Float[Array, " width"]


class TwoLayerReLU(_Layers):
    """The two-layer network N(x) = Σ_i u_i σ(⟨w_i, x⟩), σ = ReLU, without biases.

    Attributes:
        w: hidden weights (width, d), one row per neuron; with an axis in front, copies. Columns,
            as Flax has them, are taken for rows where the number of output weights tells them.
        u: output weights (width,); one row or one column of them is taken for that.

    Raises:
        ValueError: these are no weights of such a network, or might be of two.

    Example:
        >>> net = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0]))
        >>> float(net(jnp.array([3.0, -4.0])))
        3.0
        >>> TwoLayerReLU([[1, 2, 3], [4, 5, 6]], [[1], [-1], [1]]).w.shape  # kernels of Flax
        (3, 2)
    """

    def __new__(cls, w: Any, u: Any):
        w, u = as_floats("w", w), as_floats("u", u)
        wider = max(w.dtype, u.dtype, key=lambda kind: kind.itemsize)
        w, u = w.astype(wider), u.astype(wider)
        if w.ndim > 2 and u.shape == w.shape[:-1]:
            return super().__new__(cls, w, u)
        column = u.ndim == 2 and u.shape[1] == 1 != u.shape[0]
        if u.ndim == 2 and 1 in u.shape:
            u = u.reshape(-1)
        if w.ndim != 2 or u.ndim != 1 or len(u) not in w.shape:
            raise ValueError(
                f"w has shape {w.shape} and u has shape {u.shape}: give hidden weights (width, d) "
                "and output weights (width,), one for each row."
            )
        if column and w.shape[0] == w.shape[1]:
            raise ValueError(
                f"w has shape {w.shape} and u is a column, as in Flax, whose w has a neuron in "
                "each column: give w (its transpose, if it is of Flax) with u of shape (width,)."
            )
        return super().__new__(cls, w if len(u) == w.shape[0] else w.T, u)

    def __call__(self, x: Any) -> Float[Array, "*batch"]:
        x = as_floats("x", x)
        check_single(self, 2)
        check_dimension(self.w.shape[-1], x)
        return jax.nn.relu(x @ self.w.T) @ self.u


# A pytree's leaves may be anything, an axis or a name: it is put together again unchecked.
for _network in (Linear, TwoLayerReLU):
    jax.tree_util.register_pytree_with_keys(
        _network,
        lambda net: (
            [(jax.tree_util.GetAttrKey(name), getattr(net, name)) for name in net._fields],
            None,
        ),
        lambda _, leaves, network=_network: network._make(leaves),
        lambda net: (tuple(net), None),
    )


def affine(
    x: Float[Array, "*batch d"], weight: Float[Array, "outputs d"], bias: Float[Array, " outputs"]
) -> Float[Array, "*batch outputs"]:
    """W x + b for every row.

    Raises:
        ValueError: weights that do not take x, or a bias that has not one number for each output.

    Example:
        >>> affine(jnp.ones((1, 2)), jnp.eye(2), jnp.array([0.0, 1.0])).tolist()
        [[1.0, 2.0]]
    """
    if weight.shape[-1] != x.shape[-1]:
        raise ValueError(
            f"A layer of shape {weight.shape} takes {weight.shape[-1]} numbers and is given "
            f"{x.shape[-1]}: give weights (outputs, inputs), the transpose of Flax's kernels."
        )
    if weight.ndim != 2 or jnp.shape(bias) != weight.shape[:1]:
        raise ValueError(
            f"A layer has weights {weight.shape} and a bias {jnp.shape(bias)}: give (outputs, "
            "inputs) and (outputs,), and call copies of a network by jax.vmap."
        )
    h = x @ weight.T
    return h + jnp.broadcast_to(bias, h.shape)


class MLP(NamedTuple):
    """A fully connected ReLU network with biases; as a function, the first of its outputs.

    Attributes:
        weights: one ``(width_out, width_in)`` matrix per layer.
        biases: one ``(width_out,)`` vector per layer.

    Example:
        >>> net = mlp(jax.random.key(0), (3, 16, 1))
        >>> net(jnp.zeros((5, 3))).shape
        (5,)
    """

    weights: tuple[Float[Array, "_ _"], ...]
    biases: tuple[Float[Array, " _"], ...]

    def __call__(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return self.preactivations(x)[-1][..., 0]

    def preactivations(self, x: Float[Array, "*batch d"]) -> tuple[Float[Array, "*batch _"], ...]:
        """What every layer gives before its ReLU; the last layer has none and gives the outputs.

        Example:
            >>> net = mlp(jax.random.key(0), (3, 16, 10))
            >>> [h.shape for h in net.preactivations(jnp.zeros((5, 3)))]
            [(5, 16), (5, 10)]
        """
        layers = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            layers.append(affine(x, weight, bias))
            x = jax.nn.relu(layers[-1])
        return tuple(layers)

    def logits(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch _"]:
        """All outputs.

        Example:
            >>> mlp(jax.random.key(0), (3, 16, 10)).logits(jnp.zeros((5, 3))).shape
            (5, 10)
        """
        return self.preactivations(x)[-1]


def two_layer_relu(
    key: Key[Array, ""], d: int, width: int, scale: float | None = None
) -> TwoLayerReLU:
    """Draw the theory's network: w_i ~ N(0, σ² I_d) and u_i = ±1/√width, uniform signs.

    Args:
        key: a typed JAX key.
        d: input dimension.
        width: number of neurons m.
        scale: the standard deviation σ of the hidden weights; 1/√d when None.

    Returns:
        The network, in JAX's default float type.

    Example:
        >>> net = two_layer_relu(jax.random.key(0), d=1000, width=400)
        >>> net.w.shape, round(float(jnp.sum(net.u**2)), 3)
        ((400, 1000), 1.0)
    """
    key_w, key_u = jax.random.split(key)
    sigma = d**-0.5 if scale is None else scale
    w = sigma * jax.random.normal(key_w, (width, d))
    u = jax.random.rademacher(key_u, (width,), dtype=w.dtype) * width**-0.5
    return TwoLayerReLU(w, u)


def mlp(key: Key[Array, ""], widths: tuple[int, ...]) -> MLP:
    """Draw an MLP with the default initialisation of PyTorch's linear layers, U(±1/√fan_in).

    Args:
        key: a typed JAX key.
        widths: input dimension, hidden widths and output dimension, in order.

    Example:
        >>> net = mlp(jax.random.key(0), (2, 100, 1))
        >>> [w.shape for w in net.weights]
        [(100, 2), (1, 100)]
    """
    weights, biases = [], []
    for layer, (fan_in, fan_out) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        key_w, key_b = jax.random.split(jax.random.fold_in(key, layer))
        bound = fan_in**-0.5
        weights.append(jax.random.uniform(key_w, (fan_out, fan_in), minval=-bound, maxval=bound))
        biases.append(jax.random.uniform(key_b, (fan_out,), minval=-bound, maxval=bound))
    return MLP(tuple(weights), tuple(biases))
