"""Compiling: options for quick compilation, and a cache of compiled programs for commands."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

T = TypeVar("T")

_QUICK = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1}
"""Such a program compiles in half of the time or less and runs more slowly: for what is called seldom, or takes little
of a fit's time."""


def quick_jit(f: Callable[..., Any]) -> Callable[..., Any]:
    """As `jax.jit`, for calls with concrete arrays: a program inside another cannot have options of its own."""

    @lru_cache
    def compiled() -> Callable[..., Any]:  # at the first call: asking for the backend starts it
        return jax.jit(f, compiler_options=_supported())

    return lambda *args: compiled()(*args)


def exact_products(f: Callable[..., T]) -> Callable[..., T]:
    """f, its matrix products in full precision: for what is written in numpy's terms, which have no word for it.

    Accelerators multiply float32 with 10 bits (NVIDIA's) or 8 (TPUs) where nothing is said.
    """

    @wraps(f)
    def exact(*args: Any) -> T:
        with jax.default_matmul_precision("highest"):
            return f(*args)

    return exact


def keep_programs() -> None:
    """Keeps compiled programs for the next process, in the user's cache folder; for commands, never for the library.

    What says otherwise wins: JAX's environment variables and settings. Processors that differ have folders of their
    own, for programs of one may crash on another.
    """
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    kind = hashlib.sha256(_processor().encode()).hexdigest()[:8]
    folder = Path(user_cache).absolute() / "fbgmm" / f"xla-{kind}"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    for limit in ("jax_persistent_cache_min_compile_time_secs", "jax_persistent_cache_min_entry_size_bytes"):
        if limit.upper() not in os.environ:
            jax.config.update(limit, 0)


def _processor() -> str:
    """What its instructions are, where the system says so."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return "".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))


def is_tracing() -> bool:
    """Whether the caller runs inside a transformation of JAX, where all that is computed is traced."""
    return isinstance(jnp.add(0, 0), jax.core.Tracer)


@lru_cache
def _supported() -> dict[str, Any] | None:
    """Those of the options that this backend and version know."""
    if jax.default_backend() != "cpu":
        return None
    return {name: value for name, value in _QUICK.items() if _knows(name, value)}


def _knows(name: str, value: Any) -> bool:
    """Whether this version's compiler has the option."""
    try:
        jax.jit(lambda: 0, compiler_options={name: value})()
    except jax.errors.JaxRuntimeError:
        return False
    return True
