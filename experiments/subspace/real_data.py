"""Theorem 4.1 where it holds exactly on real images: P is the span of the training images.

A network trained on n images of d pixels never moves off their span, of dimension r ≤ n, so at
the training images themselves S1, S2 and S3 hold with ℓ = d − r. (A test image is not in P.)
"""

from enum import IntEnum
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
from xarray import Dataset

from experiments.cells import along, every
from experiments.errors import UsageError
from experiments.experiment import Experiment, Progress, Summary
from experiments.subspace.images import Settings, load_problem
from experiments.subspace.images_figure import draw, trained
from theory.claims import Identity, Judgement, Status
from theory.keys import named
from theory.subspace.given import drift_trial, flip_all, trial
from theory.subspace.settings import Settings as Placed
from theory.subspace.theorems import gradient_law, large_gradient
from theory.theorem import WHOLE

LABELS = {"time": ["before", "after"], "part": ["off", "whole"]}
"""Before and after training or the flip; the gradient off the span and the whole gradient."""


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

    def networks(fn, drawn: Drawn, count: int) -> dict[str, np.ndarray]:
        return every(partial(fn, problem.settings))(named(key, drawn), count, problem.data)

    progress(0.1, f"{settings.trials} networks in the span of the images")
    found = networks(trial, Drawn.NETWORKS, settings.trials)
    progress(0.6, f"{settings.full_trials} networks in full dimension")
    full = networks(drift_trial, Drawn.FULL, settings.full_trials)
    progress(0.9, "flipping the images")
    flips = {name: values[0] for name, values in networks(flip_all, Drawn.FLIPPED, 1).items()}
    x, y = np.asarray(problem.data.x), np.asarray(problem.data.y)
    shown, perturbations = _shown(settings, y, flips["distance"]), flips.pop("perturbation")
    progress(1.0, "done")
    data: dict[str, Any] = along(found, "trial", "time", "part") | along(full, "full_trial")
    data |= along(flips, "image", "time")
    for name, values in (("pixels", x), ("perturbation", perturbations)):
        kept = np.full((len(y), *problem.shape), np.nan)
        kept[shown] = (values[shown] / problem.unit).reshape(-1, *problem.shape)
        data[name] = ("image", "row", "column", "colour")[: kept.ndim], kept
    data |= {"norm": ("image", np.linalg.norm(x, axis=-1)), "y": ("image", y)}
    data |= {"d": ((), problem.settings.d), "ell": ((), problem.settings.ell)}
    return Dataset(data, LABELS)


def _shown(settings: Settings, y: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Indices of the images to draw, of either class in turn, among those with a flip."""
    classes = [np.flatnonzero((y == sign) & np.isfinite(distance)) for sign in (-1, 1)]
    turns = [index for pair in zip_longest(*classes) for index in pair if index is not None]
    if not turns:
        raise UsageError("No image flips along its gradient: raise width, or take a new seed.")
    return np.asarray(turns[: settings.pictures])


def summary(data: Dataset, settings: Settings) -> Summary:
    """Verdicts on S1, S2 and S3 at the training images, shares and flips."""
    ell, d = int(data.ell), int(data.d)
    placed, given = Placed(d=d, ell=ell), trained(data)
    epsilon = np.finfo(data["size"].dtype).eps
    # Every step rounds W once, a random walk of steps whose size is about a third of ε·|W|.
    ulps = 64 + 2 * float(np.sqrt(data.steps.max()))
    drift = Identity(ulps=ulps).judge(data.drift.values, data["size"].values, placed)
    law = gradient_law.theorem.parts["norm"].judge(
        given.squared.values, given.squared.values, placed
    )
    bound = given.scale.values * np.sqrt(ell / 2)
    large = large_gradient.theorem.parts[WHOLE].judge(given.off.values, bound, placed)
    flipped = data.isel(image=np.isfinite(data.distance.values))
    first_order = abs(flipped.output.sel(time="before")) / flipped.slope
    reached = data.margin >= settings.margin

    def status(judgement: Judgement) -> Status:
        # They speak of networks that learned their images: of the same image twice none can.
        return judgement.status if reached.all() else "not applicable"

    table = {
        "d": d,
        "ell": ell,
        "networks": given.sizes["trial"],
        "excluded": data.sizes["trial"] - given.sizes["trial"],
        "margin_reached": float(reached.mean()),
        "S1": status(drift),
        "S1_drift_in_epsilons": float((data.drift / data["size"]).max() / epsilon),
        "S2": status(law),
        "S2_p_value": law.detail["p_value"],
        "S2_distance": law.detail["distance"],
        "S2_radius": law.detail["radius"],
        "S3": status(large),
        "S3_delta": large.delta,
        "S3_violations": large.violations,
        "S3_violation_bound": large.violation_bound,
        "share_off_span": float((given.off / given.whole).median()),
        "share_predicted": float(given.predicted.median()),
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
