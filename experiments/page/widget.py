"""The page in a notebook, by anywidget: its settings are the widget's, either way."""

from functools import cache
from typing import Any

from experiments.errors import UsageError
from experiments.page import markup, script

DEFAULTS = {
    "d": 58,
    "ell": 48,
    "width": 100,
    "scale": 1.0,
    "learning_rate": 4.0,
    "weight_decay": 0.0,
    "fraction": 1.0,
    "seed": 0,
}
"""As settings.js has them: σ in units of 1/√d, η in units of 1/d."""


def Playground(**settings: float) -> Any:
    """The page as a widget; each of its settings is an attribute that follows the sliders.

    Args:
        settings: `DEFAULTS` by name, where they are to begin with others.

    Raises:
        UsageError: anywidget is not installed, or there is no such setting.
    """
    unknown = settings.keys() - DEFAULTS.keys()
    if unknown:
        names = ", ".join(DEFAULTS)
        raise UsageError(f"{', '.join(sorted(unknown))} is no setting; there are {names}.")
    return _widget()(**settings)


def module() -> str:
    """What the browser runs: a module whose ``render`` shows the page for a widget's model."""
    return f"{script('widget')}\nexport default {{ render: widget.render }};"


@cache
def _widget() -> type:
    try:
        import anywidget  # pyright: ignore[reportMissingImports]
        import traitlets  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UsageError(
            f"What shows the page in a notebook is not installed ({error}): "
            "pip install 'relu-theory[notebook]'."
        ) from None
    kinds = {int: traitlets.Int, float: traitlets.Float}
    members: dict[str, Any] = {
        name: kinds[type(value)](value).tag(sync=True) for name, value in DEFAULTS.items()
    }
    members["markup"] = traitlets.Unicode(markup()).tag(sync=True)
    members["_esm"] = module()
    return type("Playground", (anywidget.AnyWidget,), members)
