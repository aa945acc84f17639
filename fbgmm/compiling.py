"""Compile large programs of the host quickly: without passes of XLA that cost much time and gain little there."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

_QUICK = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1}
"""`fit(x)` compiles in half of the time, and runs as fast (`python -m benchmarks speed`)."""


def quick_jit(f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """As `jax.jit`, for calls with concrete arrays: a program inside another cannot have options of its own."""

    @lru_cache
    def compiled() -> Callable[..., Any]:  # at the first call: asking for the backend starts it
        return jax.jit(f, compiler_options=_supported(), **options)

    return lambda *args: compiled()(*args)


def is_tracing() -> bool:
    """Whether the caller runs inside a transformation of JAX, where all that is computed is traced."""
    return isinstance(jnp.add(0, 0), jax.core.Tracer)


@lru_cache
def _supported() -> dict[str, Any] | None:
    """The options, where this backend and version know them."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda: 0, compiler_options=_QUICK)()
    except jax.errors.JaxRuntimeError:  # of an option that is no longer there
        return None
    return dict(_QUICK)
