"""`bench training` and `bench throughput`: ensembles of networks by this package and by PyTorch."""

import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax

from experiments.bench import jax_arms, rates, torch_arms
from experiments.bench.problems import Arm, Problem, Ready, Shape, as_numpy, descend, problem
from experiments.bench.proof import apart, prove
from experiments.bench.timing import compare
from experiments.experiment import Progress

SHAPES = (Shape(50, 400, 200), Shape(50, 2000, 200), Shape(20, 10_000, 100))
STEPS = 1000
DRAWN_STEPS = 200
"""Of the rows in which the drawing of the networks counts."""

FULL_STEPS = 50
"""Of the rows that have arms in full dimension, whose steps all take the same time."""

NETWORKS = {"cpu": 8}
"""Networks of an ensemble by backend; 688 on an accelerator."""

SIZES = {"cpu": (1, 2, 4, 8, 16, 32, 64)}
"""Sizes of ensembles by backend; up to 1024 on an accelerator."""

OURS = "train_in_span"

GRAM: Mapping[str, Arm] = {
    OURS: jax_arms.arm(jax_arms.in_span),
    f"{OURS}, batched": jax_arms.arm(partial(jax_arms.in_span, strategy="vmap")),
}
"""The algorithm in the span of the data."""

FULL: Mapping[str, Arm] = {"train, full dimension": jax_arms.arm(jax_arms.in_full)}

TORCH_GRAM: Mapping[str, Arm] = {
    "PyTorch, Gram": torch_arms.arm(torch_arms.gram),
    "PyTorch, Gram, one by one": torch_arms.arm(torch_arms.gram_one_by_one),
}
TORCH_FULL: Mapping[str, Arm] = {
    "PyTorch, loop with autograd": torch_arms.arm(torch_arms.loop),
    "PyTorch, bmm by hand": torch_arms.arm(torch_arms.bmm),
    "PyTorch, torch.func.vmap": torch_arms.arm(torch_arms.vmap),
}


def arms(full: bool) -> dict[str, Arm]:
    """The arms that can run here: those of the Gram matrix, or all."""
    chosen = {**GRAM, **(FULL if full else {})}
    if torch_arms.installed():
        chosen |= {**TORCH_GRAM, **(TORCH_FULL if full else {})}
    return chosen


def training(progress: Progress) -> list[dict[str, Any]]:
    """The algorithm in the span by both libraries; with drawing; against full dimension; cold."""
    progress(0.0, "rates")
    found = rates.rates()
    rows = list(found.rows)
    networks = NETWORKS.get(jax.default_backend(), 688)
    for done, shape in enumerate(SHAPES):
        progress((1 + done) / (2 + len(SHAPES)), f"training, n, d, m = {tuple(shape)}")
        equal = prove(arms(full=True), shape)
        given = problem(shape, networks, "float32")
        for steps, full in ((STEPS, False), (FULL_STEPS, True)):
            rows.append(_row(given, shape, arms(full), steps, found, equal))
        rows.append(_drawn(given, shape))
    progress(1 - 1 / (2 + len(SHAPES)), "processes")
    return [*rows, *_cold(networks)]


def _said(shape: Shape, networks: int, steps: int) -> str:
    n, d, m = shape
    return f"{networks} networks, n, d, m = {n}, {d}, {m}, {steps} steps"


def _row(
    given: Problem,
    shape: Shape,
    chosen: Mapping[str, Arm],
    steps: int,
    found: rates.Rates,
    equal: float,
    seconds: float = 10.0,
) -> dict[str, Any]:
    """Arms on one problem, with the shares of the machine's rates that they reach."""
    networks = len(given.w)
    with jax.enable_x64(False):
        ready = {name: arm(given, steps) for name, arm in chosen.items()}
        row = compare(_said(shape, networks, steps), OURS, ready, seconds)
    counted = {True: rates.in_full_work, False: rates.in_span_work}
    for name, way in row["run"].items():
        work = counted[name in {*FULL, *TORCH_FULL}](shape, networks, steps)
        way |= rates.fractions(work, way["median"], found)
    sizes = {"networks": networks, "steps": steps, **shape._asdict()}
    return row | {"largest_difference": equal, "sizes": sizes}


def _drawn(given: Problem, shape: Shape) -> dict[str, Any]:
    """The algorithm in the span by both libraries, the drawing of the networks included."""
    chosen = {f"draw, {OURS}": (jax_arms.arm(jax_arms.drawn_in_span), drawn_by_jax)}
    if torch_arms.installed():
        drawn = torch_arms.arm(torch_arms.drawn_gram), drawn_by_torch
        chosen["PyTorch, draw, Gram"] = drawn
    few = problem(shape, 2, "float64")
    with jax.enable_x64(True):
        for name, (arm, draw) in chosen.items():
            start = draw(few)
            trained = as_numpy(arm(few, DRAWN_STEPS).run())
            apart(name, trained, descend(start, DRAWN_STEPS), start.w)
    with jax.enable_x64(False):
        ready = {name: arm(given, DRAWN_STEPS) for name, (arm, _) in chosen.items()}
        what = f"{_said(shape, len(given.w), DRAWN_STEPS)} and drawing"
        return compare(what, f"draw, {OURS}", ready)


def drawn_by_jax(given: Problem) -> Problem:
    """The problem with the networks that `jax_arms.drawn_in_span` draws, in NumPy."""
    drawn = jax_arms.draw(Problem(*map(jax.numpy.asarray, given)))
    return Problem(*map(as_numpy, drawn))


def drawn_by_torch(given: Problem) -> Problem:
    """The problem with the networks that `torch_arms.drawn_gram` draws, in NumPy."""
    return Problem(*map(as_numpy, torch_arms.draw(torch_arms.tensors(given, torch_arms.device()))))


def _cold(networks: int) -> list[dict[str, Any]]:
    """Processes from start to end, and those that only import."""
    asked = f"{tuple(SHAPES[0])}, {networks}, {STEPS}"
    whole = {OURS: f"from experiments.bench.jax_arms import once; once({asked})"}
    imports = {"JAX and theory": "import theory", "Python": "pass"}
    if torch_arms.installed():
        given = f"{asked}, {torch_arms.device()!r}"
        code = f"from experiments.bench.torch_arms import once; once({given})"
        whole["PyTorch, Gram"] = code
        imports["PyTorch"] = "import torch"
    return [
        compare(what, next(iter(codes)), {name: _process(code) for name, code in codes.items()})
        for what, codes in (
            (f"a process, {_said(SHAPES[0], networks, STEPS)}", whole),
            ("a process that imports", imports),
        )
    ]


def _process(code: str) -> Ready:
    return Ready(partial(subprocess.run, [sys.executable, "-c", code], check=True))


def throughput(progress: Progress) -> list[dict[str, Any]]:
    """Networks times steps a second against the size of the ensemble."""
    found = rates.rates()
    rows = list(found.rows)
    chosen = arms(full=False)
    shape = SHAPES[0]
    equal = prove(chosen, shape)
    sizes = SIZES.get(jax.default_backend(), tuple(2**k for k in range(0, 11, 2)))
    for done, networks in enumerate(sizes):
        progress(done / len(sizes), f"{networks} networks")
        given = problem(shape, networks, "float32")
        rows.append(_row(given, shape, chosen, DRAWN_STEPS, found, equal, seconds=5))
    return rows
