"""What shape and choice of the pruned weights do to healing.

Single weights, two or one of every four, or whole neurons are removed; the weights that go are the
smallest, within a layer or of all, those that Wanda finds least used, or any.

Of a neuron that is removed the row of weights and the bias go. Its state is 0 then and stays so,
and the cosine with the dense state is that of the kept coordinates times a factor that the mask
and the image fix: aligning whole states aligns the kept coordinates, rows weighted by the factor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

from experiments.experiment import Arrays, Experiment, Progress
from experiments.healing.arms import ARMS, Aligned, Arm, hidden
from experiments.healing.comparison import (
    ACCURACY,
    compare,
    evaluate,
    members,
    on_test,
    repeated,
    summarise,
)
from experiments.healing.curves import SHOWN, dots, errors_across
from experiments.healing.dense import CalibratedSettings, dense_mlps, draw_calibration, load
from experiments.healing.pruning import check_sparsities, percent
from experiments.plots.comparison import in_words
from experiments.plots.estimates import mean_interval, share_interval
from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, STYLE, VERMILION
from theory.healing.corrections import fold_neurons
from theory.healing.masks import (
    magnitude,
    n_of_m,
    random_scores,
    smallest,
    smallest_of_all,
    smallest_of_rows,
    wanda,
)
from theory.networks import MLP


def next_preactivations(net: MLP, x: Array) -> tuple[Array, ...]:
    """What the next layers make of the hidden states, logits included."""
    return net.preactivations(x)[1:]


FOLD = Arm("neurons folded", closed=lambda dense, net, masks, x: fold_neurons(dense, masks, x))
NEXT = Arm("STARFISH, next pre-activations", Aligned(next_preactivations))
COMPARED = (*(arm for arm in ARMS if arm.name in SHOWN), NEXT, FOLD)
NAMES = tuple(arm.name for arm in COMPARED)

CRITERIA = {
    "magnitude, by layer": (BLUE, "o"),
    "magnitude, of all": (GREEN, "s"),
    "magnitude, by row": (PURPLE, "v"),
    "Wanda": (VERMILION, "D"),
    "random": (ORANGE, "^"),
}


@dataclass(frozen=True)
class Settings(CalibratedSettings):
    """Networks pruned in several structures, by several criteria."""

    unstructured: tuple[float, ...] = (0.75, 0.9)
    """shares of single weights pruned"""
    neurons: tuple[float, ...] = (0.5, 0.75)
    """shares of neurons pruned"""

    def __post_init__(self):
        super().__post_init__()
        for name in ("unstructured", "neurons"):
            if getattr(self, name):
                check_sparsities(name, getattr(self, name))


Masker = Callable[[MLP, Array, Array], MLP]
"""``masks(net, x, key)`` from a network and its calibration images."""


def _mlp(weights: Any, biases: Any) -> MLP:
    return MLP(weights, biases)


def _single(choose: Callable[[list[Array]], list[Array]], scores) -> Masker:
    def masks(net, x, key):
        return _mlp((*choose(scores(net, x, key)), None), (None,) * len(net.biases))

    return masks


def _neurons(share: float, scores) -> Masker:
    def masks(net, x, key):
        # A neuron counts by the norm of its weights' scores.
        kept = smallest([jnp.linalg.norm(s, axis=1) for s in scores(net, x, key)], share)
        rows = [
            jnp.broadcast_to(k[:, None], w.shape) for k, w in zip(kept, net.weights, strict=False)
        ]
        return _mlp((*rows, None), (*kept, None))

    return masks


def _magnitude(net, x, key):
    return magnitude(list(net.weights[:-1]))


def _wanda(net, x, key):
    return wanda(list(net.weights[:-1]), [x, *hidden(net, x)[:-1]])


def _random(net, x, key):
    return random_scores(key, list(net.weights[:-1]))


def structures(settings: Settings) -> dict[tuple[str, str], Masker]:
    """Masks by structure and criterion."""
    out: dict[tuple[str, str], Masker] = {}
    layer, every, row, used, chance = CRITERIA
    for share in settings.unstructured:
        name = f"{percent(share)} of weights"
        out[name, layer] = _single(lambda s, share=share: smallest(s, share), _magnitude)
        out[name, every] = _single(lambda s, share=share: smallest_of_all(s, share), _magnitude)
        # Wanda takes as many of every row: beside this only the criterion differs.
        out[name, row] = _single(lambda s, share=share: smallest_of_rows(s, share), _magnitude)
        out[name, used] = _single(lambda s, share=share: smallest_of_rows(s, share), _wanda)
        out[name, chance] = _single(lambda s, share=share: smallest(s, share), _random)
    for n in (2, 1):
        for criterion, scores in ((layer, _magnitude), (used, _wanda), (chance, _random)):
            out[f"{n}:4", criterion] = _single(lambda s, n=n: n_of_m(s, n, 4), scores)
    for share in settings.neurons:
        for criterion, scores in ((layer, _magnitude), (used, _wanda), (chance, _random)):
            out[f"{percent(share)} of neurons", criterion] = _neurons(share, scores)
    return out


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Prune in every way, heal by every method.

    Returns:
        ``measures`` (methods, cells, trials, draws, 3), `comparison.MEASURES`, cells in the order
        of `structures`, NaN where neurons are folded that were not removed; ``rate`` and
        ``seconds`` (methods, cells); ``dense`` (trials, 3); ``pruned`` (cells, trials, draws, 3).
    """
    keys = jax.random.split(key, 4)
    images = load(settings, keys[0])
    calibration = draw_calibration(settings, images, settings.sizes.share, keys[2])
    progress(0, "training dense networks")
    dense = dense_mlps(settings, images, keys[1])
    nets = repeated(dense, settings.draws)
    x = calibration.x.reshape(-1, *calibration.x.shape[2:])
    mask_keys = jax.random.split(keys[3], len(x))
    ways = structures(settings)
    cells, pruned = {}, []
    for way, masks in ways.items():
        cells[way] = members(dense, jax.jit(jax.vmap(masks))(nets, x, mask_keys), calibration)
        pruned.append(evaluate(cells[way].start, images))
    whole = [way for way in ways if way[0].endswith("neurons")]
    single = [way for way in ways if way not in whole]
    shape = (len(COMPARED), len(ways))
    arrays = {
        "measures": np.full((*shape, settings.trials, settings.draws, 3), np.nan),
        "rate": np.full(shape, np.nan),
        "seconds": np.full(shape, np.nan),
    }
    # Masks of biases make other programs: those of neurons are compared apart.
    parts = ((single, COMPARED[:-1], 0.05, 0.6), (whole, COMPARED, 0.65, 0.35))
    for chosen, arms, start, share in parts:
        if not chosen:
            continue
        scores = compare(
            settings,
            on_test(images),
            arms,
            [cells[way] for way in chosen],
            [", ".join(way) for way in chosen],
            lambda done, what, start=start, share=share: progress(start + share * done, what),
        )
        at = np.ix_(range(len(arms)), [list(ways).index(way) for way in chosen])
        for name in arrays:
            arrays[name][at] = getattr(scores, name)
    progress(1.0, "done")
    shape = (len(ways), settings.trials, settings.draws, 3)
    return arrays | {
        "dense": evaluate(dense, images),
        "pruned": np.stack(pruned).reshape(shape),
    }


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """A panel for each structure: every method's error, by criterion."""
    ways = list(structures(settings))
    names = list(dict.fromkeys(structure for structure, _ in ways))
    columns = -(-len(names) // 2)
    # Where single weights go there is no neuron to fold.
    rows = ("pruned", *NAMES[:-1], f"{FOLD.name}\n(of neurons only)")
    y = np.arange(len(rows))[::-1]
    accuracy = np.concatenate([arrays["pruned"][None], arrays["measures"]])[..., ACCURACY]
    with plt.style.context(STYLE):
        figure, panels = plt.subplots(
            2, columns, figsize=(7.2, 7.6), sharey=True, sharex=True, squeeze=False
        )
        for name, ax in zip(names, panels.flat, strict=False):
            mean = arrays["dense"][:, ACCURACY].mean()
            ax.axvline(1 - mean, color=BLACK, lw=0.8, label="dense")
            for i, (criterion, (colour, mark)) in enumerate(CRITERIA.items()):
                if (name, criterion) in ways:
                    values = accuracy[:, ways.index((name, criterion))].mean(axis=-1)
                    dots(ax, y + 0.3 - 0.15 * i, values, criterion, colour, mark)
        for name, ax in zip(names, panels.flat, strict=False):
            errors_across(ax, name)
            ax.label_outer()
        panels[0, 0].set_yticks(y, rows)
        figure.legend(
            *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5
        )
    return figure


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """All methods in all structures, by criterion, and how criteria compare once healed."""
    dense = arrays["dense"][:, ACCURACY]
    out: dict[str, Any] = {"dense": share_interval(dense).rounded(), "sentences": []}
    ways = list(structures(settings))
    starfish = arrays["measures"][NAMES.index("STARFISH"), ..., ACCURACY].mean(axis=-1)
    layer, _, row, used, _ = CRITERIA
    for at, (structure, criterion) in enumerate(ways):
        arms = NAMES if structure.endswith("neurons") else NAMES[:-1]
        out[f"{structure}, {criterion}"] = summarise(
            arrays["measures"][: len(arms), at], dense, arms
        ) | {"pruned": share_interval(arrays["pruned"][at, ..., ACCURACY].mean(axis=-1)).rounded()}
        if criterion == used:
            # With as many of every row, or of every four, or of every layer, as Wanda takes.
            other = row if (structure, row) in ways else layer
            gain = mean_interval(100 * (starfish[at] - starfish[ways.index((structure, other))]))
            out["sentences"].append(
                f"{structure}: after STARFISH, masks of Wanda are worth {in_words(gain)} points of "
                f"accuracy over those of {other}."
            )
    return out


experiment = Experiment(
    name="healing.structures",
    title="What shape and choice of the pruned weights do to healing",
    label="structures and criteria of pruning",
    provenance="derived",
    presets={
        "smoke": Settings(
            width=16,
            depth=2,
            epochs=3,
            trials=2,
            draws=1,
            steps=4,
            rates=(1e-2,),
            unstructured=(0.75,),
            neurons=(0.5,),
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(trials=20, steps=1600),
    },
    run=run,
    draw=draw,
    summary=summary,
)
