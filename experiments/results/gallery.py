"""`run` and `figures`: an experiment's data, its numbers and its pictures in one folder.

``OUT/NAME`` shows the run asked for last: ``data.nc`` is the result; ``result.json``,
``figure.png`` and, for an experiment that has one, ``page.html`` are made from it and can be made
again at any time. The data of every run are kept in ``OUT/runs/NAME`` under their key, so that
asking for an earlier one again computes nothing.
"""

import io
import json
import logging
import shlex
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import fields
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from experiments.data import registry
from experiments.experiment import Experiment, Progress
from experiments.plots.style import STYLE, TALK
from experiments.results import parts, store
from experiments.results.catalog import Entry
from experiments.results.closure import code_digest
from theory.theorem import Preset

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from xarray import Dataset

log = logging.getLogger(__name__)

DATA, RESULT, PAGE, FIGURE = "data.nc", "result.json", "page.html", "figure.png"

Format = Literal["svg", "pdf"]
Style = Literal["print", "talk"]
STYLES: dict[Style, tuple[str, list[Path]]] = {
    "print": ("figure", [STYLE]),
    "talk": ("talk", [STYLE, TALK]),
}
"""The stem of a figure's files, and its styles, those that come last on top."""

METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}
"""Emptied of what would differ between two equal runs."""


class Run(NamedTuple):
    """What to run: settings, the preset they start from, and a seed."""

    settings: Any
    preset: Preset
    seed: int


def run(
    entry: Entry,
    asked: Run,
    out: Path,
    progress: Progress,
    formats: Sequence[Format] = (),
    style: Style = "print",
) -> dict[str, Any]:
    """Run one experiment, or find it done, and leave its files in ``out/NAME``.

    Gives the content of ``result.json``.

    Raises:
        UsageError: the folder cannot be written to, or the settings do not fit the data.
    """
    import jax

    from experiments.results.exchange import agreed, spread

    folder, kept = store.open_folder(out / entry.name), out / "runs" / entry.name
    experiment: Experiment = entry.load()
    settings, preset, seed = asked
    data = registry.fingerprint(settings.dataset) if hasattr(settings, "dataset") else None
    key = store.result_key(entry.name, code_digest(entry), settings, seed, data=data)
    shown = store.load_data(folder / DATA)
    if shown is not None and shown[1].get("key") == key:
        stored = shown
    else:
        if shown is not None and not (before := kept / f"{shown[1].get('key')}.nc").exists():
            store.save_data(before, *shown)  # a gallery has come without the folder of runs
        stored = store.load_data(kept / f"{key}.nc")
    # What one process has to run needs all of them.
    everywhere = agreed(stored is not None)
    if stored is not None:
        log.info("%s: its data are kept under %s", entry.name, key)
    if stored is None or not everywhere:
        # Several processes do not see each other's files before they exchange them.
        resumed = nullcontext() if jax.process_count() > 1 else parts.kept(kept / f"{key}.parts")
        with spread(), resumed:
            found = experiment.run(settings, jax.random.key(seed), progress)
        description = {
            "experiment": entry.name,
            "title": experiment.title,
            "source": entry.source,
            "preset": preset if settings == experiment.presets[preset] else None,
            "command": command(entry, asked),
            "settings": settings,
            "seed": seed,
            "environment": store.environment(),
            "key": key,
        }
        stored = found, json.loads(store.to_json(description))
        store.save_data(kept / f"{key}.nc", *stored)
    if stored is not shown:
        store.save_data(folder / DATA, *stored)
    return _show(experiment, *stored, settings, folder, formats, style)


def command(entry: Entry, asked: Run) -> str:
    """The command line that makes a result again."""
    import jax

    settings, preset, seed = asked
    base, words = entry.load().presets[preset], ["relu-theory", "run", entry.said]
    words += ["--preset", preset] if preset != "course" else []
    words += ["--seed", str(seed)] if seed else []
    words += [] if jax.numpy.zeros(()).dtype == "float64" else ["--precision", "float32"]
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value != getattr(base, field.name):
            values = value if isinstance(value, tuple) else (value,)
            words += [f"--{field.name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


def redraw(
    entry: Entry,
    preset: Preset | None,
    seed: int,
    out: Path,
    progress: Progress,
    formats: Sequence[Format] = (),
    style: Style = "print",
) -> str:
    """Draw an experiment's figure from its stored data; run it only where there are none.

    In the style of a talk it is drawn a second time, beside the one for print.

    Stored data are drawn whatever settings, seed and code they come from, unless a preset is
    asked for and they are not of that preset and seed. Where they are damaged, the run that
    ``result.json`` describes is found again or run again. Says "redrawn" or "computed".
    """
    experiment: Experiment = entry.load()
    folder = out / entry.name
    stored = store.load_data(folder / DATA)
    described = stored[1] if stored else _described(folder)
    if described is not None and described.get("experiment") == entry.name:
        settings = _restored(experiment, described["settings"])
        fits = preset is None or (described["preset"], described["seed"]) == (preset, seed)
        if settings is not None and fits:
            if stored is None:
                asked = Run(settings, described["preset"] or "course", described["seed"])
                run(entry, asked, out, progress, formats, style)
                return "computed"
            store.open_folder(folder)
            _show(experiment, *stored, settings, folder, formats, style)
            return "redrawn"
    chosen = preset or "course"
    run(entry, Run(experiment.presets[chosen], chosen, seed), out, progress, formats, style)
    return "computed"


def _described(folder: Path) -> dict[str, Any] | None:
    """What ``result.json`` says, where there is one that can be read."""
    try:
        return json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _restored(experiment: Experiment, stored: dict[str, Any]) -> Any:
    """The stored settings as an object, or None where the fields have changed since."""
    default = experiment.presets["course"]
    if stored.keys() != json.loads(store.to_json(default)).keys():
        return None
    values = {}
    for name, value in stored.items():
        # JSON has no tuples and no infinity: null is what a float field that was infinite became.
        infinite = value is None and isinstance(getattr(default, name), float)
        values[name] = tuple(value) if isinstance(value, list) else inf if infinite else value
    return type(default)(**values)


def _show(
    experiment: Experiment,
    data: "Dataset",
    description: dict[str, Any],
    settings: Any,
    folder: Path,
    formats: Sequence[Format],
    style: Style = "print",
) -> dict[str, Any]:
    """Make everything that is made from the data; a figure for print in any case."""
    from matplotlib import pyplot as plt

    summary = experiment.summary(data, settings)
    result = description | {"summary": store.jsonable(summary)}
    for one, (stem, styles) in STYLES.items():
        wanted = ("png", *formats) if one in ("print", style) else ()
        for kind in {"png", *get_args(Format)} - {*wanted}:
            # What is not asked for would be of an earlier run.
            (folder / f"{stem}.{kind}").unlink(missing_ok=True)
        if wanted:
            with plt.style.context(styles):
                figure = experiment.draw(data, settings)
                store.write_atomically(folder / f"{stem}.png", png(figure))
                for kind in formats:
                    store.write_atomically(folder / f"{stem}.{kind}", _saved(figure, kind))
                plt.close(figure)
    if experiment.page is not None:
        store.write_atomically(folder / PAGE, experiment.page(data, settings))
    store.write_atomically(folder / RESULT, store.to_json(result))
    return result


def save_picture(path: Path, draw: "Callable[[], Figure]") -> None:
    """Draw a figure in the house's style into a PNG."""
    from matplotlib import pyplot as plt

    with plt.style.context(STYLE):
        figure = draw()
        store.write_atomically(path, png(figure))
        plt.close(figure)


def png(figure: "Figure") -> bytes:
    """A figure as PNG with a palette of at most 256 colours: a third of the size.

    The palette covers all colours, those of a thin line too, which the median cut mixes with those
    of thick ones.

    Example:
        >>> import matplotlib.figure
        >>> png(matplotlib.figure.Figure((1, 1)))[1:4]
        b'PNG'
    """
    from PIL import Image

    small, picture = io.BytesIO(), Image.open(io.BytesIO(_saved(figure, "png"))).convert("RGB")
    palette = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    palette.save(small, "PNG", optimize=True, dpi=(figure.dpi, figure.dpi))
    return small.getvalue()


def _saved(figure: "Figure", kind: Literal["svg", "pdf", "png"]) -> bytes:
    """A figure as matplotlib saves it."""
    file = io.BytesIO()
    figure.savefig(file, format=kind, metadata=METADATA[kind])
    return file.getvalue()
