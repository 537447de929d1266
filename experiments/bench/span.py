"""`bench span`: what training costs against the dimension, in the span and in full dimension."""

from collections.abc import Sequence
from typing import Any

import jax

from experiments.bench import jax_arms, rates
from experiments.bench.problems import Arm, Shape, problem
from experiments.bench.proof import prove
from experiments.bench.timing import Repeat, interleaved, ratio, row
from experiments.experiment import Progress

N, M = 50, 200
DIMENSIONS = (256, 1024, 4096, 16_384)
STEPS = 200

FULL, SPAN, START, STEPPING = "full dimension", "span", "span, no step", "span, steps alone"
"""Ways to train; the last is the difference of the two before."""

WAYS: dict[str, tuple[Arm, int]] = {
    FULL: (jax_arms.arm(jax_arms.in_full), STEPS),
    SPAN: (jax_arms.arm(jax_arms.in_span), STEPS),
    START: (jax_arms.arm(jax_arms.in_span), 0),
}


def span(progress: Progress) -> list[dict[str, Any]]:
    """One network in the span of its data, in full dimension, and without a step: by dimension.

    What is left of the first without the third are the steps alone, free of d.
    """
    equal, compiling, ready = {}, {}, {}
    for done, d in enumerate(DIMENSIONS):
        progress(done / (1 + len(DIMENSIONS)), f"proof, d = {d}")
        shape = Shape(N, d, M)
        equal[d] = prove({way: WAYS[way][0] for way in (FULL, SPAN)}, shape, networks=1)
        with jax.enable_x64(False):
            given = problem(shape, 1, "float32")
            for way, (arm, steps) in WAYS.items():
                ready[d, way] = arm(given, steps)
        compiling[d] = {way: ready[d, way].compile for way in WAYS}
    progress(1 - 1 / (1 + len(DIMENSIONS)), "all dimensions in turn")
    found = rates.rates()
    with jax.enable_x64(False):
        # All in turn, so that dimensions can be compared too.
        times = interleaved({f"{d} {way}": one.run for (d, way), one in ready.items()}, 40)
    rows, first = list(found.rows), None
    for d in DIMENSIONS:
        repeats = {way: times[f"{d} {way}"] for way in WAYS}
        repeats[STEPPING] = difference(repeats[SPAN], repeats[START])
        if d == 1024:
            first = repeats
        one = row(f"training of one network, d = {d}, {STEPS} steps", SPAN, repeats, compiling[d])
        shape = Shape(N, d, M)
        work = {
            FULL: rates.in_full_work(shape, 1, STEPS),
            SPAN: rates.in_span_work(shape, 1, STEPS),
            STEPPING: rates.in_span_work(Shape(N, 0, M), 1, STEPS),
        }
        for way, of in work.items():
            one["run"][way] |= rates.fractions(of, one["run"][way]["median"], found)
        if first is not None:
            one["times_d_1024"] = {way: ratio(repeats[way], first[way]) for way in repeats}
        sizes = {"n": N, "d": d, "m": M, "steps": STEPS, "networks": 1}
        rows.append(one | {"largest_difference": equal[d], "sizes": sizes})
    return rows


def difference(whole: Sequence[Repeat], part: Sequence[Repeat]) -> list[Repeat]:
    """What of each round's time is left, noisy where either is.

    Example:
        >>> difference([Repeat(3.0, 0.0)], [Repeat(1.0, 0.5)])
        [Repeat(seconds=2.0, waited=0.5)]
    """
    return [
        Repeat(
            one.seconds - other.seconds,
            None if one.waited is None or other.waited is None else max(one.waited, other.waited),
        )
        for one, other in zip(whole, part, strict=True)
    ]
