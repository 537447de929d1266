"""What `--verbose` and `--log` write: programs as they are compiled or found, and their seconds."""

import logging
import sys
from functools import cache
from pathlib import Path
from threading import local
from typing import Any

from experiments.errors import UsageError

OURS = logging.getLogger("experiments")
"""Above the loggers of all modules, which bear their names."""

log = logging.getLogger(__name__)


class _Said(logging.Handler):
    """To what is stderr at the time: a bar that is drawn there puts lines above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def begin(verbose: bool, file: Path | None) -> None:
    """Write from now on what was asked for, to stderr, to the end of a file, or both.

    Raises:
        UsageError: the file cannot be written to.
    """
    for old in OURS.handlers[:]:
        OURS.removeHandler(old)
        old.close()
    if verbose:
        OURS.addHandler(_Said())
    if file is not None:
        try:
            OURS.addHandler(logging.FileHandler(file, encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"--log {file} cannot be written ({error.strerror}).") from None
    for handler in OURS.handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    OURS.setLevel(logging.INFO if OURS.handlers else logging.WARNING)


@cache
def follow_jax() -> None:
    """Log what JAX says of its compiler and its cache of compiled programs, once per process."""
    import jax

    here = local()  # several threads compile at once

    def found(event: str, **_: Any) -> None:
        if event == "/jax/compilation_cache/cache_hits":
            here.found = True

    def ready(event: str, duration_secs: float, **said: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            how = "found in JAX's cache" if getattr(here, "found", False) else "compiled"
            log.info("%s: %s in %.2f s", said.get("fun_name", "a program"), how, duration_secs)
            here.found = False

    jax.monitoring.register_event_listener(found)
    jax.monitoring.register_event_duration_secs_listener(ready)
