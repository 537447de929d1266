"""Every bound of every field, a little outside and just inside; one battery over the catalog."""

import math
from dataclasses import dataclass, replace
from types import NoneType, UnionType
from typing import Annotated, Union, get_args, get_origin

import numpy as np
import pytest

from experiments.results.catalog import entries
from theory.settings import (
    Bound,
    Count,
    Filled,
    Label,
    Listed,
    Margin,
    Positive,
    Real,
    Rising,
    Settings,
    Share,
    ShareAboveZero,
    bounds,
    hints,
)

KEPT = 3
"""Values that are put in a tuple of any length."""


def numbers(kind: type, bound: Bound) -> tuple[list, list]:
    """Numbers a little outside a bound, and at its very end inside."""
    if kind is int:
        assert bound.at_least is not None and bound == Bound(at_least=bound.at_least)
        least = int(bound.at_least)
        return [least - 1, -(2**40), 2**31, True], [least, 2**31 - 1]
    outside, inside = [math.nan], []
    for end, towards, closed in (
        (bound.at_least, -math.inf, True),
        (bound.above, -math.inf, False),
        (bound.at_most, math.inf, True),
        (bound.below, math.inf, False),
    ):
        if end is not None:
            outside.append(math.nextafter(end, towards) if closed else end)
            inside.append(end if closed else math.nextafter(end, -towards))
    return outside, inside


def values(hint) -> tuple[list, list]:
    """Values of a field outside its bounds and inside."""
    if get_origin(hint) in (Union, UnionType):
        (arm,) = (arm for arm in get_args(hint) if arm is not NoneType)
        outside, inside = values(arm)
        return outside, [*inside, *[None] * (NoneType in get_args(hint))]
    inner, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    if get_origin(inner) is not tuple:
        found = [numbers(inner, bound) for bound in metadata if isinstance(bound, Bound)]
        return found[0] if found else ([], [])
    arms = get_args(inner)
    length = KEPT if arms[1:] == (...,) else len(arms)
    outside, inside = values(arms[0])
    # A value that is out of its bounds in any place; one that is inside in all of them.
    outside = [(*[value] * (length - 1), bad) for bad in outside for value in inside[:1]]
    inside = [(value,) * length for value in inside]
    for listed in metadata:
        if isinstance(listed, Listed):
            steps = np.arange(1, listed.fewest + 3)
            each = [bound for bound in get_args(arms[0])[1:] if isinstance(bound, Bound)]
            rising = next(
                tuple(some.tolist())
                for some in (steps, steps + 1, steps / len(steps), steps / 1000)
                if all(value in bound for value in some for bound in each)
            )
            outside += [
                rising[:fewer] for fewer in {0, listed.fewest - 1} if 0 <= fewer < listed.fewest
            ]
            outside += [rising[::-1], (rising[0], *rising)] if listed.rising else []
            inside = [] if listed.rising else inside
            inside += [rising, rising[: listed.fewest]] if get_origin(arms[0]) is Annotated else []
    return outside, inside


def refused_for(settings, name, value, phrase) -> bool:
    """Whether a value is refused for itself, not for how it goes with other fields."""
    try:
        replace(settings, **{name: value})
    except ValueError as error:
        said = str(error).startswith(f"{name} is {value} and ")
        return said and any(
            part in str(error) for part in (*phrase.split("; "), "an integer", "2^31", "each value")
        )
    return False


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_every_bound_is_kept(entry):
    settings = entry.load().presets["course"]
    assert isinstance(settings, Settings)
    for name, phrase in bounds(type(settings)).items():
        outside, inside = values(hints(type(settings))[name])
        assert outside, name
        for value in outside:
            with pytest.raises(ValueError, match=name):
                replace(settings, **{name: value})
        for value in inside:
            assert not refused_for(settings, name, value, phrase), (name, value)


@dataclass(frozen=True)
class Bounded(Settings):
    """One field of a kind."""

    width: Count = 1
    labels: tuple[Label, Label] = (0, 1)
    scale: Positive | None = None
    margin: Margin = math.inf
    height: Real = 0.0
    share: Share = 1.0
    kept: ShareAboveZero = 1.0
    sizes: Rising = (1, 2)
    names: Filled[str] = ("a",)
    old: int = 1
    loose: float = 0.0


@dataclass(frozen=True)
class Again(Bounded):
    """The same with another default."""

    scale: float | None = 2.0
    width: int = 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width is 0 and must be at least 1"),
        ({"width": True}, "width is True and must be an integer"),
        ({"width": 2.5}, "width is 2.5 and must be an integer"),
        ({"margin": "3"}, "margin is 3 and must be positive"),
        ({"width": 2**31}, "width is 2147483648 and must be below 2^31"),
        ({"labels": (0, -1)}, "labels is (0, -1) and each value must be at least 0"),
        ({"labels": (0,)}, "labels is (0,) and must be 2 values"),
        ({"scale": 0.0}, "scale is 0.0 and must be positive and finite"),
        ({"margin": math.nan}, "margin is nan and must be positive"),
        ({"height": math.inf}, "height is inf and must be finite"),
        ({"share": 1.5}, "share is 1.5 and must be at least 0 and at most 1"),
        ({"kept": 0.0}, "kept is 0.0 and must be above 0 and at most 1"),
        ({"sizes": (2, 2)}, "sizes is (2, 2) and must be 1 value or more, increasing"),
        ({"sizes": (0, 2)}, "sizes is (0, 2) and each value must be at least 1"),
        ({"names": ()}, "names is () and must be 1 value or more"),
        ({"old": 0}, "old is 0 and must be at least 1"),
        ({"loose": math.nan}, "loose is nan and must be a number"),
    ],
)
@pytest.mark.parametrize("kind", [Bounded, Again])
def test_what_is_out_of_bounds_is_one_sentence(kind, changes, message):
    with pytest.raises(ValueError) as refusal:
        kind(**changes)
    assert str(refusal.value) == message


def test_a_field_says_its_bound_and_keeps_it():
    assert bounds(Bounded) == {
        "trials": "at least 1",
        "width": "at least 1",
        "labels": "each at least 0",
        "scale": "positive and finite",
        "margin": "positive",
        "height": "finite",
        "share": "at least 0 and at most 1",
        "kept": "above 0 and at most 1",
        "sizes": "each at least 1; 1 value or more, increasing",
        "names": "1 value or more",
    }
    assert bounds(Again) == bounds(Bounded)
    assert Again(scale=None, margin=3, loose=-math.inf).scale is None
    numbers_of_numpy = {"width": np.int64(3), "margin": np.float32(3)}
    assert Again(**numbers_of_numpy).width == 3
