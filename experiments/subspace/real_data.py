"""Theorem 4.1 where it holds exactly on real images: P is the span of the training images.

A network trained on n images of d pixels never moves off their span, of dimension r ≤ n, so at
the training images themselves S1, S2 and S3 hold with ℓ = d − r. (A test image is not in P.)
"""

from enum import IntEnum

import jax
import numpy as np
from xarray import Dataset

from experiments.errors import UsageError
from experiments.experiment import Experiment, Progress, Summary
from experiments.subspace.images import Problem, Settings, load_problem
from experiments.subspace.images_figure import draw, predicted_share, squared
from theory.claims import Identity
from theory.ensemble import ensemble
from theory.keys import named
from theory.subspace.given import drift_trial, flip_all, trial
from theory.subspace.settings import Settings as Placed
from theory.subspace.theorems import gradient_law, large_gradient
from theory.theorem import WHOLE


class Drawn(IntEnum):
    """What keys are for."""

    IMAGES = 0
    NETWORKS = 1
    FULL = 2
    FLIPPED = 3


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Load the images, train the networks, flip the images.

    Returns:
        What `given.trial` measures over ``trial``, `given.drift_trial` over ``full_trial``, and
        `given.flip_all` over ``image``; ``pixels`` and ``perturbation`` in units of pixels, NaN but
        for the images that are drawn; ``d`` and ``ell``.
    """
    progress(0.0, f"loading {settings.dataset}")
    problem = load_problem(settings, named(key, Drawn.IMAGES))
    progress(0.1, f"{settings.trials} networks in the span of the images")
    found = _over_networks(trial, problem, named(key, Drawn.NETWORKS), settings.trials)
    progress(0.6, f"{settings.full_trials} networks in full dimension")
    full = _over_networks(drift_trial, problem, named(key, Drawn.FULL), settings.full_trials)
    progress(0.9, "flipping the images")
    flips = _over_networks(flip_all, problem, named(key, Drawn.FLIPPED), 1)
    flips = {name: values[0] for name, values in flips.items()}
    x, y = np.asarray(problem.data.x), np.asarray(problem.data.y)
    shown = _shown(settings, y, flips["distance"])
    pictures = {"pixels": x, "perturbation": flips.pop("perturbation")}
    progress(1.0, "done")
    data = {name: (DIMS["trial"][: values.ndim], values) for name, values in found.items()}
    data |= {name: (DIMS["full"][: values.ndim], values) for name, values in full.items()}
    data |= {name: (DIMS["image"][: values.ndim], values) for name, values in flips.items()}
    for name, values in pictures.items():
        kept = np.full((len(y), *problem.shape), np.nan)
        kept[shown] = (values[shown] / problem.unit).reshape(-1, *problem.shape)
        data[name] = DIMS["picture"][: kept.ndim], kept
    data |= {"norm": ("image", np.linalg.norm(x, axis=-1)), "y": ("image", y)}
    data |= {"d": ((), problem.settings.d), "ell": ((), problem.settings.ell)}
    return Dataset(data, LABELS)


DIMS = {
    "trial": ("trial", "time", "part"),
    "full": ("full_trial",),
    "image": ("image", "time"),
    "picture": ("image", "row", "column", "colour"),
}
LABELS = {"time": ["before", "after"], "part": ["off", "whole"]}
"""Before and after training or the flip; the gradient off the span and the whole gradient."""


def _over_networks(fn, problem: Problem, key, count: int) -> dict[str, np.ndarray]:
    # The data is an argument: XLA would spend its time multiplying constants at compile time.
    program = jax.jit(
        lambda keys, data: ensemble(lambda key: fn(problem.settings, data, key), keys)
    )
    return jax.device_get(program(jax.random.split(key, count), problem.data))


def _shown(settings: Settings, y: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Indices of the images to draw, of either class in turn, among those with a flip."""
    classes = [np.flatnonzero((y == sign) & np.isfinite(distance)) for sign in (-1, 1)]
    turns = [
        classes[i % 2][i // 2] for i in range(settings.samples) if i // 2 < classes[i % 2].size
    ]
    if not turns:
        raise UsageError(
            "No image can be flipped along its gradient: raise width, or take a new seed."
        )
    return np.asarray(turns[: settings.pictures])


def summary(data: Dataset, settings: Settings) -> Summary:
    """Verdicts on S1, S2 and S3 at the training images, shares and flips."""
    ell, d = int(data.ell), int(data.d)
    placed, values = Placed(d=d, ell=ell), squared(data)
    # Every step rounds W once, a random walk of steps whose size is about a third of ε·|W|.
    ulps = 64 + 2 * float(np.sqrt(data.steps.max()))
    drift = Identity(ulps=ulps).judge(data.drift.values, data["size"].values, placed)
    law = gradient_law.theorem.parts["norm"].judge(values, values, placed)
    given = data.isel(trial=data.scale.values > 0)
    off, whole = (given.gradient.sel(time="after", part=part).values for part in ("off", "whole"))
    bound = given.scale.values * np.sqrt(ell / 2)
    large = large_gradient.theorem.parts[WHOLE].judge(off, bound, placed)
    flipped = data.isel(image=np.isfinite(data.distance.values))
    first_order = abs(flipped.output.sel(time="before")) / flipped.slope
    table = {
        "d": d,
        "ell": ell,
        "networks": given.sizes["trial"],
        "excluded": data.sizes["trial"] - given.sizes["trial"],
        "margin_reached": float(np.mean(data.margin >= settings.margin)),
        "S1": drift.status,
        "S1_drift_in_epsilons": float((data.drift / data["size"]).max())
        / np.finfo(data["size"].dtype).eps,
        "S2": law.status,
        "S2_p_value": law.detail["p_value"],
        "S2_distance": law.detail["distance"],
        "S2_radius": law.detail["radius"],
        "S3": large.status,
        "S3_delta": large.delta,
        "S3_violations": large.violations,
        "S3_violation_bound": large.violation_bound,
        "share_off_span": float(np.median(off / whole)),
        "share_predicted": float(np.median(predicted_share(data))),
        "share_of_a_random_direction": float(np.sqrt(ell / d)),
        "images_flipped": flipped.sizes["image"],
        "images_without_flip": data.sizes["image"] - flipped.sizes["image"],
        "flip_over_norm": float((flipped.distance / flipped.norm).median()),
        "flip_over_first_order": float((flipped.distance / first_order).median()),
    }
    return Summary(tables=table)


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
