"""Where and with what the numbers are made: device, versions, precision, and the cache of compiled programs."""

from __future__ import annotations

import importlib.metadata
import os
import platform as python_platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, get_args

import jax

import fbgmm

Precision = Literal["float32", "float64"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@contextmanager
def use_precision(precision: Precision) -> Iterator[None]:
    """Makes `precision` JAX's default floating-point type, and restores what was before."""
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", precision == "float64")
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def platform() -> str:
    """What JAX computes on: "cpu", "gpu" or "tpu"."""
    return str(jax.default_backend())


def device() -> str:
    """The device in words."""
    if platform() == "cpu":
        return f"cpu, {python_platform.machine()}, {os.cpu_count()} cores"
    first = jax.devices()[0]
    return f"{first.platform}, {first.device_kind}"


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the numbers depend on."""
    packages = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy")}
    return {"python": python_platform.python_version(), **packages, "fbgmm": fbgmm.__version__}


def description(precision: Precision) -> dict[str, Any]:
    """What stands in every file of results about how they were made."""
    return {"precision": precision, "device": device(), "versions": versions()}
