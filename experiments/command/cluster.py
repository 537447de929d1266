"""Several processes, on one machine or on many, as one run, by JAX's distributed engine."""

import atexit
import subprocess
import sys

from experiments.errors import UsageError

HEARTBEAT = 20
"""Seconds without a sign of life after which a process is taken for dead, and the others end."""

WATCHING = """
import sys
if sys.stdin.read() != "done":
    print("relu-theory: a process of this run died or could not be reached, so all end; "
          "what is stored by now is not computed again.", file=sys.stderr)
"""
"""JAX aborts the others in C++, where no Python is left to say why: a process of its own does."""


def join(coordinator: str, processes: int | None, process: int | None) -> None:
    """Become one of the processes of a run.

    Args:
        coordinator: HOST:PORT at which process 0 is found; ``auto`` where SLURM, MPI or a cloud TPU
            says all three.
        processes: how many there are.
        process: which one this is, from 0.

    Raises:
        UsageError: for an address or a number that cannot be, or where nothing can be detected.
    """
    import jax

    if coordinator == "auto":
        if (processes, process) != (None, None):
            raise UsageError("--coordinator auto finds --processes and --process by itself.")
    else:
        _check(coordinator, processes, process)
    watcher = subprocess.Popen(
        [sys.executable, "-c", WATCHING], stdin=subprocess.PIPE, text=True, start_new_session=True
    )
    atexit.register(watcher.communicate, "done")
    try:
        jax.distributed.initialize(
            None if coordinator == "auto" else coordinator,
            processes,
            process,
            initialization_timeout=60,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=HEARTBEAT,
        )
    except (ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"The processes do not find each other at --coordinator {coordinator} ({reason}); "
            "start all within a minute, with one address."
        ) from error


def _check(coordinator: str, processes: int | None, process: int | None) -> None:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UsageError(f"--coordinator is {coordinator!r} and must be HOST:PORT, or auto.")
    if processes is None or process is None:
        raise UsageError("--coordinator needs --processes and --process beside it.")
    if not 0 <= process < processes:
        raise UsageError(
            f"--process is {process} and must be from 0 to {processes - 1}, below --processes."
        )
