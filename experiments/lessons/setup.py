"""The first cell of a lesson."""

from importlib.metadata import version

from experiments.command.first import hidden
from experiments.effort import BY_PRESET, compile_quickly


def begin() -> None:
    """Compute in double precision, compile quickly, and say which versions are at work.

    Called before anything is computed; a notebook that has computed already goes on as it is, only
    more slowly.

    Raises:
        ImportError: a folder named as a package of ours is hides it.
    """
    if (said := hidden()) is not None:
        raise ImportError(said)
    compile_quickly(BY_PRESET["course"])
    import jax

    jax.config.update("jax_enable_x64", True)
    names = ("relu-theory", "jax", "numpy")
    said = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"{said}, on {jax.devices()[0].device_kind}, in float64. Ready.")
