"""One comparison, in this process: its result as JSON on stdout. `relu-theory bench` starts it."""

import sys
from importlib import import_module

from experiments import effort, machine
from experiments.bench.comparisons import COMPARISONS
from experiments.command.progress import bar


def main(name: str) -> int:
    """Pin what is to be pinned, then import, measure and print."""
    comparison = COMPARISONS[name]
    if comparison.one_core and not effort.accelerators():
        machine.one_thread()
    from experiments.command.runtime import configure

    # Trials of theorems are compiled as `verify` compiles them, anything else as JAX does.
    trials = comparison.module == "theorems"
    configure("float64", None, effort.BY_PRESET["course"] if trials else effort.DEFAULT)
    import jax

    from experiments.bench.proof import Unequal
    from experiments.results import store

    jax.config.update("jax_enable_compilation_cache", False)  # compiling is measured too
    measure = getattr(import_module(f"experiments.bench.{comparison.module}"), comparison.function)
    before = machine.load()
    try:
        with bar(f"bench {name}") as progress:
            rows = measure(progress)
    except Unequal as error:
        print(f"relu-theory: bench {name}: {error}", file=sys.stderr)
        return 1
    result = {
        "comparison": name,
        "rows": rows,
        "load": {"before": before, "after": machine.load()},
        "environment": store.environment(),
        "machine": machine.facts(),
    }
    print(store.to_json(result), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
