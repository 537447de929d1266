"""Theorem 4.1 where it holds exactly on real images: P is the span of the training images.

A network trained on n images of d pixels never moves off their span, of dimension r ≤ n, so at
the training images themselves S1, S2 and S3 hold with ℓ = d − r. (A test image is not in P.)
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from experiments.errors import UsageError
from experiments.experiment import Arrays, Experiment, Progress
from experiments.subspace.flips import flips_along_gradient
from experiments.subspace.images import Data, Problem, Settings, load_problem
from experiments.subspace.images_figure import draw, predicted_share, squared
from theory.claims import Identity
from theory.ensemble import ensemble
from theory.networks import two_layer_relu
from theory.subspace import settings as subspace
from theory.subspace.gradient import gradient_scale, off_subspace_gradient
from theory.subspace.scene import Scene, train_scene
from theory.subspace.theorems import gradient_law, large_gradient
from theory.training import hidden_layer_only, train

PAST = 1 + 1e-3
"""A flip is shown this far past the distance at which the output is exactly 0."""


def _scene(settings: subspace.Settings, data: Data, key, which) -> Scene:
    """The data with a fresh network, to be looked at from the training image ``which``."""
    network = two_layer_relu(key, settings.d, settings.width, settings.sigma)
    return Scene(data.subspace, data.x, data.y, data.x[which], network)


def trial(settings: subspace.Settings, data: Data, key) -> dict[str, Float[Array, ""]]:
    """One network, seen from one training image of its own, before and after training.

    A single image per network keeps the trials independent, as the verdicts need.
    """
    key_image, key_net = jax.random.split(key)
    scene = _scene(settings, data, key_net, jax.random.randint(key_image, (), 0, len(data.y)))
    trained = train_scene(settings, scene)

    def measure(net):
        gradient = jax.grad(lambda point: net(point))(scene.x0)
        off = off_subspace_gradient(net, scene.x0, data.subspace.basis)
        return jnp.linalg.norm(off), jnp.linalg.norm(gradient)

    off, whole = measure(trained.network)
    off_start, whole_start = measure(scene.network)
    return {
        "off": off,
        "whole": whole,
        "scale": gradient_scale(trained.network, scene.x0, settings.sigma),
        "off_start": off_start,
        "whole_start": whole_start,
        "margin": trained.margin,
    }


def drift_trial(settings: subspace.Settings, data: Data, key) -> dict[str, Float[Array, ""]]:
    """Train one network in full dimension: how far W moves on P, and off P.

    ``drift`` is the largest entry of Π_{P^⊥}(W(T) − W(0)), ``size`` that of W(T).
    """
    start = _scene(settings, data, key, 0).network
    trained = train(
        start,
        data.x,
        data.y,
        optimizer=hidden_layer_only(optax.sgd(settings.rate)),
        steps=settings.steps,
        margin=settings.margin,
    )
    end = trained.network
    step = end.w - start.w
    off = data.subspace.reject(step)
    return {
        "moved_on": jnp.linalg.norm(data.subspace.project(step)),
        "moved_off": jnp.linalg.norm(off),
        "drift": jnp.max(jnp.abs(off)),
        "size": jnp.max(jnp.abs(end.w)),
        "steps": trained.steps,
    }


def flip_all(
    settings: subspace.Settings, data: Data, key
) -> dict[str, Float[Array, "samples ..."]]:
    """Train one network and flip every training image along its own off-span gradient."""
    scene = _scene(settings, data, key, 0)
    net = train_scene(settings, scene).network
    flips = flips_along_gradient(net, data.x, data.subspace.basis)
    found = jnp.isfinite(flips.distance)
    step = PAST * jnp.where(found, flips.distance, 0)[:, None] * flips.direction
    return {
        "distance": flips.distance,
        "perturbation": step,
        "before": net(data.x),
        "after": net(data.x + step),
        "slope": flips.gradient,
    }


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Load the images, train the networks, flip the images.

    Returns:
        What `trial` and `drift_trial` measure, per network; ``distance``, ``slope``, ``before``,
        ``after``, ``norm`` and ``y``, per training image; of those drawn, ``shown`` (indices),
        ``pixels`` and ``perturbation``, in pixels; ``d`` and ``ell``.
    """
    progress(0.0, f"loading {settings.dataset}")
    key_data, key_trials, key_drift, key_flip = (jax.random.fold_in(key, i) for i in range(4))
    problem = load_problem(settings, key_data)
    progress(0.1, f"{settings.trials} networks in the span of the images")
    arrays = _over_networks(trial, problem, key_trials, settings.trials)
    progress(0.6, f"{settings.full_trials} networks in full dimension")
    arrays |= _over_networks(drift_trial, problem, key_drift, settings.full_trials)
    progress(0.9, "flipping the images")
    one = _over_networks(flip_all, problem, key_flip, 1)
    flips = {name: values[0] for name, values in one.items()}
    perturbation = flips.pop("perturbation")
    shown = _shown(settings, problem, flips["distance"])
    pixels = np.asarray(problem.data.x)[shown] / problem.unit
    progress(1.0, "done")
    arrays |= {
        "norm": np.linalg.norm(problem.data.x, axis=-1),
        "shown": shown,
        "pixels": pixels.reshape(-1, *problem.shape),
        "perturbation": (perturbation[shown] / problem.unit).reshape(-1, *problem.shape),
        "y": np.asarray(problem.data.y),
        "d": np.asarray(problem.settings.d),
        "ell": np.asarray(problem.settings.ell),
    }
    return arrays | flips


def _over_networks(fn, problem: Problem, key, count: int) -> Arrays:
    # The data is an argument: XLA would spend its time multiplying constants at compile time.
    program = jax.jit(
        lambda keys, data: ensemble(lambda key: fn(problem.settings, data, key), keys)
    )
    return jax.device_get(program(jax.random.split(key, count), problem.data))


def _shown(settings: Settings, problem: Problem, distance: np.ndarray) -> np.ndarray:
    """Indices of the images to draw, of either class in turn, among those with a flip."""
    y = np.asarray(problem.data.y)
    classes = [np.flatnonzero((y == sign) & np.isfinite(distance)) for sign in (-1, 1)]
    turns = [
        classes[i % 2][i // 2] for i in range(settings.samples) if i // 2 < classes[i % 2].size
    ]
    if not turns:
        raise UsageError(
            "No image can be flipped along its gradient: raise width, or take a new seed."
        )
    return np.asarray(turns[: settings.pictures])


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """Verdicts on S1, S2 and S3 at the training images, shares and flips."""
    ell, d = int(arrays["ell"]), int(arrays["d"])
    placed = subspace.Settings(d=d, ell=ell)
    values = squared(arrays)
    given = arrays["scale"] > 0
    # Every step rounds W once, a random walk of steps whose size is about a third of ε·|W|.
    ulps = 64 + 2 * float(np.sqrt(arrays["steps"].max()))
    drift = Identity(ulps).judge(arrays["drift"], arrays["size"], placed)
    law = gradient_law.theorem.claim.judge(values, values, placed)
    bound = arrays["scale"][given] * np.sqrt(ell / 2)
    large = large_gradient.theorem.claim.judge(arrays["off"][given], bound, placed)
    found = np.isfinite(arrays["distance"])
    flips = arrays["distance"][found]
    share = arrays["off"][given] / arrays["whole"][given]
    return {
        "d": d,
        "ell": ell,
        "networks": int(given.sum()),
        "excluded": int((~given).sum()),
        "margin_reached": float(np.mean(arrays["margin"] >= settings.margin)),
        "S1": drift.status,
        "S1_drift_in_epsilons": float(
            np.max(arrays["drift"] / arrays["size"]) / np.finfo(arrays["size"].dtype).eps
        ),
        "S2": law.status,
        "S2_p_value": law.detail["p_value"],
        "S2_distance": law.detail["distance"],
        "S2_radius": law.detail["radius"],
        "S3": large.status,
        "S3_delta": large.delta,
        "S3_violations": large.violations,
        "S3_violation_bound": large.violation_bound,
        "share_off_span": float(np.median(share)),
        "share_predicted": float(np.median(predicted_share(arrays))),
        "share_of_a_random_direction": float(np.sqrt(ell / d)),
        "images_flipped": int(found.sum()),
        "images_without_flip": int((~found).sum()),
        "flip_over_norm": float(np.median(flips / arrays["norm"][found])),
        "flip_over_first_order": float(
            np.median(flips * arrays["slope"][found] / np.abs(arrays["before"][found]))
        ),
    }


experiment = Experiment(
    name="subspace.real-data",
    title="Networks trained on images have large gradients off the images' span",
    label="Theorem 4.1 on images",
    provenance="paper",
    presets={
        "smoke": Settings(trials=60, full_trials=3),
        "course": Settings(),
        "paper": Settings(dataset="mnist", samples=200, width=100, trials=688),
    },
    run=run,
    draw=draw,
    summary=summary,
)
