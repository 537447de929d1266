"""Gradient ascent and other ways to forget, against training again without the forgotten images.

Every member of the ensemble draws the images that stay and an initialisation, trains, trains again
from the same start without the images to forget, which all members share, and forgets by every
method. Networks are compared at the scale at which their smallest retained margin is one: that of
the KKT conditions, at which the size of the margins tells an attacker nothing. Where a retained
image is misclassified there is no such scale: then distances and ε count as infinite, which a
median admits, and the member takes no part in what is said of margins; the table says how many.

Intervals are over networks, for the few images that are forgotten. Another seed forgets others, and
what membership inference finds depends on the image: compare seeds before ranking methods.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.errors import UsageError
from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import finite
from experiments.unlearning.baselines_figure import (
    GAPS,
    MEDIANS,
    METHODS,
    ORIGINAL,
    RETRAINED,
    column,
    counted,
    draw,
    membership,
    spread,
)
from experiments.unlearning.images import Problem, Settings, load_problem, training_set
from theory.ensemble import ensemble
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.unlearning.baselines import BASELINES
from theory.unlearning.certificate import angle, certificate
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import kkt
from theory.unlearning.margin import train_to_large_margin
from theory.unlearning.retrain import retrain

ROUNDING = 1e-6
"""By which a measured ε, δ or τ may exceed its bound: what `kkt` leaves, in units of ‖θ‖."""

REPEATS = 3
"""Every method is timed so often; the fastest counts."""


def trial(settings: Settings, problem: Problem, key) -> dict[str, Array]:
    """One member: all networks of `METHODS` and what there is to see of them."""
    start, x, y = _draw(settings, problem, key)
    forget = tuple(range(settings.forget))
    trained = train_to_large_margin(start, x, y, settings.margin)
    net = trained.network
    explained = kkt(net, x, y)
    proof = certificate(net, x, y, forget, explained=explained)
    networks = (
        net,
        retrain(start, x, y, forget, settings.margin).network,
        gradient_ascent(net, x, y, forget, explained=explained),
        proof.network,
        *(method(net, x, y, forget) for method in BASELINES.values()),
    )
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    retained = x[settings.forget :], y[settings.forget :]
    scales = jax.lax.map(lambda net: jnp.min(retained[1] * net(retained[0])), stacked)

    def measure(case):
        net, scale = case
        scale = jnp.where(scale > 0, scale, jnp.nan)
        w = net.w / scale

        def compare(reference):
            target = stacked.w[reference] / scales[reference]
            distance = jnp.linalg.norm(w - target) / jnp.linalg.norm(target)
            return distance, 1 - angle(net.w, target)

        margins = y * net(x)
        right = (margins > 0).astype(x.dtype)
        (distance, cosine), (proof_distance, proof_cosine) = (
            compare(METHODS.index(name)) for name in ("retrained", "certificate")
        )
        return {
            "distance": distance,
            "cosine": cosine,
            "certificate_distance": proof_distance,
            "certificate_cosine": proof_cosine,
            "forget_margins": margins[: settings.forget] / scale,
            "forget_accuracy": jnp.mean(right[: settings.forget]),
            "retain_accuracy": jnp.mean(right[settings.forget :]),
            "test_accuracy": jnp.mean((problem.y_test * net(problem.x_test) > 0).astype(x.dtype)),
            "epsilon": kkt(net, *retained).stationarity,
        }

    return jax.lax.map(measure, (stacked, scales)) | {
        "margin": trained.margin,
        "multipliers": explained.multipliers,
        "norm": jnp.linalg.norm(net.w) / explained.scale,
        "proof": jnp.stack([proof.epsilon, proof.delta, proof.tau]),
        "bound": jnp.stack([proof.bound.epsilon, proof.bound.delta, proof.bound.tau]),
    }


def _draw(settings: Settings, problem: Problem, key) -> tuple[TwoLayerReLU, Array, Array]:
    """What is random in a member: its initialisation and its training set."""
    key_net, key_data = jax.random.split(key)
    x, y = training_set(settings, problem, key_data)
    d = x.shape[1]
    return two_layer_relu(key_net, d, settings.width, settings.scale * d**-0.5), x, y


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Load the images, train and unlearn all networks, then time every method on one of them.

    Returns:
        What `trial` measures, per network and method; ``seconds`` per method, which alone differs
        from run to run; ``d``, the dimension of the images.

    Raises:
        UsageError: there are no such images, or a network does not learn them.
    """
    progress(0.0, f"loading {settings.dataset}")
    key_data, key_trials = (jax.random.fold_in(key, i) for i in range(2))
    problem = load_problem(settings, key_data)
    keys = jax.random.split(key_trials, settings.trials)
    progress(0.1, f"{settings.trials} networks and {len(METHODS)} ways to forget")
    # The images are an argument: XLA would spend its time multiplying constants at compile time.
    program = jax.jit(
        lambda keys, problem: ensemble(lambda key: trial(settings, problem, key), keys)
    )
    arrays = jax.device_get(program(keys, problem))
    check_trained(arrays)
    progress(0.9, "timing")
    seconds = _seconds(settings, problem, keys[0])
    progress(1.0, "done")
    return arrays | {"seconds": seconds, "d": np.asarray(problem.forgotten.shape[1])}


def check_trained(arrays: Arrays) -> None:
    """Without unlearning every network must classify every retained image.

    Raises:
        UsageError: otherwise.
    """
    if not all(counted(arrays, method).all() for method in (ORIGINAL, RETRAINED)):
        raise UsageError("A network does not learn its training images: raise width or scale.")


def _seconds(settings: Settings, problem: Problem, key) -> Float[np.ndarray, " methods"]:
    """Seconds of every method on one network, compiling not counted.

    Gradient ascent and the certificate include the search for the multipliers.
    """
    forget = tuple(range(settings.forget))
    start, x, y = jax.jit(lambda problem, key: _draw(settings, problem, key))(problem, key)

    def train(net):
        return train_to_large_margin(net, x, y, settings.margin).network

    original, net = _timed(train, start)
    retrained, _ = _timed(lambda net: retrain(net, x, y, forget, settings.margin).network, start)
    multipliers, explained = _timed(lambda net: kkt(net, x, y), net)
    steps = [
        _timed(lambda net, e, f=f: f(net, x, y, forget, explained=e), net, explained)[0]
        for f in (gradient_ascent, certificate)
    ]
    others = [_timed(lambda net, f=f: f(net, x, y, forget), net)[0] for f in BASELINES.values()]
    return np.array([original, retrained, *(multipliers + step for step in steps), *others])


def _timed(fn: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    """The fastest of a few runs of a compiled function, and its value."""
    compiled = jax.jit(fn).lower(*args).compile()
    times, value = [], None
    for _ in range(REPEATS):
        begin = time.perf_counter()
        value = jax.block_until_ready(compiled(*args))
        times.append(time.perf_counter() - begin)
    return min(times), value


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """The table of all methods, and whether the certificate keeps what its guarantee promises.

    Lists run over ``methods``; ``*_low`` and ``*_high`` are 95 % intervals over the networks, None
    where there is no number. Gaps are means, to the network retrained from the same start; the
    other columns are medians.
    ``membership_auc`` has one list per method, of the images forgotten; ``attack`` is the mean over
    them of the larger of the area and its complement. ``membership_spread_auc`` is the area of the
    attacker who looks at deviations from the median retrained margin.
    """
    worst, violations = {}, 0
    for i, name in enumerate(("epsilon", "delta", "tau")):
        measured, bound = arrays["proof"][:, i], arrays["bound"][:, i]
        worst[name] = float(np.max(measured / bound))
        slack = ROUNDING * (1 if name == "tau" else arrays["norm"])
        violations += int(np.sum(~(measured <= bound + slack)))
    areas = [membership(arrays, i) for i in range(len(METHODS))]
    spreads = [spread(arrays, i) for i in range(len(METHODS))]
    out: dict[str, Any] = {
        "d": int(arrays["d"]),
        "margin_reached": float(np.mean(arrays["margin"] >= settings.margin)),
        "norm": float(np.mean(arrays["norm"])),
        "multipliers_forgotten": finite(arrays["multipliers"][:, : settings.forget].mean(axis=0)),
        "multipliers_median": float(np.median(arrays["multipliers"].mean(axis=0))),
        "certificate_worst_ratio": max(worst.values()),
        "certificate_worst_ratios": worst,
        "certificate_violations": violations,
        "certificate_bounds": finite(np.median(arrays["bound"], axis=0)),
        "methods": list(METHODS),
        "networks_misclassifying_retained": [
            int((~counted(arrays, i)).sum()) for i in range(len(METHODS))
        ],
        "membership_auc": [finite(area.centre) for area in areas],
        "membership_auc_low": [finite(np.maximum(area.low, 0)) for area in areas],
        "membership_auc_high": [finite(np.minimum(area.high, 1)) for area in areas],
        "attack": finite([np.mean(np.maximum(a.centre, 1 - a.centre)) for a in areas]),
        "membership_spread_auc": [finite(area.centre) for area in spreads],
        "seconds": finite(arrays["seconds"]),
    }
    for name in (*MEDIANS, *GAPS):
        intervals = [column(arrays, name, i) for i in range(len(METHODS))]
        out[name] = finite([interval.centre for interval in intervals])
        out[f"{name}_low"] = finite([interval.low for interval in intervals])
        out[f"{name}_high"] = finite([interval.high for interval in intervals])
    return out


experiment = Experiment(
    name="unlearning.baselines",
    title="Gradient ascent and seven baselines against retraining, on images",
    label="Definition of successful unlearning",
    provenance="derived",
    presets={
        "smoke": Settings(trials=4, samples=10, width=50),
        "course": Settings(),
        "paper": Settings(dataset="mnist", samples=40, margin=1000.0, trials=128),
    },
    run=run,
    draw=draw,
    summary=summary,
)
