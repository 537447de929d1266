"""`worst`: searches for worst cases, kept so that they go on, each with a scene to check.

A file ``out/worst/NAME/PART-KEY.npz`` holds the scene of the largest ratio found, which is the
certificate, and where the search stopped. What is reported is computed from the scene by NumPy.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from experiments.errors import UsageError
from experiments.experiment import Progress
from experiments.results import store
from experiments.results.catalog import Entry
from experiments.results.closure import search_digest
from experiments.results.verdict_table import ratio_in_words
from theory.claims import AtLeast, AtMost
from theory.theorem import WHOLE, Search, Theorem, by_part

TOLERANCE = 1e-9
"""By how much NumPy may find an assumption missed: a search ends where assumptions just hold."""


def searchable(chosen: list[Entry], names: tuple[str, ...]) -> list[Entry]:
    """The theorems whose worst cases can be searched.

    Args:
        chosen: theorems.
        names: as the user gave them; a system means those of its theorems that have a search.

    Raises:
        UsageError: a theorem was named that has none, or all were left out, or the library that
            searches is not installed.
    """
    try:
        import evosax  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"What searches is not installed ({error}): pip install 'relu-theory[worst]'."
        ) from error
    found = [entry for entry in chosen if entry.load().search is not None]
    without = [entry.name for entry in chosen if entry not in found]
    named = [name for name in without if name in names] or (without if not found else [])
    if named:
        raise UsageError(
            f"{', '.join(named)} cannot be searched for a worst case: only a bound that is claimed "
            "for all data and weights has one; `relu-theory worst` without names searches those."
        )
    return found


def worst_all(
    chosen: list[Entry],
    seconds: float,
    seed: int,
    out: Path,
    largest: dict[tuple[str, str], float | None],
    progress: Progress,
) -> list[dict[str, Any]]:
    """Search each part of each theorem until it has been searched for so many seconds in all.

    Args:
        chosen: theorems with a search.
        seconds: for each part, those of earlier calls included.
        seed: of all that is drawn.
        out: folder of results.
        largest: the largest ratio among random trials by theorem and part.
        progress: called with the share that is done.
    """
    store.open_folder(out)
    theorems = [(entry, entry.load()) for entry in chosen]
    parts = [(entry, theorem, part) for entry, theorem in theorems for part in bounds(theorem)]
    found = []
    for done, (entry, theorem, part) in enumerate(parts):

        def within(share: float, done=done, name=f"{entry.name}, {part}"):
            progress((done + share) / len(parts), name)

        search_part(entry, theorem, part, seconds, seed, out, within)
        stored = known(entry, theorem, seed, out, part)
        assert stored is not None
        found.append(stored | {"random_max": largest[theorem.name, part]})
    return found


def bounds(theorem: Theorem) -> list[str]:
    """The parts that have a worst case: those that claim a bound."""
    return [name for name, claim in theorem.parts.items() if isinstance(claim, AtMost | AtLeast)]


def certificate_path(entry: Entry, theorem: Theorem, part: str, seed: int, out: Path) -> Path:
    """Where the search of a part is kept."""
    assert theorem.search is not None
    settings = theorem.search.settings
    key = store.result_key(theorem.name, search_digest(entry), settings, seed, part=part)
    return out / "worst" / theorem.name / f"{part.replace(' ', '-')}-{key}.npz"


def known(entry: Entry, theorem: Theorem, seed: int, out: Path, part: str) -> dict[str, Any] | None:
    """What the search of a part has found, computed from its scene by NumPy; None without one."""
    import jax

    search = theorem.search
    if search is None or part not in bounds(theorem):
        return None
    path = certificate_path(entry, theorem, part, seed, out)
    stored = store.load(path)
    if stored is None:
        return None
    arrays, description = stored
    structure = jax.tree.structure(example(search))
    scene = jax.tree.unflatten(structure, [arrays[name] for name in names_of(search)])
    ratio, violated = recheck(theorem, search, part, scene)
    return {
        "theorem": theorem.name,
        "part": part,
        "kind": type(theorem.parts[part]).__name__,
        "statement": description["statement"],
        "ratio": ratio,
        "violated": violated,
        "certificate": str(path),
        "seconds": description["seconds"],
        "generations": description["generations"],
    }


def search_part(
    entry: Entry,
    theorem: Theorem,
    part: str,
    seconds: float,
    seed: int,
    out: Path,
    progress: Callable[[float], None],
) -> None:
    """Go on with the search of a part, unless it lasted as long already."""
    import jax

    from theory.worst import begin, hunt

    search = theorem.search
    assert search is not None
    path, key = certificate_path(entry, theorem, part, seed, out), jax.random.key(seed)
    stored = store.load(path)
    spent, states = 0.0, None
    if stored is not None:
        arrays, description = stored
        structure = jax.tree.structure(jax.eval_shape(lambda: begin(search, key)[1]))
        leaves = [arrays[f"state: {i}"] for i in range(structure.num_leaves)]
        spent, states = description["seconds"], jax.tree.unflatten(structure, leaves)
        if spent >= seconds:
            return
    before, start = spent, time.perf_counter()
    for found in hunt(theorem, part, key, states=states):
        spent = before + time.perf_counter() - start
        leaves = enumerate(jax.tree.leaves(found.states))
        scene = map(np.asarray, jax.tree.leaves(found.scene))
        arrays = dict(zip(names_of(search), scene, strict=True))
        arrays |= {f"state: {i}": np.asarray(leaf) for i, leaf in leaves}
        description = {
            "theorem": theorem.name,
            "part": part,
            "statement": theorem.parts[part].says or theorem.statement,
            "seed": seed,
            "settings": search.settings,
            "seconds": spent,
            "generations": int(found.states.generation_counter[0]),
            "environment": store.environment(),
        }
        store.save(path, arrays, description)
        progress(min(spent / seconds, 1.0))
        if spent >= seconds:
            return


def example(search: Search) -> Any:
    """The shapes of a scene."""
    import jax

    return jax.eval_shape(lambda: search.start(search.settings, jax.random.key(0)))


def names_of(search: Search) -> list[str]:
    """What the leaves of a scene are called in a certificate.

    Example:
        >>> from theory.subspace.searches import certified_radius
        >>> names_of(certified_radius)
        ["scene['u']", "scene['w']", "scene['x0']", "scene['z']"]
    """
    import jax

    at = [path for path, _ in jax.tree_util.tree_leaves_with_path(example(search))]
    return [f"scene{jax.tree_util.keystr(path)}" for path in at]


def recheck(theorem: Theorem, search: Search, part: str, scene: Any) -> tuple[float | None, bool]:
    """The ratio of a scene by NumPy, None where an assumption is missed; whether it violates."""
    import jax

    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(scene)):
        return None, False  # what nothing feasible was found from
    with np.errstate(all="ignore"):
        trial = search.check(search.settings, scene)
    margins = [float(margin) for margin in trial.assumptions.values()]
    measured, predicted = (
        np.asarray([by_part(numbers)[part]], float) for numbers in (trial.measured, trial.predicted)
    )
    claim = theorem.parts[part]
    if not trial.given or not all(margin >= -TOLERANCE for margin in margins):
        return None, False
    above, below = (measured, predicted) if isinstance(claim, AtMost) else (predicted, measured)
    assert isinstance(claim, AtMost | AtLeast)
    return float(above[0] / below[0]), bool(claim.violated(measured, predicted)[0])


def largest_of(verdicts: list[dict[str, Any]]) -> dict[tuple[str, str], float | None]:
    """`largest` by theorem and part."""
    return {
        (verdict["theorem"], part["name"]): largest(part)
        for verdict in verdicts
        for part in verdict["parts"]
    }


def largest(part: dict[str, Any]) -> float | None:
    """The largest measured / predicted of random trials, predicted / measured of an `AtLeast`.

    Example:
        >>> largest({"kind": "AtLeast", "tightness": {"min": 2.0, "median": 3.0, "max": 4.0}})
        0.5
    """
    ratios = part["tightness"]
    if ratios is None or part["kind"] != "AtLeast":
        return ratios and ratios["max"]
    return 1 / ratios["min"] if ratios["min"] > 0 else None


def words(found: dict[str, Any]) -> str:
    """What is known of a part's worst case, from a search and from random trials.

    Example:
        >>> words({"violated": False, "ratio": 0.93, "random_max": 0.4, "kind": "AtMost"})
        'no violation; the constant could be lowered to at most .93 of its value'
    """
    if found["violated"]:
        return "counter-example: falsified"
    if found["ratio"] is None:
        return "no scene met the assumptions"
    known = max(found["ratio"], found["random_max"] or 0)
    if known > ATTAINED:
        return "no violation; the bound is attained"
    upper = found["kind"] == "AtMost"
    limit = f"{known if upper else 1 / known:.4g}".removeprefix("0")
    change = "lowered to at most" if upper else "raised to at most"
    return f"no violation; the constant could be {change} {limit} of its value"


ATTAINED = 0.9995
"""A ratio from which on there is nothing to say of the constant."""


def table(found: list[dict[str, Any]]) -> Table:
    """The table that `worst` prints."""
    columns = Table(title="Worst cases", caption=CAPTION, caption_justify="left")
    for name in ("theorem", "part", "worst found", "random trials", "what it says", "seconds"):
        columns.add_column(name, overflow="fold")
    for case in found:
        colour = "bold red" if case["violated"] else ""
        text = f"[{colour}]{words(case)}" if colour else words(case)
        columns.add_row(
            case["theorem"],
            "" if case["part"] == WHOLE else case["part"],
            ratio_in_words(case["ratio"]),
            ratio_in_words(case["random_max"]),
            text,
            f"{case['seconds']:.0f}",
        )
    return columns


CAPTION = (
    "Ratios are measured/predicted (predicted/measured of a lower bound), 1 where the bound is "
    "attained. Each was computed again from its scene in NumPy, which stands in the certificate. "
    "That none above 1 was found proves nothing."
)
