"""The proof that all arms compute the same, in float64, before any is timed."""

from collections.abc import Mapping

import jax
import numpy as np

from experiments.bench.problems import Arm, Ready, Shape, as_numpy, descend, problem

EQUAL = 1e-6
"""By how much of the largest change of a weight an arm may differ from NumPy."""

PROOF = 100
"""Steps of the proof, on networks of the sizes that are timed."""


class Unequal(AssertionError):
    """Two ways do not compute the same: then there is nothing to time."""


def prove(arms: Mapping[str, Arm], shape: Shape, steps: int = PROOF, networks: int = 2) -> float:
    """The largest difference of any arm from NumPy in float64, over the largest change of a weight.

    Args:
        arms: by name.
        shape: of the networks.
        steps: of training.
        networks: how many.

    Raises:
        Unequal: some arm differs by more than `EQUAL`.
    """
    given = problem(shape, networks, "float64")
    expected = descend(given, steps)
    differences = {}
    with jax.enable_x64(True):
        for name, arm in arms.items():
            differences[name] = apart(name, as_numpy(arm(given, steps).run()), expected, given.w)
    return max(differences.values())


def apart(name: str, found: np.ndarray, expected: np.ndarray, start: np.ndarray) -> float:
    """The largest difference of weights from what they should be, over their largest change.

    Raises:
        Unequal: it is above `EQUAL`, or no number.

    Example:
        >>> apart("half a step", np.ones(2), np.full(2, 2.0), np.zeros(2))
        Traceback (most recent call last):
        experiments.bench.proof.Unequal: half a step: differs by 5.0e-01 of the largest change...
    """
    largest = float(np.abs(found - expected).max() / np.abs(expected - start).max())
    if not largest <= EQUAL:
        raise Unequal(
            f"{name}: differs by {largest:.1e} of the largest change from the same maths in NumPy, "
            f"{EQUAL:.0e} is allowed; nothing is timed."
        )
    return largest


def agree(ways: Mapping[str, Ready]) -> float:
    """The largest difference between what the ways give, of any array over its largest entry.

    Raises:
        Unequal: it is above `EQUAL`, or no number.

    Example:
        >>> agree({"one": Ready(lambda: [np.ones(2)]), "other": Ready(lambda: [np.ones(2)])})
        0.0
    """
    (name, first), *others = ((name, ready.run()) for name, ready in ways.items())
    largest = 0.0
    for other, found in others:
        for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(found), strict=True):
            a, b = np.asarray(a, float), np.asarray(b, float)
            gap = float(np.abs(a - b).max() / max(np.abs(a).max(), np.finfo(float).tiny))
            if not gap <= EQUAL:
                raise Unequal(f"{name} and {other} differ by {gap:.1e} of the largest number.")
            largest = max(largest, gap)
    return largest
