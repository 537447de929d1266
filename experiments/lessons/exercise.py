"""Exercises: a check accepts every right answer and says of a wrong one what is wrong with it."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple


class Unsolved(Exception):
    """Raised by a check where there is no answer yet, as by a function that returns nothing."""


class Outcome(NamedTuple):
    """What a check says of an answer."""

    status: Literal["right", "wrong", "unsolved"]
    text: str

    def __str__(self) -> str:
        sign = {"right": "✓ Right.", "wrong": "✗ Not yet.", "unsolved": "… Not solved yet."}
        return f"{sign[self.status]} {self.text}".rstrip()


class Exercise(NamedTuple):
    """A check that is called with an answer and prints what it finds.

    Attributes:
        hint: gives a hint where an answer is wrong, None where it is right.
        why: said of a right answer: what it shows.
    """

    hint: Callable[[Any], str | None]
    why: str

    def judge(self, answer: Any) -> Outcome:
        """What the check says of an answer; ``...`` is none."""
        if answer is ...:
            return Outcome("unsolved", "Put your answer in place of the three dots.")
        if _is_nan(answer):  # of which no comparison is true: it could pass for anything
            return Outcome("wrong", "That is NaN, no number: where does it come from?")
        try:
            hint = self.hint(answer)
        except Unsolved as missing:
            return Outcome("unsolved", str(missing))
        # Whatever a student's function raises is an answer too.
        except Exception as error:
            said = str(error).partition("\n")[0]
            return Outcome("wrong", f"Checking it ended in {type(error).__name__}: {said}")
        return Outcome("right", self.why) if hint is None else Outcome("wrong", hint)

    def __call__(self, answer: Any) -> None:
        print(self.judge(answer))


def _is_nan(answer: Any) -> bool:
    try:
        return math.isnan(answer)
    except Exception:  # no number at all
        return False


def exercise(why: str) -> Callable[[Callable[[Any], str | None]], Exercise]:
    """Make an exercise of a function that gives a hint for a wrong answer, None for a right one.

    Example:
        >>> @exercise("Even numbers are those that 2 divides.")
        ... def even(answer):
        ...     return None if answer % 2 == 0 else "Divide it by 2: is anything left?"
        >>> for answer in 4, 3, ...:
        ...     even(answer)
        ✓ Right. Even numbers are those that 2 divides.
        ✗ Not yet. Divide it by 2: is anything left?
        … Not solved yet. Put your answer in place of the three dots.
    """
    return lambda hint: Exercise(hint, why)
