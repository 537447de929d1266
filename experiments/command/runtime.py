"""What the command line sets in JAX before anything is computed; the library never does."""

import gc

from experiments.effort import compile_quickly
from experiments.errors import UsageError

MOST_DEVICES = 1024
"""CPU devices are threads, and JAX makes as many as it is told."""


def collect_seldom() -> None:
    """Look for garbage less often than Python does by itself.

    Tracing makes many small objects that live long, and to look through all of them at the default
    pace was a quarter of its time.
    """
    gc.freeze()
    gc.set_threshold(200_000, 50, 50)


def configure(precision: str, devices: int | None, level: int) -> None:
    """Set precision, promotion rules, the number of devices, how hard the compiler tries, and a
    cache of compiled programs.

    Raises:
        UsageError: if the machine has not as many devices.
    """
    compile_quickly(level)
    import jax
    import pooch

    collect_seldom()
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore
        # Compiling is most of a laptop run, and programs differ by settings, not by seed.
        jax.config.update("jax_compilation_cache_dir", str(pooch.os_cache("relu-theory") / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_enable_x64", precision == "float64")
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    if devices is not None:
        if not 1 <= devices <= MOST_DEVICES:
            raise UsageError(f"--devices is {devices} and must be from 1 to {MOST_DEVICES}.")
        jax.config.update("jax_num_cpu_devices", devices)
        jax.config.update("jax_cuda_visible_devices", ",".join(map(str, range(devices))))
        if (there := jax.local_device_count()) != devices:
            raise UsageError(f"--devices is {devices} but {there} are there; give at most as many.")
