"""What the command line sets in JAX before anything is computed; the library never does."""

from experiments.errors import UsageError

MOST_DEVICES = 1024
"""CPU devices are threads, and JAX makes as many as it is told."""


def configure(precision: str = "float64", devices: int | None = None) -> None:
    """Set precision, promotion rules, the number of devices, and a cache of compiled programs.

    Raises:
        UsageError: if the machine has not as many devices.
    """
    import jax
    import pooch

    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore
        # Compiling is most of a laptop run, and programs differ by settings, not by seed.
        jax.config.update("jax_compilation_cache_dir", str(pooch.os_cache("relu-theory") / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_enable_x64", precision == "float64")
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    if devices is not None:
        if not 1 <= devices <= MOST_DEVICES:
            raise UsageError(f"--devices is {devices} and must be from 1 to {MOST_DEVICES}.")
        jax.config.update("jax_num_cpu_devices", devices)
        jax.config.update("jax_cuda_visible_devices", ",".join(map(str, range(devices))))
        if jax.device_count() != devices:
            raise UsageError(
                f"--devices is {devices} but {jax.device_count()} are there; give at most as many."
            )
