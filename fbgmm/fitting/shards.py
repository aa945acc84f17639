"""Compiled fits on one device, or on the devices that hold a sharded array.

Counts add up: each device counts the points it holds, one all-reduce of n numbers adds the counts, and each then makes
the same weights. JAX's own runtime does the rest, over several hosts too (docs/clusters.md).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .._typing import AnyArray
from ..mixture import Mixture
from .engine import Options, fit_data, fit_points
from .prepare import Points

fit_on_host = jax.jit(fit_data, static_argnames="options")
_on_one_device = jax.jit(fit_points, static_argnames="options")


def run(points: Points, n: AnyArray, t: AnyArray, options: Options) -> Mixture:
    """`fit_points`, compiled, on the devices where the points lie.

    Raises:
        ValueError: points spread over devices for an algorithm whose states do not add up.
    """
    x = points.x
    sharding = None if isinstance(x, jax.core.Tracer) else getattr(x, "sharding", None)
    if not isinstance(sharding, NamedSharding):
        return _on_one_device(points, n, t, options)
    spec = PartitionSpec(*sharding.spec, *[None] * (x.ndim - len(sharding.spec)))
    if spec[-1] is not None and not sharding.is_fully_replicated and options.algorithm.merge is None:
        raise ValueError("x is spread over devices by points, but the states of this algorithm do not add up")
    return _on_mesh(sharding.mesh, spec, tuple(a is not None for a in points), options)(points, n, t)


@lru_cache
def _on_mesh(mesh: Mesh, spec: PartitionSpec, given: tuple[bool, ...], options: Options) -> Callable[..., Mixture]:
    rows, axes = PartitionSpec(*spec[:-1]), spec[-1]
    devices = () if axes is None else axes if isinstance(axes, tuple) else (axes,)
    specs = Points(*(s if there else None for s, there in zip((spec, spec, rows, rows), given, strict=True)))
    whole = PartitionSpec()
    local = partial(fit_points, options=options, devices=devices)
    # check_vma: conditionals and loops inside the count have no rule for varying types.
    return jax.jit(jax.shard_map(local, mesh=mesh, in_specs=(specs, whole, whole), out_specs=rows, check_vma=False))
