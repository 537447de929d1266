"""Settings say their bounds: in the type of a field, checked on creation, shown to users.

A field `width: Count` is an `int` to everybody else. A bound belongs to what it stands beside:
`Positive | None` admits None, `tuple[Count, ...]` bounds every value, `Rising` their order too. A
field that a derived class declares again without a bound keeps the one it had.
"""

from dataclasses import dataclass, fields
from functools import cache
from math import inf
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Bound:
    """An interval of numbers. NaN is in none.

    Attributes:
        at_least, above: its lower end, in it or not.
        at_most, below: its upper end, likewise.

    Example:
        >>> [str(bound) for bound in (Bound(at_least=1), Bound(above=0, below=inf))]
        ['at least 1', 'positive and finite']
        >>> 0.5 in Bound(above=0, at_most=1), float("nan") in Bound(above=-inf)
        (True, False)
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def __contains__(self, value: Any) -> bool:
        return is_number(value) and bool(
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
            and value == value
        )

    def __str__(self) -> str:
        finite = self.below == inf
        unbounded = self.at_most is None and (self.below is None or finite)
        parts = []
        if self.at_least is not None:
            parts.append(f"at least {self.at_least:g}")
        if self.above is not None and self.above > -inf:
            parts.append("positive" if self.above == 0 and unbounded else f"above {self.above:g}")
        if self.at_most is not None:
            parts.append(f"at most {self.at_most:g}")
        if self.below is not None:
            parts.append("finite" if finite else f"below {self.below:g}")
        return " and ".join(parts)


@dataclass(frozen=True)
class Listed:
    """A bound of a tuple: how many values it has at least, and whether they increase.

    Example:
        >>> (1, 3) in Listed(rising=True), (3, 3) in Listed(rising=True), () in Listed()
        (True, False, False)
        >>> str(Listed(6, rising=True))
        '6 or more values, increasing'
    """

    fewest: int = 1
    rising: bool = False

    def __contains__(self, values: Any) -> bool:
        rises = all(a < b for a, b in zip(values[:-1], values[1:], strict=True))
        return len(values) >= self.fewest and (rises or not self.rising)

    def __str__(self) -> str:
        number = "1 value or more" if self.fewest == 1 else f"{self.fewest} or more values"
        return number + (", increasing" if self.rising else "")


Count = Annotated[int, Bound(at_least=1)]
"""How many there are of something that there must be."""

Sample = Annotated[int, Bound(at_least=2)]
"""How many there are where one tells nothing: trials of an interval, points of which one goes."""

Label = Annotated[int, Bound(at_least=0)]
"""The number of a class, or a count of what there may be none of."""

Real = Annotated[float, Bound(above=-inf, below=inf)]
"""Any number that is finite."""

Positive = Annotated[float, Bound(above=0, below=inf)]
"""A number in (0, ∞): a scale, a step size."""

NonNegative = Annotated[float, Bound(at_least=0, below=inf)]
"""A number in [0, ∞): a weight decay."""

Margin = Annotated[float, Bound(above=0)]
"""A number in (0, ∞]: where training stops, which with ∞ it does after its steps alone."""

Share = Annotated[float, Bound(at_least=0, at_most=1)]
"""A number in [0, 1]: none of it, or all of it."""

ProperShare = Annotated[float, Bound(above=0, below=1)]
"""A number in (0, 1): some of it, not all; a probability that is not trivial."""

ShareBelowOne = Annotated[float, Bound(at_least=0, below=1)]
"""A number in [0, 1): not all of it."""

ShareAboveZero = Annotated[float, Bound(above=0, at_most=1)]
"""A number in (0, 1]: some of it."""

Filled = Annotated[tuple[T, ...], Listed()]
"""Values of which there is at least one, `Filled[Positive]`."""

Increasing = Annotated[tuple[T, ...], Listed(rising=True)]
"""At least one value, each larger than the last, `Increasing[Positive]`."""

Rising = Annotated[tuple[Count, ...], Listed(rising=True)]
"""Sizes in increasing order."""

Sizes = Annotated[tuple[Count, ...], Listed(6, rising=True)]
"""Sizes of a scaling in increasing order: five to fit a line to, or more, and one to predict."""

LARGEST = 2**31
"""Integers stay below this, the first that 32 bits cannot hold."""


def is_number(value: Any) -> bool:
    """Whether a value is a real number; truth values are none.

    Example:
        >>> is_number(1.0), is_number(True), is_number("1")
        (True, False, False)
    """
    kinds = int | float | np.integer | np.floating
    return isinstance(value, kinds) and not isinstance(value, bool)


@dataclass(frozen=True)
class Settings:
    """What every theorem's and experiment's settings have, and bounds checked on creation.

    Raises:
        ValueError: a field is out of its bounds; from a derived class also where fields do not
            go together.

    Example:
        >>> Settings(trials=0)
        Traceback (most recent call last):
        ValueError: trials is 0 and must be at least 1
    """

    trials: Count = 135
    """independent trials, fixed before the run"""

    def __post_init__(self):
        for name, hint in hints(type(self)).items():
            value = getattr(self, name)
            complaint = _complaint(hint, value)
            if complaint:
                raise ValueError(f"{name} is {value} and {complaint}")


@dataclass(frozen=True)
class TrainedSettings(Settings):
    """Settings of two-layer networks trained by descent with weight decay until a margin."""

    width: Count = 50
    """neurons m"""
    steps: Count = 1000
    """largest number of training steps"""
    weight_decay: NonNegative = 0.0
    """λ of the penalty (λ/2)·Σ‖w_i‖²"""
    margin: Margin = 1.0
    """stop when every y_j N(x_j) is at least this"""


@cache
def hints(settings: type) -> dict[str, Any]:
    """The type of every field, with its bounds.

    A field that is declared again without a bound, for another default, keeps the one it had.

    Args:
        settings: a class derived from `Settings`.

    Example:
        >>> hints(Settings)["trials"] == Count
        True
    """
    found: dict[str, Any] = {}
    for ancestor in reversed(settings.__mro__):
        if issubclass(ancestor, Settings):
            types = get_type_hints(ancestor, include_extras=True)
            own = {name: types[name] for name in ancestor.__annotations__}
            found |= {n: hint for n, hint in own.items() if n not in found or _says(hint)}
    return {entry.name: found[entry.name] for entry in fields(settings)}


def _says(hint: Any) -> bool:
    """Whether there is a bound in a type."""
    return isinstance(hint, Bound | Listed) or any(map(_says, get_args(hint)))


def _unwrapped(hint: Any) -> tuple[Any, tuple[Bound | Listed, ...]]:
    """A type without its metadata, and the bounds among them."""
    if get_origin(hint) is not Annotated:
        # Until every room says its bounds, an integer that says none is a count.
        return hint, get_args(Count)[1:] if hint is int else ()
    inner, *metadata = get_args(hint)
    return inner, tuple(one for one in metadata if isinstance(one, Bound | Listed))


def _arms(hint: Any) -> tuple[Any, ...]:
    """The types of a union, one for any other type."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _members(hint: Any, count: int) -> tuple[Any, ...]:
    """The types of the members of a tuple with so many of them."""
    inner = get_args(hint)
    return inner[:1] * count if inner[1:] == (...,) else inner


def _complaint(hint: Any, value: Any) -> str | None:
    """What a value must be and is not: None where it is in one of the arms of its type."""
    arms = _arms(hint)
    if value is None and NoneType in arms:
        return None
    complaints = [_complaint_of_arm(arm, value) for arm in arms if arm is not NoneType]
    return None if None in complaints else complaints[0]


def _complaint_of_arm(arm: Any, value: Any) -> str | None:
    inner, bounds = _unwrapped(arm)
    if get_origin(inner) is tuple and isinstance(value, tuple):
        members = _members(inner, len(value))
        if len(members) != len(value):
            return f"must be {len(members)} values"
        for complaint in map(_complaint, members, value):
            if complaint:
                return f"each value {complaint}"
    if inner is int:
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            return "must be an integer"
        if value >= LARGEST:
            return "must be below 2^31"
    if get_origin(inner) is Literal and value not in get_args(inner):
        return f"must be {' or '.join(map(str, get_args(inner)))}"
    if inner is float and not bounds and is_number(value) and value != value:
        return "must be a number"
    for bound in bounds:
        if value not in bound:
            return f"must be {bound}"
    return None


def bounds(settings: type) -> dict[str, str]:
    """What the values of every bounded field must be, in words.

    Args:
        settings: a class derived from `Settings`.

    Example:
        >>> bounds(TrainedSettings)["margin"], bounds(Settings)
        ('positive', {'trials': 'at least 1'})
    """
    return {name: _phrase(hint) for name, hint in hints(settings).items() if _says(hint)}


def _phrase(hint: Any) -> str:
    phrases = []
    for arm in _arms(hint):
        inner, bounds = _unwrapped(arm)
        if get_origin(inner) is tuple:
            each = dict.fromkeys(filter(None, map(_phrase, _members(inner, 1))))
            phrases += [f"each {phrase}" for phrase in each]
        phrases += map(str, bounds)
    return "; ".join(phrases)
