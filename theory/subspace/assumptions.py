"""What must hold of data, weights and training, measured: the assumptions of the theorems here."""

from math import inf

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from theory.geometry import off_by_rounding
from theory.subspace.scene import Scene, batch_loss, descent
from theory.subspace.settings import Settings
from theory.training import Trained, apply_update, initial_state


def decay_error(
    optimizer: optax.GradientTransformation, w: Float[Array, "*shape"], kept, steps: int = 2
) -> Float[Array, ""]:
    """How far steps without a gradient take weights from ``kept`` of them a step, relative.

    Momentum in which decay is left shows from the second step on.

    Example:
        >>> step = descent(Settings(d=8, ell=4, weight_decay=0.5))
        >>> [round(float(decay_error(step, jnp.ones(3), kept)), 4) for kept in (0.75, 1.0)]
        [0.0, 0.4375]
    """
    end, state = w, initial_state(optimizer, w)
    for _ in range(steps):
        end, state = apply_update(optimizer, jnp.zeros_like(w), state, end)
    return jnp.linalg.norm(end - kept**steps * w) / jnp.linalg.norm(w)


MOVED = 0.02
"""Training counts as training where it moves the weights on P by this share of their norm."""

STANDARD_ERRORS = 6
"""An average of a trial is as assumed within so many: once in 10⁹ trials it is not by chance."""


def assumptions(
    settings: Settings, scene: Scene, trained: Trained, kept: Float[Array, ""] | float = 1.0
) -> dict[str, Float[Array, ""]]:
    """The margins of what every theorem here assumes of its data, weights and training.

    Args:
        settings: what is believed; the margin that training was to reach, or else steps alone.
        scene: as believed.
        trained: its network after training.
        kept: what decay alone leaves of the weights on P, which counts as no move.

    Example:
        >>> from jax.random import key
        >>> from theory.subspace.scene import draw_scene, train_scene
        >>> settings = Settings(d=58, ell=48, weight_decay=0.1)
        >>> scene = draw_scene(settings, key(0))
        >>> margins = assumptions(settings, scene, train_scene(settings, scene))
        >>> [name for name, margin in margins.items() if margin < 0]
        ['no weight decay', 'margin reached']
    """
    start, end = scene.network, trained.network
    rounding = off_by_rounding(scene.x)
    step = scene.subspace.project(end.w - kept * start.w)
    moved = jnp.linalg.norm(step) / jnp.linalg.norm(scene.subspace.project(start.w))
    variance = jnp.mean(start.w**2) / settings.sigma**2
    margins = {
        "training points in P": rounding - jnp.max(scene.subspace.off_share(scene.x)),
        "x₀ in P": rounding - scene.subspace.off_share(scene.x0),
        "no weight decay": rounding - decay_error(descent(settings), start.w, 1.0),
        "W(0) of variance σ²": STANDARD_ERRORS * (2 / start.w.size) ** 0.5 - jnp.abs(variance - 1),
        "moved on P by a fiftieth": moved - MOVED,
    }
    if settings.margin < inf:
        return margins | {"margin reached": trained.margin - settings.margin}
    fell = trained.loss / batch_loss(scene, start)
    return margins | {"loss fell by a tenth": 0.9 - fell}


def stated_decay(
    settings: Settings, used: Settings, scene: Scene, trained: Trained
) -> dict[str, Float[Array, ""]]:
    """`assumptions` where training decays weights on purpose, as the theorem says.

    Args:
        settings: what is believed, with the decay that is stated.
        used: what training really took.
        scene: as believed.
        trained: its network after training.

    Example:
        >>> from jax.random import key
        >>> from theory.subspace.scene import draw_scene, train_scene, with_decay_factor
        >>> settings = with_decay_factor(Settings(d=58, ell=48), 0.5)
        >>> scene = draw_scene(settings, key(0))
        >>> margins = stated_decay(settings, settings, scene, train_scene(settings, scene))
        >>> [name for name in margins if "leaves" in name or "decay" in name]
        ['a step leaves 1 − ηλ of W']
    """
    w = scene.network.w
    margins = assumptions(settings, scene, trained, kept=left_by_decay(settings, trained))
    del margins["no weight decay"]
    wrong = decay_error(descent(used), w, settings.decay_factor)
    return margins | {"a step leaves 1 − ηλ of W": off_by_rounding(w) - wrong}


def left_by_decay(settings: Settings, trained: Trained) -> Float[Array, ""]:
    """c_T = (1−ηλ)^T, what decay alone leaves of the weights after the steps taken."""
    return settings.decay_factor ** trained.steps.astype(trained.margin.dtype)


def smallest(*margins: dict[str, Float[Array, ""]]) -> dict[str, Float[Array, ""]]:
    """The margins of several networks by name, of each the smallest.

    Example:
        >>> float(smallest({"a": jnp.ones(())}, {"a": jnp.zeros(())})["a"])
        0.0
    """
    found = {}
    for name, margin in (pair for one in margins for pair in one.items()):
        found[name] = jnp.minimum(found.get(name, margin), margin)
    return found


def rows_uncorrelated(scene: Scene) -> Float[Array, ""]:
    """The margin of "rows of W_⊥ uncorrelated": ℓ times their mean squared cosine is near 1.

    The squared cosines of independent rows are uncorrelated and of mean 1/ℓ, variance below 2/ℓ².

    Example:
        >>> from jax.random import key
        >>> from theory.subspace.scene import draw_scene, parallel_rows
        >>> scene = draw_scene(Settings(d=58, ell=48), key(0))
        >>> [bool(rows_uncorrelated(s) >= 0) for s in (scene, parallel_rows(scene))]
        [True, False]
    """
    off = scene.subspace.reject(scene.network.w)
    unit = off / jnp.linalg.norm(off, axis=-1, keepdims=True)
    m = len(unit)
    pairs = m * (m - 1) / 2
    mean = (jnp.sum((unit @ unit.T) ** 2) - m) / (2 * pairs)
    ell = scene.subspace.ell
    return 1 + STANDARD_ERRORS * (2 / pairs) ** 0.5 - ell * mean
