"""The machine that computes, and what a process may use of it."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "NPROC": "1",  # the size of XLA's pool of threads
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
"""Read by the libraries when they are imported."""

LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "optax", "torch")


def one_core() -> None:
    """Keep this process, and those that it starts, on one core, where the system lets it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def one_thread() -> None:
    """Compute with one thread on one core.

    Before NumPy, JAX or PyTorch are imported: they make their threads then.
    """
    flags = f"{os.environ.get('XLA_FLAGS', '')} {ONE_THREAD['XLA_FLAGS']}".strip()
    os.environ |= ONE_THREAD | {"XLA_FLAGS": flags}
    one_core()


def cores() -> int:
    """The cores that this process may use.

    Example:
        >>> cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def facts() -> dict[str, Any]:
    """Processor, memory, system, libraries, and what pins the threads."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "cores_used": cores(),
        "memory_gb": memory_gb(),
        "system": platform.platform(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "threads": {name: os.environ[name] for name in ONE_THREAD if name in os.environ},
    }


def load() -> float | None:
    """Processes that ran or waited for a core, averaged by the system over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def commit() -> str | None:
    """The commit of the source, with a ``+`` where files of it have changed since."""
    folder = Path(__file__).parent.parent
    if not (folder / ".git").exists():  # installed: whatever repository is above is another
        return None
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(folder), *command], capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in (
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "--", "theory", "experiments"],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + "+" * bool(changes)


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's model, or what the system says instead.

    Example:
        >>> isinstance(processor(), str)
        True
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.processor())


def memory_gb() -> float | None:
    """The memory of the machine in GiB, None where the system does not say.

    Example:
        >>> (memory_gb() or 1.0) > 0
        True
    """
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    return round(total / 2**30, 1)
