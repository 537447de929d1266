"""`explain`: what a theorem says, proves and assumes, and how it is put on trial, as text."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from typing import Any

import jax

from experiments.results.catalog import Entry
from theory.claims import AtLeast, AtMost, Identity
from theory.statistics import sample_size
from theory.theorem import Theorem


def explain(entry: Entry) -> Iterator[tuple[str, str]]:
    """Headings with their text: statement, source, symbols, proof, assumptions, control, trials."""
    theorem: Theorem = entry.load()
    settings = theorem.presets["course"]
    paper = entry.source["paper"] + (f", arXiv {a}" if (a := entry.source["arxiv"]) else "")
    yield "Statement", theorem.statement
    if len(theorem.parts) > 1:
        yield "Parts", "\n".join(f"{name}: {c.says}" for name, c in theorem.parts.items())
    yield "Source", f"{paper}; {theorem.label}; {theorem.provenance}"
    yield "Symbols, and their values at the course preset", "\n".join(_symbols(settings))
    yield "What it says, and the proof", entry.document
    yield "One trial", inspect.cleandoc(theorem.trial.__doc__ or "")
    trial = jax.eval_shape(lambda key: theorem.trial(settings, key), jax.random.key(0))
    yield "Assumptions, measured in every trial", "\n".join(trial.assumptions) or "none"
    yield (
        "Negative control",
        f"{theorem.control.name}: the same trials with this changed must find the claim false. If "
        "they did not, neither would they have noticed a false theorem.",
    )
    yield "How many trials, and why", "\n".join(_counted(theorem))


def _symbols(settings: Any) -> Iterator[str]:
    said = field_docs(type(settings))
    for field in fields(settings):
        value = f"{field.name} = {getattr(settings, field.name)}"
        yield f"{value}: {said[field.name]}" if field.name in said else value


def field_docs(settings: type) -> dict[str, str]:
    """What stands below each field of a class, or of one that it derives from.

    Example:
        >>> from theory.settings import Settings
        >>> field_docs(Settings)
        {'trials': 'independent trials, fixed before the run'}
    """
    found: dict[str, str] = {}
    for one in reversed(settings.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in pairwise(body.body):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = " ".join(text.split())
    return found


def _counted(theorem: Theorem) -> Iterator[str]:
    for preset, settings in theorem.presets.items():
        deltas = [
            float(claim.failure(settings))
            for claim in theorem.parts.values()
            if isinstance(claim, AtLeast | AtMost | Identity)
        ]
        why = "a law or a growth is judged: the more trials, the smaller a deviation is seen"
        if deltas and max(deltas) == 0:
            why = "it may never fail, so any number falsifies; n trials see a rate of 6.9/n"
        elif deltas:
            least = min(delta for delta in deltas if delta > 0)
            why = f"δ = {least:.3g} takes {sample_size(least).trials} without a failure"
        yield f"{preset}: {settings.trials}; {why}"
