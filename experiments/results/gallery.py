"""`run` and `figures`: an experiment's arrays, its numbers and its pictures in one folder.

``arrays.npz`` is the result; ``result.json``, ``figure.svg``, ``figure.png`` and, for an experiment
that has one, ``page.html`` are made from it and can be made again at any time.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments.data import registry as datasets
from experiments.experiment import Experiment, Progress
from experiments.plots.style import STYLE
from experiments.results import store
from experiments.results.catalog import Entry
from theory.theorem import Preset

ARRAYS, RESULT, PAGE = "arrays.npz", "result.json", "page.html"
FIGURES = {"figure.svg": {"Date": None}, "figure.png": {"Software": None}}
"""The pictures, each with metadata emptied of what would differ between two equal runs."""


def run(
    entry: Entry, settings: Any, preset: Preset, seed: int, out: Path, progress: Progress
) -> dict[str, Any]:
    """Run one experiment, or find it done, and leave its files in ``out/NAME``.

    Returns:
        The content of ``result.json``.
    """
    import jax

    folder = store.open_folder(out / entry.name)
    experiment: Experiment = entry.load()
    data = datasets.fingerprint(settings.dataset) if hasattr(settings, "dataset") else None
    key = store.result_key(entry, settings, seed, data=data)
    stored = store.load(folder / ARRAYS)
    if stored is None or stored[1].get("key") != key:
        arrays = experiment.run(settings, jax.random.key(seed), progress)
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
        description = {
            "experiment": entry.name,
            "title": experiment.title,
            "source": experiment.source,
            "preset": preset if settings == experiment.presets[preset] else None,
            "settings": settings,
            "seed": seed,
            "environment": store.environment(),
            "key": key,
        }
        store.save(folder / ARRAYS, arrays, description)
        stored = arrays, store.jsonable(description)
    return _draw(experiment, *stored, settings, folder)


def redraw(entry: Entry, preset: Preset | None, seed: int, out: Path, progress: Progress) -> str:
    """Draw an experiment's figure from its stored arrays; run it only where there are none.

    Stored arrays are drawn whatever settings, seed and code they come from, unless a preset is
    asked for and they are not of that preset and seed.

    Returns:
        What was done: "redrawn" or "computed".
    """
    experiment: Experiment = entry.load()
    folder = out / entry.name
    stored = store.load(folder / ARRAYS)
    if stored is not None and stored[1].get("experiment") == entry.name:
        settings = _restored(experiment, stored[1])
        asked = preset is None or (stored[1]["preset"], stored[1]["seed"]) == (preset, seed)
        if settings is not None and asked:
            store.open_folder(folder)
            _draw(experiment, *stored, settings, folder)
            return "redrawn"
    chosen = preset or "course"
    run(entry, experiment.presets[chosen], chosen, seed, out, progress)
    return "computed"


def _restored(experiment: Experiment, description: dict[str, Any]) -> Any:
    """The stored settings as an object, or None where the fields have changed since."""
    default = experiment.presets["course"]
    stored = description["settings"]
    if stored.keys() != json.loads(store.to_json(default)).keys():
        return None
    # JSON has no tuples and no infinity: null is what a float field that was infinite became.
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    for name, value in values.items():
        if value is None and isinstance(getattr(default, name), float):
            values[name] = float("inf")
    return type(default)(**values)


def _draw(
    experiment: Experiment,
    arrays: dict[str, np.ndarray],
    description: dict[str, Any],
    settings: Any,
    folder: Path,
) -> dict[str, Any]:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    result = description | {"summary": store.jsonable(experiment.summary(arrays, settings))}
    with plt.style.context(STYLE):
        figure = experiment.draw(arrays, settings)
        for name, metadata in FIGURES.items():
            kind = name.rpartition(".")[2]
            store.write_atomically(
                folder / name,
                lambda file, kind=kind, metadata=metadata: figure.savefig(
                    file, format=kind, metadata=metadata
                ),
            )
        plt.close(figure)
    if experiment.page is not None:
        store.write_atomically(folder / PAGE, experiment.page(arrays, settings))
    store.write_atomically(folder / RESULT, store.to_json(result))
    return result
