"""Compiling: options for quick compilation, and a cache of compiled programs for commands."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

_QUICK = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1}
"""Such a program compiles in half of the time or less and runs more slowly: for what is called seldom, or takes little
of a fit's time."""


def quick_jit(f: Callable[..., Any]) -> Callable[..., Any]:
    """As `jax.jit`, for calls with concrete arrays: a program inside another cannot have options of its own."""

    @lru_cache
    def compiled() -> Callable[..., Any]:  # at the first call: asking for the backend starts it
        return jax.jit(f, compiler_options=_supported())

    return lambda *args: compiled()(*args)


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
    """The options, where this backend and version know them."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda: 0, compiler_options=_QUICK)()
    except jax.errors.JaxRuntimeError:  # of an option that is no longer there
        return None
    return dict(_QUICK)
