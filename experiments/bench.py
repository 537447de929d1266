"""`bench`: the performance comparisons, each a ratio of times measured in one run."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.experiment import Progress
from theory.ensemble import ensemble, footprint
from theory.networks import two_layer_relu
from theory.subspace.scene import draw_scene, train_scene
from theory.subspace.settings import Settings
from theory.training import hidden_layer_only, train, train_in_span

Row = dict[str, Any]


def seconds(function: Callable[..., Any], *args: Any, repeats: int = 5) -> tuple[float, float]:
    """(compile, run) seconds of a jitted function: the run is the best of ``repeats``."""
    start = time.perf_counter()
    compiled = jax.jit(function).lower(*args).compile()
    compiling = time.perf_counter() - start
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*args))
        times.append(time.perf_counter() - start)
    return compiling, min(times)


def bench_ensemble(progress: Progress) -> list[Row]:
    """One member after another against batches, by the size of a member."""
    rows = []
    sizes = (2, 8, 32, 64, 128)
    keys = jax.random.split(jax.random.key(0), 256)
    for done, ell in enumerate(sizes):
        progress(done / len(sizes), f"ensemble, ℓ = {ell}")
        settings = Settings(ell=ell, d=ell + 4, width=max(4, ell // 2), samples=4, steps=50)

        def member(key, settings=settings):
            return train_scene(settings, draw_scene(settings, key)).network.w

        times = {s: seconds(partial(ensemble, member, strategy=s), keys) for s in ("map", "vmap")}
        rows.append(
            {
                "what": f"vmap against map, {footprint(member, keys[0]) // 1024} kB a member",
                "compile": {s: t[0] for s, t in times.items()},
                "run": {s: t[1] for s, t in times.items()},
                "speed_up": times["map"][1] / times["vmap"][1],
            }
        )
    return rows


def bench_span(progress: Progress) -> list[Row]:
    """Training in the span of the data against training in full dimension, 200 steps."""
    rows = []
    dimensions = (100, 1000, 10_000)
    for done, d in enumerate(dimensions):
        progress(done / len(dimensions), f"span, d = {d}")
        key_net, key_x, key_y = jax.random.split(jax.random.key(1), 3)
        net = two_layer_relu(key_net, d, 100)
        x = jax.random.normal(key_x, (20, d))
        y = jax.random.rademacher(key_y, (20,), dtype=x.dtype)
        optimizer = optax.sgd(4 / d)

        def full(net, x, y, optimizer=optimizer):
            return train(net, x, y, optimizer=hidden_layer_only(optimizer), steps=200).network.w

        def reduced(net, x, y, optimizer=optimizer):
            return train_in_span(net, x, y, optimizer=optimizer, steps=200).network.w

        times = {
            "full": seconds(full, net, x, y, repeats=2),
            "span": seconds(reduced, net, x, y, repeats=2),
        }
        difference = jnp.max(jnp.abs(jax.jit(full)(net, x, y) - jax.jit(reduced)(net, x, y)))
        rows.append(
            {
                "what": f"span against full dimension, d = {d}",
                "compile": {s: t[0] for s, t in times.items()},
                "run": {s: t[1] for s, t in times.items()},
                "speed_up": times["full"][1] / times["span"][1],
                "largest_difference": float(difference),
            }
        )
    return rows


COMPARISONS: dict[str, Callable[[Progress], list[Row]]] = {
    "ensemble": bench_ensemble,
    "span": bench_span,
}
