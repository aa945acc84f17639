"""Compiled fits on one device, or on the devices that hold a sharded array.

Counts add up: each device counts the points it holds, one all-reduce of n numbers adds the counts, and each then makes
the same weights. JAX's own runtime does the rest, over several hosts too (docs/clusters.md).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .._typing import AnyArray, Array
from ..mixture import Mixture
from .engine import Options, fit_arrays, fit_data
from .prepare import Request

fit_on_host = jax.jit(fit_data, static_argnames="options")
_on_one_device = jax.jit(fit_arrays, static_argnames="options")


def run(asked: Request, n: AnyArray, t: AnyArray, options: Options) -> Mixture:
    """`fit_arrays`, compiled, on the devices where the points lie.

    Raises:
        ValueError: points spread over devices for an algorithm whose states do not add up.
    """
    x, weights, low, high, *_ = asked
    sharding = None if isinstance(x, jax.core.Tracer) else getattr(x, "sharding", None)
    if not isinstance(sharding, NamedSharding):
        return _on_one_device(x, weights, low, high, n, t, options)
    spec = PartitionSpec(*sharding.spec, *[None] * (x.ndim - len(sharding.spec)))
    if spec[-1] is not None and not sharding.is_fully_replicated and options.algorithm.merge is None:
        raise ValueError("x is spread over devices by points, but the states of this algorithm do not add up")
    given = tuple(a is not None for a in (weights, low, high))
    arguments = [a for a in (x, weights, low, high, n, t) if a is not None]
    return _on_mesh(sharding.mesh, spec, given, options)(*arguments)


@lru_cache
def _on_mesh(mesh: Mesh, spec: PartitionSpec, given: tuple[bool, ...], options: Options) -> Callable[..., Mixture]:
    rows, points = PartitionSpec(*spec[:-1]), spec[-1]
    devices = () if points is None else points if isinstance(points, tuple) else (points,)
    specs = (spec, *(s for s, there in zip((spec, rows, rows), given, strict=True) if there))

    def local(x: Array, *rest: Array) -> Mixture:
        more = iter(rest)
        weights, low, high = (next(more) if there else None for there in given)
        n, t = more
        return fit_arrays(x, weights, low, high, n, t, options, devices)

    # check_vma: conditionals and loops inside the count have no rule for varying types.
    whole = PartitionSpec()
    return jax.jit(jax.shard_map(local, mesh=mesh, in_specs=(*specs, whole, whole), out_specs=rows, check_vma=False))
