"""Membership inference, example by example: do margins tell unlearned from retrained networks?

An attacker who may train networks of their own compares the margin at one example with those of
networks that never saw it (Carlini et al. 2022). Attacks on a population of examples at once
average the few that give themselves away, and overstate privacy.
"""

import numpy as np
from jaxtyping import Float


def auc_terms(
    unlearned: Float[np.ndarray, "members *examples"],
    retrained: Float[np.ndarray, "members *examples"],
) -> Float[np.ndarray, "members *examples"]:
    """One term per member whose mean is the area under the attacker's curve.

    The area is Mann and Whitney's P(a > b) + ½P(a = b), a a margin of an unlearned network and b
    one of a retrained one, over all pairs: ½ where the order of the two tells nothing, above where
    the margin is still too large, below where it fell too far, which tells as much. Its terms are
    those of DeLong et al. (1988) for networks a_i and b_i of one start, which are dependent: their
    mean is the area, and its standard error is that of a mean.

    Args:
        unlearned: margins of the unlearned networks.
        retrained: margins of the retrained ones, from the same starts.

    Example:
        >>> auc_terms(np.array([1.0, 3.0]), np.array([0.0, 2.0])).mean()
        np.float64(0.75)
    """
    above = np.heaviside(unlearned[:, None] - retrained[None, :], 0.5)
    return above.mean(axis=1) + above.mean(axis=0) - above.mean(axis=(0, 1))
