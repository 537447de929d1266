"""How far every method heals networks pruned by magnitude, from half of the weights to nearly all.

All methods see the same masks and the same unlabelled images, which no dense network was trained
on, and take the same steps; what they train differs, and is the same for the rivals that they are
judged against. A second time at one sparsity they take the steps that the fastest method's time
allows. Retraining sees all training images and labels.
"""

import jax
import numpy as np

from experiments.errors import UsageError
from experiments.experiment import Arrays, Experiment, Progress
from experiments.healing.arms import ARMS, NAMES, compiled, survivors, timed
from experiments.healing.comparison import (
    ACCURACY,
    compare,
    evaluate,
    members,
    on_test,
    references,
)
from experiments.healing.dense import dense_mlps, draw_calibration, load
from experiments.healing.equal_time import equal_time
from experiments.healing.pruning import CONTROLS, Settings, broken, magnitude_masks, percent
from experiments.healing.sparsity_figure import draw
from experiments.healing.sparsity_summary import page, summary

RETRAINING_RATE = 1e-2
"""Few weights bear, and need, larger steps than a dense network's."""


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Train, prune, and heal by every method.

    Returns:
        ``measures`` (methods, sparsities, trials, draws, 3), `MEASURES` on the test images;
        ``rate`` and ``seconds`` (methods, sparsities); ``compile_seconds`` (methods,); ``dense``
        (trials, 3); ``pruned`` and ``retrained`` (sparsities, trials, 3); ``controls`` (controls,
        sparsities, trials, draws); what `equal_time` returns; ``images``, how many are calibrated
        on.

    Raises:
        UsageError: there is one calibration image.
    """
    keys = jax.random.split(key, 5)
    images = load(settings, keys[0])
    calibration = draw_calibration(settings, images, settings.sizes.share, keys[2])
    count = calibration.y.shape[-1]
    if count < 2:
        raise UsageError(
            "Targets of other images need 2 calibration images: give a larger --share."
        )
    progress(0, "training dense networks")
    dense = dense_mlps(settings, images, keys[1])
    masks = [magnitude_masks(dense, sparsity) for sparsity in settings.sparsities]
    arrays = references(
        images,
        dense,
        masks,
        settings.retraining * settings.sizes.epochs,
        survivors(dense),
        RETRAINING_RATE,
        keys[3],
        lambda done, what: progress(0.05 + 0.15 * done, what),
    )
    cells = [members(dense, mask, calibration) for mask in masks]
    names = [f"{percent(sparsity)} pruned" for sparsity in settings.sparsities]
    scores = compare(
        settings,
        on_test(images),
        ARMS,
        cells,
        names,
        lambda done, what: progress(0.2 + 0.6 * done, what),
    )
    starfish = NAMES.index("STARFISH")
    program = compiled(settings, ARMS[starfish], cells[0], settings.steps)
    controls = np.zeros((len(CONTROLS), len(cells), settings.trials, settings.draws))
    for i, j in np.ndindex(len(CONTROLS), len(cells)):
        progress(0.8 + 0.1 * (i + j / len(cells)) / len(CONTROLS), f"control: {CONTROLS[i]}")
        cell = broken(CONTROLS[i], cells[j], jax.random.fold_in(keys[4], i))
        nets, _ = timed(program, cell, scores.rate[starfish, j])
        controls[i, j] = evaluate(nets, images)[:, ACCURACY].reshape(controls[i, j].shape)
    at = settings.sparsities.index(settings.timed)
    equal = equal_time(
        settings, images, cells[at], scores, at, lambda done, what: progress(0.9 + 0.1 * done, what)
    )
    progress(1.0, "done")
    return (
        arrays
        | equal
        | {
            "measures": scores.measures,
            "rate": scores.rate,
            "seconds": scores.seconds,
            "compile_seconds": scores.compile_seconds,
            "dense": evaluate(dense, images),
            "controls": controls,
            "images": np.array(count),
        }
    )


experiment = Experiment(
    name="healing.sparsity",
    title="How far pruned networks heal, by eighteen methods",
    label="accuracy against sparsity",
    provenance="derived",
    presets={
        "smoke": Settings(
            width=16,
            depth=2,
            epochs=3,
            trials=2,
            draws=1,
            steps=8,
            rates=(1e-2,),
            sparsities=(0.5, 0.9),
            timed=0.9,
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(trials=20, steps=1600),
    },
    run=run,
    draw=draw,
    summary=summary,
    page=page,
)
