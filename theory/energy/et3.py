"""ET3: normalised steps down the energy, in a ball and a box, then the classifier as it was.

Source: Mirza et al. (arXiv 2603.26984), with the order of its published code: step, box, ball, box.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.attacks.balls import Ball, Norm, Rows, unit
from theory.attacks.checks import check_attack, check_box, prepared_inputs
from theory.attacks.survivors import Split, as_tree, split
from theory.checks import check_number
from theory.energy.directions import Direction, slope_of

Backward = Literal["unrolled", "identity"]
"""What the gradient of a defended classifier takes the transformation for: itself, or none."""


def moved(
    slope: Callable[[Rows], Rows],
    ball: Ball,
    step_size: Float[Array, ""] | float,
    steps: int,
    normalised: bool = True,
) -> Rows:
    """The centres of a ball after steps along a slope; traceable and differentiable.

    Args:
        slope: to follow from rows.
        ball: to stay in, with its box.
        step_size: α.
        steps: T.
        normalised: whether a step is α·g/‖g‖₂, as in the code; α·g, as in the paper's text, if not.

    Example:
        >>> ball = Ball(jnp.zeros((1, 2)), 1.0, "l2", None)
        >>> along = jnp.array([[3.0, 4.0]])
        >>> [moved(lambda x: along, ball, size, 1).round(2).tolist() for size in (0.5, 9.0)]
        [[[0.3, 0.4]], [[0.6, 0.8]]]
    """

    def one(_, x):
        gradient = slope(x)
        step = unit(gradient) if normalised else gradient
        # Drawn towards a centre in the box, a point of the box stays in it.
        return ball.project(ball.clip(x + jnp.asarray(step_size, x.dtype) * step))

    return jax.lax.fori_loop(0, steps, one, ball.centre)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Defended:
    """A classifier behind ET3, itself a ``logits`` function that can be attacked.

    Attributes:
        logits, radius, step_size, steps, norm, box, normalised: as of `et3`. A radius of 0 is the
            classifier alone, by the same program.
        guide: logits whose energy is followed, those of a larger set of labels; ``logits`` if None.
        backward: what its gradient takes the transformation for. The values are the same.

    Raises:
        ValueError: another norm or backward, steps that are no count; and when it is called, for a
            radius, step size or box that cannot be, in a pytree whose leaves need not be numbers.

    Example:
        >>> one = Defended(lambda x: x * jnp.array([[2.0, 1.0]]), 0.3, 0.3)
        >>> one(jnp.array([[0.4, 0.5]])).argmax(1).tolist()
        [0]
    """

    logits: Callable[[Any], Any]
    radius: Any
    step_size: Any
    steps: int = field(default=2, metadata={"static": True})
    norm: Norm = field(default="l2", metadata={"static": True})
    box: Any = (0.0, 1.0)
    normalised: bool = field(default=True, metadata={"static": True})
    guide: Callable[[Any], Any] | None = None
    backward: Backward = field(default="unrolled", metadata={"static": True})

    def __post_init__(self):
        check_attack(eps=0.0, norm=self.norm, steps=self.steps)
        if self.backward not in get_args(Backward):
            raise ValueError(
                f"backward is {self.backward!r} and must be one of {get_args(Backward)}"
            )

    def transform(self, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """Inputs after ET3; they are not looked at.

        Raises:
            ValueError: for a radius, step size or box that cannot be.

        Example:
            >>> one = Defended(lambda x: x * jnp.array([[2.0, 1.0]]), 0.3, 0.3, steps=1)
            >>> one.transform(jnp.array([[0.4, 0.5]])).round(2).tolist()
            [[0.68, 0.6]]
        """
        check_number("radius", self.radius)
        check_number("step_size", self.step_size)
        check_box(self.box)
        return _transformed(self, x, "energy", None)

    def __call__(self, x: Float[Array, "n ..."]) -> Float[Array, "n classes"]:
        after = self.transform(x)
        if self.backward == "identity":  # x − x adds nothing but its derivative
            after = jax.lax.stop_gradient(after) + (x - jax.lax.stop_gradient(x))
        return self.logits(after)

    def alone(self) -> "Defended":
        """The classifier without the defence."""
        return replace(self, radius=jnp.zeros_like(jnp.asarray(self.radius)))


def _transformed(by: Defended, x, direction: Direction, key):
    rows = x.reshape(len(x), -1)
    ball = Ball(rows, by.radius, by.norm, by.box)
    guide = by.logits if by.guide is None else by.guide
    slope = slope_of(direction, lambda rows: guide(rows.reshape(x.shape)), rows, key)
    after = moved(slope, ball, by.step_size, by.steps, by.normalised)
    # The ball measures by differences, and that of two infinities is NaN.
    whole = jnp.all(jnp.isfinite(rows), axis=1, keepdims=True)
    return jnp.where(whole, after, rows).reshape(x.shape)


@partial(jax.jit, static_argnames=("rest", "direction"))
def _program(arrays, x, key, *, rest, direction):
    by: Any = Split(arrays, rest).whole()
    return _transformed(by, x, direction, key)


def et3(
    logits: Callable[[Any], Any],
    x: Any,
    radius: Any,
    step_size: Any,
    steps: int = 2,
    norm: Norm = "l2",
    *,
    box: tuple[float, float] | None = (0.0, 1.0),
    normalised: bool = True,
    direction: Direction = "energy",
    key: Key[Array, ""] | None = None,
) -> Float[Array, "n ..."]:
    """Move inputs down the energy of a classifier, E = −log Σ_k exp z_k.

    Deterministic, with no early stop, compiled once per shape, and differentiable. Rows that are
    not finite, or whose gradient is 0 or not finite, as where a logit is NaN, stay where they are.

    Args:
        logits: as of `theory.attacks.apgd`, any JAX function of a batch by rows.
        x: inputs ``(n, ...)``, floating-point.
        radius: ε, how far an input may move.
        step_size: α, the length of a step in L2, whatever the norm of the ball.
        steps: T.
        norm: "l2", as for classifiers, or "linf", as the code has it for CLIP.
        box: lowest and highest value of an input; None for no box.
        normalised: whether steps have length α, as in the code; α·‖∇E‖, as in the text, if not.
        direction: what is followed; others than the energy are controls.
        key: of the direction "random", which needs one.

    Returns:
        The inputs to classify, in the ball and the box.

    Raises:
        ValueError: for inputs or options that cannot be.

    Source: Mirza et al. (arXiv 2603.26984), Section 3, and its code, whose settings are α = 2.5,
        ε = 5, T = 5 on ImageNet; the code adds 1e-12 to ‖∇E‖, so that small gradients do not move.

    Example:
        >>> from theory.energy import energy
        >>> x = jnp.array([[0.4, 0.5]])
        >>> steep = lambda x: x * jnp.array([[2.0, 1.0]])
        >>> after = et3(steep, x, radius=0.3, step_size=0.3, steps=1)
        >>> bool(energy(steep(after))[0] < energy(steep(x))[0])
        True
    """
    x, _ = prepared_inputs(logits, x, box)
    check_number("radius", radius, positive=True)
    check_number("step_size", step_size, positive=True)
    if direction not in get_args(Direction):
        raise ValueError(f"direction is {direction!r} and must be one of {get_args(Direction)}")
    if direction == "random" and key is None:
        raise ValueError("the direction 'random' needs a key")
    by = Defended(as_tree(logits), radius, step_size, steps, norm, box, normalised)
    parts = split(by)
    return _program(parts.arrays, x, key, rest=parts.rest, direction=direction)
