"""Where the worst case of H3 is looked for: any inputs, targets, start and mask of a layer."""

import jax
import numpy as np
from jaxtyping import Array, Key

from theory.healing.masks import apply_masks, smallest_of_rows
from theory.healing.ridge_descent import QUARTER, SOLVED, Layer, Settings, compare
from theory.theorem import Search, Trial


def start(settings: Settings, key: Key[Array, ""]) -> dict[str, Array]:
    """Inputs, targets, weights to begin with, and scores of which the smallest are pruned.

    Example:
        >>> scene = start(Settings(d=4, width=2, samples=1), jax.random.key(0))
        >>> {name: leaf.shape for name, leaf in scene.items()}
        {'x': (1, 4), 'z': (1, 2), 'w': (2, 4), 'scores': (2, 4)}
    """
    n, d, width = settings.samples, settings.d, settings.width
    shapes = {"x": (n, d), "z": (n, width), "w": (width, d), "scores": (width, d)}
    keys = jax.random.split(key, len(shapes))
    return {
        name: jax.random.normal(key, shape)
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


def trial(settings: Settings, scene: dict[str, Array]) -> Trial:
    """`theory.healing.ridge_descent.compare` of one layer."""
    mask = smallest_of_rows(scene["scores"], settings.pruned)
    return compare(settings, Layer(scene["x"], scene["z"], apply_masks(scene["w"], mask), mask))


def check(settings: Settings, scene: dict[str, np.ndarray]) -> Trial:
    """The same in NumPy, an output at a time: W* by elimination, Π from singular vectors."""
    x, gone = scene["x"], int(settings.pruned * settings.d)
    ridge = settings.ridge * np.sum(x**2)
    rate = 1 / (np.sum(x**2) + ridge)
    left = seen_not = apart = 0.0
    for z, w, scores in zip(scene["z"].T, scene["w"], scene["scores"], strict=True):
        kept = np.sort(np.argsort(scores)[gone:])
        x_kept, first = x[:, kept], w[kept]
        best = np.linalg.solve(x_kept.T @ x_kept + ridge * np.eye(len(kept)), x_kept.T @ z)
        now = first
        for _ in range(settings.steps):
            now = now - rate * (x_kept.T @ (x_kept @ now - z) + ridge * now)
        rows = np.linalg.svd(x_kept)[2][: len(x)]
        left += np.sum((now - best) ** 2)
        seen_not += np.sum((first - rows.T @ (rows @ first)) ** 2)
        apart += np.sum((first - best) ** 2)
    shrunk = (1 - rate * ridge) ** settings.steps
    return Trial(
        {"lower": np.sqrt(left), "upper": np.sqrt(left)},
        {"lower": shrunk * np.sqrt(seen_not), "upper": shrunk * np.sqrt(apart)},
        {
            "λ > 0": ridge,
            "W* solves its equations where the mask is 1": SOLVED,
            "W* is 0 where the mask is": 0.0,
            "a quarter of the weights pruned": gone / settings.d - QUARTER,
            "fewer inputs than weights left": settings.d - gone - len(x) - 1,
        },
    )


ridge_descent = Search(Settings(d=8, width=2, samples=2, steps=5), start, trial, check)
