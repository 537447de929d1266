"""Random keys derived by name: what a key is for is said where it is made, and numbered once."""

from enum import IntEnum

import jax
from jaxtyping import Array, Key


def named(key: Key[Array, ""], *names: IntEnum) -> Key[Array, ""]:
    """The key of a purpose: the numbers of its names folded in, one after the other.

    Purposes are numbered by an enumeration, once for all: a number that changes, changes what is
    drawn, so a new purpose takes a new number.

    Args:
        key: a typed JAX key.
        names: members of enumerations, from the widest purpose to the narrowest.

    Example:
        >>> class Drawn(IntEnum):
        ...     DATA = 0
        ...     NETWORK = 1
        >>> key = jax.random.key(0)
        >>> bool(named(key, Drawn.NETWORK) == jax.random.fold_in(key, 1))
        True
    """
    for name in names:
        key = jax.random.fold_in(key, name)
    return key
