"""What suits a set of data, where the settings of an experiment leave it open."""

from typing import Any, TypeVar

Suited = TypeVar("Suited", bound=Any)
"""A named tuple, of fields that the settings have too."""


def filled(settings: Any, suited: Suited) -> Suited:
    """What the settings give, and what suits the data where they give None or have no such field.

    Example:
        >>> from collections import namedtuple
        >>> Sizes = namedtuple("Sizes", "width epochs")
        >>> filled(Sizes(width=7, epochs=None), Sizes(width=128, epochs=60))
        Sizes(width=7, epochs=60)
    """
    given = {name: getattr(settings, name, None) for name in suited._fields}
    return suited._replace(**{name: x for name, x in given.items() if x is not None})
