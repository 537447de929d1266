"""The model's six claims: what was measured, beside what would be measured were they empty."""

from typing import Any

from experiments.plots.estimates import Interval

CLAIMS = {
    1: "training first brings the boundary near to the data, then bends it about the points",
    2: "gradients point off the manifold",
    3: "limiting the derivatives off the manifold makes training harder",
    4: "adversarial training mainly deepens the dimples, and leaves the boundary elsewhere",
    5: "trained on adversarial images with wrong labels a network is right on clean ones",
    6: "perturbations on the manifold are longer than chance would have them",
}
"""In our words, by the notes' numbers."""


def claim(
    number: int, measured: str, effect: Interval, null: float, above: bool, beside: str = ""
) -> dict[str, Any]:
    """A line of the table of claims, for ``tables["claim"]`` of a summary.

    Args:
        number: of the claim.
        measured: what the effect is.
        effect: over networks, with its 95 % interval.
        null: what it is where there is nothing to the claim.
        above: whether the claim wants the effect above the null, or below.
        beside: what must be known besides.

    Returns:
        The line; it says "supported" where the whole interval is on the claim's side of the null,
        "not supported" where it is on the other, and otherwise "undecided".

    Example:
        >>> import numpy as np
        >>> effect = Interval(*map(np.array, (0.5, 0.4, 0.6)))
        >>> [claim(6, "R", effect, null, above=True)["says"] for null in (0.3, 0.55, 1.0)]
        ['supported', 'undecided', 'not supported']
    """
    low, high = float(effect.low) - null, float(effect.high) - null
    gap = (low, high) if above else (-high, -low)
    says = "supported" if gap[0] > 0 else "not supported" if gap[1] < 0 else "undecided"
    return {
        "claim": f"{number}: {CLAIMS[number]}",
        "measured": measured,
        "effect": effect.rounded(),
        "null": round(null, 4),
        "says": says,
        "beside": beside,
    }


def sentence(line: dict[str, Any]) -> str:
    """The line in words."""
    return f"Claim {line['claim']}. {line['says'].capitalize()}."
