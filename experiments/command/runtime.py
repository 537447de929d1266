"""What the command line sets in JAX before anything is computed; the library never does."""

import gc
import os
from importlib.metadata import entry_points
from importlib.util import find_spec

from experiments.errors import UsageError

MOST_DEVICES = 1024
"""CPU devices are threads, and JAX makes as many as it is told."""


EFFORT = {"smoke": 0, "course": 1, "paper": 1}
"""XLA's optimisation level by preset, where there is a CPU only.

Compiling is most of a laptop run. At level 1 it takes about half of the time that it takes at the
default, 3, and programs run as fast; at level 0 a third, and they run three to five times slower,
which is right where that takes milliseconds. Measured by ``relu-theory bench compile``; the numbers
are in ``figures/bench/compile.json``.
"""


def compile_quickly(effort: int) -> None:
    """Ask XLA for this optimisation level, unless the user chose, or there is an accelerator.

    XLA reads it once, before its first program.
    """
    chosen = os.environ.get("XLA_FLAGS", "")
    accelerators = entry_points(group="jax_plugins") or find_spec("libtpu")
    if "xla_backend_optimization_level" in chosen or accelerators:
        return
    flags = f"--xla_backend_optimization_level={effort} --xla_cpu_use_fusion_emitters=false"
    os.environ["XLA_FLAGS"] = f"{chosen} {flags}".strip()


def configure(precision: str, devices: int | None, effort: int) -> None:
    """Set precision, promotion rules, the number of devices, how hard the compiler tries, and a
    cache of compiled programs.

    Raises:
        UsageError: if the machine has not as many devices.
    """
    compile_quickly(effort)
    import jax
    import pooch

    # Tracing makes many small objects that live long: to look through all of them at Python's
    # default pace is a quarter of its time.
    gc.freeze()
    gc.set_threshold(200_000, 50, 50)

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
