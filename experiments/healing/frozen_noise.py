"""How much of a mask is decided by frozen noise: magnitude against activations, on data in P.

Two-layer ReLU networks are trained on inputs from a subspace P spanned by d − ℓ of d coordinate
axes, which leaves the weights off P as they were drawn, N(0, σ²). A mask then prunes a share s: by
magnitude, of the whole layer or of every row, or by Wanda's |W_ij|·‖X_j‖ of every row.

Exact (H4): Wanda prunes the weights off P first. They are min(1, (ℓ/d)/s) of what it prunes, the
network on P is the dense one for ℓ/d ≥ s, and no decision on P depends on the noise. The control
turns the coordinates: the same networks and data, but P is no longer spanned by axes.

What magnitude does is approximated in `frozen_noise_expected`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from experiments.experiment import Arrays, Experiment, Progress
from experiments.healing.frozen_noise_expected import (
    LAYER,
    MASKS,
    ROTATED,
    ROWS,
    WANDA,
    Settings,
    expectations,
    shares,
)
from experiments.healing.frozen_noise_figure import draw
from experiments.plots.estimates import mean_interval
from theory.ensemble import ensemble
from theory.geometry import orthonormalise
from theory.healing.masks import apply_masks, magnitude, smallest, smallest_of_rows, wanda
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.training import train_in_span


def trial(settings: Settings, ell, key) -> dict[str, Array]:
    """One network at ℓ = ``ell``, which may be traced; what every mask does to it.

    Returns:
        ``moved`` τ/σ; ``size`` the mean of N² at test points; ``margin`` reached; and of shape
        (sparsities, masks): ``off`` the share of the pruned weights that are off P, ``flips`` the
        share of the decisions on P that differ when the noise is redrawn, ``change``
        ‖N_pruned − N‖/‖N‖ over test points, with one more column for the rotated P.
    """
    key_p, key_x, key_rule, key_net, key_again, key_turn = jax.random.split(key, 6)
    d, n = settings.d, settings.samples
    on = jnp.argsort(jax.random.uniform(key_p, (d,))) >= ell
    points = jnp.where(on[None, :], jax.random.normal(key_x, (2 * n, d)), 0)
    points = points * (d**0.5 / jnp.linalg.norm(points, axis=1, keepdims=True))
    y = jnp.where(points @ jax.random.normal(key_rule, (d,)) > 0, 1.0, -1.0).astype(points.dtype)
    x, test = points[:n], points[n:]
    sigma = settings.scale * d**-0.5
    trained = train_in_span(
        two_layer_relu(key_net, d, settings.width, sigma),
        x,
        y[:n],
        optimizer=optax.sgd(4 / d),
        steps=settings.steps,
        margin=settings.margin,
    )
    w, u = trained.network
    again = two_layer_relu(key_again, d, settings.width, sigma).w
    redrawn = jnp.where(on[None, :], w, again)
    turn = orthonormalise(jax.random.normal(key_turn, (d, d)))
    dense = trained.network(test)

    def share(chosen, among):
        return jnp.sum(chosen & among[None, :]) / jnp.maximum(jnp.sum(chosen), 1)

    def change(weights, mask, inputs):
        pruned = TwoLayerReLU(apply_masks(weights, mask), u)
        return jnp.linalg.norm(pruned(inputs) - dense) / jnp.linalg.norm(dense)

    def at(sparsity):
        def masks(w):
            return jnp.stack(
                [
                    smallest(magnitude(w), sparsity),
                    smallest_of_rows(magnitude(w), sparsity),
                    smallest_of_rows(wanda(w, x), sparsity),
                ]
            )

        before, after = jax.lax.map(masks, jnp.stack([w, redrawn]))
        turned = smallest_of_rows(wanda(w @ turn.T, x @ turn.T), sparsity)
        decisions = settings.width * jnp.sum(on)
        return {
            "off": jnp.stack([share(mask == 0, ~on) for mask in before]),
            "flips": jnp.sum((before != after) & on[None, None, :], axis=(1, 2)) / decisions,
            "change": jnp.stack(
                [
                    *(change(w, mask, test) for mask in before),
                    change(w @ turn.T, turned, test @ turn.T),
                ]
            ),
        }

    found = [at(sparsity) for sparsity in settings.sparsities]
    return jax.tree.map(lambda *parts: jnp.stack(parts), *found) | {
        "moved": jnp.sqrt(jnp.mean(jnp.mean(w**2, axis=0), where=on)) / sigma,
        "size": jnp.mean(dense**2),
        "margin": trained.margin,
    }


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """All networks; arrays of shape (ells, trials, ...)."""
    program = jax.jit(lambda ell, keys: ensemble(lambda key: trial(settings, ell, key), keys))
    found = []
    for i, ell in enumerate(settings.ells):
        progress(i / len(settings.ells), f"{settings.trials} networks with ℓ = {ell}")
        keys = jax.random.split(jax.random.fold_in(key, i), settings.trials)
        found.append(jax.device_get(program(jnp.array(ell), keys)))
    progress(1.0, "done")
    return {name: np.stack([part[name] for part in found]) for name in found[0]}


def _intervals(names: tuple[str, ...], values: np.ndarray) -> dict[str, list[float]]:
    return {name: mean_interval(values[:, j]).rounded() for j, name in enumerate(names)}


def _furthest(values: np.ndarray, expected: list[float]) -> float:
    return float(np.abs(values.mean(axis=1) - expected).max())


def _percent(values: np.ndarray) -> str:
    interval = mean_interval(100 * values)
    return f"{interval.centre:.1f} ± {interval.high - interval.centre:.1f} %"


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By sparsity s: what masks do at the first ℓ with ℓ/d ≥ s, or the last; in words, too.

    ``furthest`` is the largest distance of a mean over networks from what was expected of it.
    """
    ratios = shares(settings)
    out: dict[str, Any] = {"sentences": [], "margin_min": float(arrays["margin"].min())}
    for i, sparsity in enumerate(settings.sparsities):
        theory = expectations(arrays, settings, sparsity)
        at = int(np.argmax(ratios >= sparsity)) if ratios[-1] >= sparsity else len(ratios) - 1
        off, change, flips = (arrays[what][:, :, i] for what in ("off", "change", "flips"))
        out[f"s = {sparsity:g}"] = {
            "ell_over_d": float(ratios[at]),
            "off": _intervals(MASKS, off[at]),
            "change": _intervals((*MASKS, ROTATED), change[at]),
            "flips": _intervals(MASKS, flips[at]),
            "expected": theory[at]._asdict(),
            "furthest": {
                "off": _furthest(off[..., LAYER], [one.off for one in theory]),
                "flips": _furthest(flips[..., ROWS], [one.flips[ROWS] for one in theory]),
                "change": {
                    name: _furthest(change[..., j], [one.change[name] for one in theory])
                    for j, name in ((LAYER, MASKS[LAYER]), (WANDA, MASKS[WANDA]), (3, ROTATED))
                },
            },
        }
        out["sentences"].append(
            f"s = {sparsity:g}, ℓ/d = {ratios[at]:.2g}: on P magnitude changes N by "
            f"{_percent(change[at, :, LAYER])}, Wanda by at most {change[at, :, WANDA].max():.2g}, "
            f"and by {_percent(change[at, :, -1])} if P is rotated. Redrawing the frozen noise "
            f"flips {_percent(flips[at, :, ROWS])} of the decisions on P of magnitude by rows, "
            f"{_percent(flips[at, :, LAYER])} of those by layer, and at most "
            f"{flips[at, :, WANDA].max():.2g} of Wanda's."
        )
    return out


experiment = Experiment(
    name="healing.frozen-noise",
    title="Magnitude reads frozen noise, activations do not",
    label="H4",
    provenance="derived",
    presets={
        "smoke": Settings(d=20, ells=(5, 10, 15), width=20, samples=20, steps=300, trials=6),
        "course": Settings(),
        "paper": Settings(
            d=120, ells=(12, 24, 36, 48, 60, 72, 84, 90, 96, 108), width=100, samples=120, trials=96
        ),
    },
    run=run,
    draw=draw,
    summary=summary,
)
