"""A prediction before each run: it is written down first and looked at afterwards."""

from typing import Any


def compare(guess: Any, seen: Any) -> None:
    """Print a guess beside what came out; ``...`` is no guess.

    Args:
        guess: a verdict's status, or a number.
        seen: what came out, of the same kind.

    Example:
        >>> compare("verified", "falsified")
        You guessed verified; it is falsified. What did you not expect?
        >>> compare("Verified", "verified")
        You guessed verified, and it is. Say why in one sentence.
        >>> compare(4, 12.0)
        You guessed 4; it is 12.
        >>> compare("many", 12.0)
        You guessed many; it is 12.
        >>> compare(..., "verified")
        No guess: it is verified. Guess before you look: one learns from surprises.
    """
    said = seen if isinstance(seen, str) else f"{seen:.3g}"
    if guess is ...:
        print(f"No guess: it is {said}. Guess before you look: one learns from surprises.")
    elif not isinstance(seen, str):
        number = f"{guess:.3g}" if isinstance(guess, float) else guess
        print(f"You guessed {number}; it is {said}.")
    elif str(guess).strip().lower() == seen:
        print(f"You guessed {seen}, and it is. Say why in one sentence.")
    else:
        print(f"You guessed {guess}; it is {said}. What did you not expect?")
