"""One function over thousands of keys, or of other members, as one program."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, PartitionSpec
from jaxtyping import PyTree

Strategy = Literal["auto", "vmap", "map", "sharded"]

BATCHED = {"cpu": False}
"""Whether members are worth batching, by backend; they are elsewhere.

On a CPU batches take a third off the running, or add to it, but cost more in compiling, which
is most of the time there. An accelerator wants all the batch its memory can hold. Measured by
``relu-theory bench ensemble``; the numbers are in ``figures/bench/ensemble.json``.
"""

UNREPORTED = 2**30
"""Bytes of intermediates that one batch may hold where the device does not report its memory."""


def memory_budget(stats: Mapping[str, int] | None) -> int:
    """Bytes of intermediates that one batch may hold on a device.

    A quarter of what is free, since several programs may be there at once, down to a power of two:
    the size of a batch is part of its program, which a little less memory need not compile anew.

    Args:
        stats: as `jax.Device.memory_stats` reports them.

    Example:
        >>> memory_budget({"bytes_limit": 60 * 2**30, "bytes_in_use": 2**30}) // 2**30
        8
        >>> memory_budget(None) == UNREPORTED
        True
    """
    if not stats or "bytes_limit" not in stats:
        return UNREPORTED
    free = stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return 2 ** max(0, int(math.log2(max(1, free // 4))))


def ensemble(fn: Callable[[PyTree], PyTree], keys: PyTree, strategy: Strategy = "auto") -> PyTree:
    """Apply a function of a key to every key; outputs gain a leading axis of length n.

    Args:
        fn: a traceable function of one key, or of whatever a member is.
        keys: n keys, or any pytree whose leaves have a leading axis of n members.
        strategy: ``"map"`` runs the members one after another, ``"vmap"`` in batches that fit in
            the device's `memory_budget`, ``"sharded"`` splits them first over the devices of the
            mesh that is set (`jax.set_mesh`, one axis), which may be those of several processes, or
            else over all of this process. ``"auto"`` is sharded where a mesh is set or there are
            several devices, and otherwise as `BATCHED` says.

    Returns:
        The pytree of ``fn``, each leaf stacked over the keys; where a mesh is set, every device has
        all of it.

    Raises:
        ValueError: for a strategy of another name.

    Example:
        >>> keys = jax.random.split(jax.random.key(0), 4)
        >>> ensemble(lambda key: jax.random.normal(key, (3,)), keys).shape
        (4, 3)
    """
    if strategy not in get_args(Strategy):
        raise ValueError(f"strategy is {strategy!r} and must be one of {get_args(Strategy)}")
    several = _mesh_is_set() or jax.local_device_count() > 1
    if strategy == "sharded" or (strategy == "auto" and several):
        return _sharded(fn, keys)
    return _run(fn, keys, strategy)


def _run(fn, keys, strategy):
    """``map`` or batches on one device; a batch is a whole number of members, at least one."""
    batched = BATCHED.get(jax.default_backend(), True)
    if strategy == "map" or (strategy != "vmap" and not batched):
        return jax.lax.map(fn, keys)
    limit = memory_budget(jax.local_devices()[0].memory_stats())
    first = jax.tree.map(lambda leaf: leaf[0], keys)
    batch = max(1, min(limit // max(1, footprint(fn, first)), _members(keys)))
    return jax.lax.map(fn, keys, batch_size=None if batch == 1 else batch)


def _members(keys) -> int:
    return jax.tree.leaves(keys)[0].shape[0]


def footprint(fn: Callable[..., Any], *args: Any) -> int:
    """Bytes of all intermediate values of ``fn``, a loop body counted once.

    An upper bound on what one ensemble member needs, from the trace alone (nothing is compiled).

    Example:
        >>> footprint(lambda x: (x * 2).sum(), jnp.zeros(100, jnp.float32))
        404
    """
    return _jaxpr_bytes(jax.make_jaxpr(fn)(*args).jaxpr)


def _jaxpr_bytes(jaxpr) -> int:
    total = 0
    for equation in jaxpr.eqns:
        inner = [
            sub for sub in jax.tree.leaves(list(equation.params.values())) if hasattr(sub, "jaxpr")
        ]
        if inner:
            total += sum(_jaxpr_bytes(sub.jaxpr) for sub in inner)
        else:
            total += sum(math.prod(v.aval.shape) * v.aval.dtype.itemsize for v in equation.outvars)
    return total


def _mesh_is_set() -> bool:
    """Whether `jax.set_mesh` was called, and this is not a share of a device of it already."""
    mesh = jax.sharding.get_abstract_mesh()
    return not mesh.empty and AxisType.Manual not in mesh.axis_types


def _sharded(fn, keys):
    """Split the keys over all devices (the last key repeated to make the shares equal)."""
    whole = _mesh_is_set()
    mesh = jax.sharding.get_abstract_mesh() if whole else Mesh(jax.local_devices(), ("members",))
    spec = PartitionSpec(*mesh.axis_names)
    n, shares = _members(keys), mesh.size
    which = jnp.minimum(jnp.arange(-(-n // shares) * shares), n - 1)
    padded = jax.tree.map(lambda leaf: leaf[which], keys)
    run = jax.shard_map(
        lambda part: _run(fn, part, "auto"),
        mesh=mesh,
        in_specs=spec,
        out_specs=spec,
        check_vma=False,
    )
    stacked = jax.tree.map(lambda leaf: leaf[:n], run(padded))
    # What other processes computed cannot be read until it is here.
    return jax.lax.with_sharding_constraint(stacked, PartitionSpec()) if whole else stacked
