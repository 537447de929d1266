"""What comparisons there are. Nothing here imports what must be pinned first."""

from typing import NamedTuple


class Comparison(NamedTuple):
    """A function of a module, ``function(progress) -> rows``, and what its process may use."""

    module: str
    function: str
    one_core: bool = True
    """whether it has one thread on one core, as each program of `verify` has"""
    torch: bool = False
    """whether PyTorch has arms"""


COMPARISONS = {
    "training": Comparison("training", "training", torch=True),
    "throughput": Comparison("training", "throughput", torch=True),
    "span": Comparison("span", "span"),
    "verify": Comparison("verification", "verify", one_core=False),
    "ensemble": Comparison("theorems", "in_batches"),
    "compile": Comparison("theorems", "by_effort"),
    "kernels": Comparison("kernels", "kernels"),
    "et3": Comparison("defence", "cost"),
}
