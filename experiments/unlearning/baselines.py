"""Gradient ascent and other ways to forget, against training again without the forgotten images.

Every member of the ensemble draws the images that stay and an initialisation, trains, trains again
from the same start without the images to forget, which all members share, and forgets by every
method. Networks are compared as in `theory.unlearning.comparison`. Where a retained image is
misclassified, distances and ε count as infinite, which a median admits, and the member takes no
part in what is said of margins; the table says how many.

Intervals are over networks, for the few images that are forgotten. Another seed forgets others, and
what membership inference finds depends on the image: compare seeds before ranking methods.
"""

from enum import IntEnum
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from xarray import Dataset

from experiments.cells import every, labelled
from experiments.errors import UsageError
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.estimates import finite, numbers
from experiments.timing import timed
from experiments.unlearning.baselines_figure import columns, counted, draw, membership
from experiments.unlearning.guarantee import worst_ratios
from experiments.unlearning.images import Method, Problem, Settings, load_problem, training_set
from theory.keys import named
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.unlearning.baselines import BASELINES
from theory.unlearning.certificate import QUANTITIES, certificate, quantities
from theory.unlearning.comparison import compared
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import kkt
from theory.unlearning.margin import train_to_large_margin
from theory.unlearning.retrain import retrain

ROUNDING = 1e-6
"""By which a measured ε, δ or τ may exceed its bound: what `kkt` leaves, in units of ‖θ‖."""


class Drawn(IntEnum):
    """What is random; numbers the keys."""

    IMAGES = 0
    NETWORKS = 1


def trial(settings: Settings, problem: Problem, key) -> dict[str, Array]:
    """One member: all networks and what there is to see of them."""
    start, x, y = _draw(settings, problem, key)
    forget = tuple(range(settings.forget))
    trained = train_to_large_margin(start, x, y, settings.margin)
    net = trained.network
    explained = kkt(net, x, y)
    proof = certificate(net, x, y, forget, explained=explained)
    references = {
        "": retrain(start, x, y, forget, settings.margin).network,
        "certificate_": proof.network,
    }
    ways = (_forget(method, forget, net, x, y, explained) for method in settings.methods)
    networks = jax.tree.map(lambda *leaves: jnp.stack(leaves), net, references[""], *ways)

    def measure(net):
        right = (problem.y_test * net(problem.x_test) > 0).astype(x.dtype)
        return compared(net, x, y, settings.forget, references) | {"test_accuracy": jnp.mean(right)}

    return jax.lax.map(measure, networks) | {
        "reached": trained.margin,
        "multipliers": explained.multipliers,
        "norm": jnp.linalg.norm(net.w) / explained.scale,
        "certificate": quantities(proof),
        "bound": quantities(proof.bound),
    }


def _forget(method: Method, forget: tuple[int, ...], net, x, y, explained) -> Any:
    """The network after one way to forget, of which two know the multipliers."""
    if method == "gradient ascent":
        return gradient_ascent(net, x, y, forget, explained=explained)
    if method == "certificate":
        return certificate(net, x, y, forget, explained=explained).network
    return BASELINES[method](net, x, y, forget)


def _draw(settings: Settings, problem: Problem, key) -> tuple[TwoLayerReLU, Array, Array]:
    """What is random in a member: its initialisation and its training set."""
    key_net, key_data = jax.random.split(key)
    x, y = training_set(settings, problem, key_data)
    d = x.shape[1]
    return two_layer_relu(key_net, d, settings.width, settings.scale * d**-0.5), x, y


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Load the images, train and unlearn all networks, then time every method on one of them.

    Returns:
        What `trial` measures, over trial and method; ``seconds`` by method, which alone differs
        from run to run; ``d``, the dimension of the images.

    Raises:
        UsageError: there are no such images, or a network does not learn them.
    """
    progress(0.0, f"loading {settings.dataset}")
    problem, drawn = load_problem(settings, named(key, Drawn.IMAGES)), named(key, Drawn.NETWORKS)
    methods = ("original", "retrained", *settings.methods)
    progress(0.1, f"{settings.trials} networks and {len(methods)} ways to forget")
    images = [f"image {i + 1}, class {settings.classes[i % 2]}" for i in range(settings.forget)]
    others = dict.fromkeys(("certificate", "bound"), {"quantity": QUANTITIES})
    others |= {"reached": {}, "norm": {}, "multipliers": {"point": range(settings.samples)}}
    arrays = every(partial(trial, settings))(drawn, settings.trials, problem)
    data = labelled(arrays, {"method": methods, "image": images}, others)
    check_trained(data)
    progress(0.9, "timing")
    seconds = _seconds(settings, problem, jax.random.split(drawn, settings.trials)[0])
    progress(1.0, "done")
    timed = "method", [seconds[method] for method in methods]
    return data.assign(seconds=timed, d=problem.forgotten.shape[1])


def check_trained(data: Dataset) -> None:
    """Without unlearning every network must classify every retained image.

    Raises:
        UsageError: otherwise.
    """
    if not counted(data).sel({"method": ["original", "retrained"]}).all():
        raise UsageError("A network does not learn its training images: raise width or scale.")


def _seconds(settings: Settings, problem: Problem, key) -> dict[str, float]:
    """Seconds of every method on one network, compiling not counted.

    Gradient ascent and the certificate include the search for the multipliers.
    """
    forget = tuple(range(settings.forget))
    start, x, y = jax.jit(lambda problem, key: _draw(settings, problem, key))(problem, key)
    margin = settings.margin

    def train_again(start):
        return retrain(start, x, y, forget, margin).network

    _, first, trained = timed(lambda start: train_to_large_margin(start, x, y, margin), start)
    net, seconds = trained.network, {"original": first, "retrained": timed(train_again, start)[1]}
    _, search, explained = timed(kkt, net, x, y)
    for method in settings.methods:
        _, step, _ = timed(partial(_forget, method, forget), net, x, y, explained)
        seconds[method] = step if method in BASELINES else search + step
    return seconds


def summary(data: Dataset, settings: Settings) -> Summary:
    """The table of all methods, and whether the certificate keeps what its guarantee promises.

    Numbers of a method are medians, of ``gap`` means, and areas with their 95 % intervals over the
    networks, None where there is none. ``membership_auc`` is by image forgotten; ``attack`` is the
    mean over images of the larger of the area and its complement; ``membership_spread_auc`` is of
    the attacker who looks at deviations from the median retrained margin.
    """
    size = data.norm.where(data.quantity != "tau", 1)
    broken = ~(data.certificate <= data.bound + ROUNDING * size)
    worst, areas = worst_ratios(data), membership(data)
    attack = np.maximum(areas.centre, 1 - areas.centre).mean("image")
    tables = {
        "d": int(data.d),
        "margin_reached": float((data.reached >= settings.margin).mean()),
        "norm": float(data.norm.mean()),
        "multipliers_forgotten": finite(data.multipliers[:, : settings.forget].mean("trial")),
        "multipliers_median": float(data.multipliers.mean("trial").median()),
        "certificate_worst_ratio": max(worst.values()),
        "certificate_worst_ratios": worst,
        "certificate_violations": int(broken.sum()),
        "certificate_bounds": numbers(data.bound.median("trial"), None),
        "networks_misclassifying_retained": numbers((~counted(data)).sum("trial"), None),
        "membership_auc": numbers(areas, None),
        "attack": numbers(attack, None),
        "membership_spread_auc": numbers(membership(data, deviations=True).centre, None),
        "seconds": numbers(data.seconds, None),
    }
    return Summary(tables=tables | {name: numbers(v, None) for name, v in columns(data).items()})


experiment = Experiment(
    name="unlearning.baselines",
    title="Gradient ascent and seven baselines against retraining, on images",
    label="Definition of successful unlearning",
    provenance="derived",
    presets={
        "smoke": Settings(
            methods=("gradient ascent", "SCRUB"), trials=3, samples=6, width=20, test=50
        ),
        "course": Settings(),
        "paper": Settings(dataset="mnist", samples=40, margin=1000.0, trials=128),
    },
    run=run,
    draw=draw,
    summary=summary,
)
