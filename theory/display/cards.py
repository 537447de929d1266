"""Results as cards in HTML."""

import inspect
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from theory.display.formulas import maths
from theory.display.text import number, prose, scale

FOLDER = Path(__file__).parent

LEAVES = 12
"""Of a list or tree so many arrays are shown."""


def template(path: Path, **filters: Any) -> Template:
    """A template, which finds those of its folder and the cards by name.

    It escapes all values, and a missing one is an error.
    """
    environment = Environment(
        loader=FileSystemLoader([path.parent, FOLDER]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "maths": maths,
        "number": number,
        "prose": prose,
        "scale": scale,
    } | filters
    return environment.get_template(path.name)


@cache
def style() -> Markup:
    """The styles of cards."""
    return Markup((FOLDER / "cards.css").read_text(encoding="utf-8"))


@cache
def _macros() -> Any:
    return template(FOLDER / "verdict.html").module


def card(result: Any) -> str:
    """A verdict, or any tuple with named fields, as a card that needs nothing around it.

    Example:
        >>> from theory.theorem import Tightness
        >>> "<code>median</code>" in card(Tightness(0.5, 1.0, 2.0))
        True
    """
    from theory.theorem import Verdict

    if isinstance(result, Verdict):
        shown = _macros().verdict_card(_verdict_facts(result))
    else:
        shown = _macros().facts_card(type(result).__name__, _says(result), _facts(result))
    return f'<div class="rt"><style>{style()}</style>{shown}</div>'


def part_facts(part: Any) -> dict[str, Any]:
    """A `Part` of a verdict by the contract of `verify --json`."""
    judgement = part.judgement
    return {
        "name": part.name,
        "statement": part.claim.says,
        "kind": type(part.claim).__name__,
        "delta": judgement.delta,
        "status": judgement.status,
        "violations": judgement.violations,
        "violation_bound": judgement.violation_bound,
        "tightness": part.tightness and part.tightness._asdict(),
        "vacuous": part.vacuous,
        "detail": judgement.detail,
        "seen": part.seen,
        "worst": None,
    }


def _verdict_facts(verdict: Any) -> dict[str, Any]:
    control = {
        "name": verdict.control, "breaks": verdict.broken, "detected": verdict.detected
    }  # fmt: skip
    parts = [part_facts(part) for part in verdict.parts]
    return asdict(verdict) | {"parts": parts, "control": control}


def _says(result: Any) -> str:
    """The first line of what its class says."""
    return (inspect.getdoc(type(result)) or "").partition("\n")[0]


def _facts(result: Any) -> list[tuple[str, str, str]]:
    """Name, value and meaning of each field."""
    document = inspect.getdoc(type(result)) or ""
    meanings = dict(re.findall(r"^    (\w+): (.*(?:\n {6,}.*)*)", document, re.MULTILINE))
    return [
        (name, _in_short(value), " ".join(meanings.get(name, "").split()))
        for name, value in result._asdict().items()
    ]


def _in_short(value: Any) -> str:
    """A number as it is; of an array its shape, dtype and range; of a tuple or tree its arrays."""
    if isinstance(value, str | int | float | None):
        return number(value)
    if hasattr(value, "_asdict"):
        return "; ".join(f"{name}: {_in_short(inner)}" for name, inner in value._asdict().items())
    leaves = jax.tree.leaves(value)
    shown = [_leaf(leaf) for leaf in leaves[:LEAVES]]
    more = [f"… ({len(leaves)} in all)"] if len(leaves) > LEAVES else []
    return "; ".join(shown + more)


def _leaf(leaf: Any) -> str:
    # Within jit, vmap or grad a number is not known yet, and random keys are no numbers.
    if isinstance(leaf, Tracer) or (
        isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    ):
        return f"{leaf.dtype}{list(leaf.shape)}"
    values = np.asarray(leaf)
    if not values.shape:
        return f"{number(values.item(), 4)} ({values.dtype})"
    shape = f"{values.dtype}{list(values.shape)}"
    if not values.size or values.dtype.kind not in "fiu":
        return shape
    return f"{shape}, {number(values.min().item())} … {number(values.max().item())}"
