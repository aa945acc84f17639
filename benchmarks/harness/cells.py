"""Finished results on disk, each with a digest of the code, settings, versions and platform that made it."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import re
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import jax
import numpy as np

from . import environment
from .dependencies import Name, at_line, code_of, is_own
from .files import write_json


def read(path: Path, identity: str) -> dict[str, Any] | None:
    """The measures in a file of one result; None where there are none of that identity, or the file is damaged."""
    return read_all(path, {"": identity}).get("")


def read_all(path: Path, identities: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The measures in a file of several results, by name, of those that are there with these identities."""
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        found = {name: records[name] for name in identities if name in records}
        return {
            name: dict(record["measures"])
            for name, record in found.items()
            if record["identity"] == identities[name] and record["checksum"] == digest(record["measures"])
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write(path: Path, identity: str, measures: Mapping[str, Any], name: str = "") -> None:
    """Adds a result to a file, atomically; those under other names stay. One process at a time may write to it.

    Args:
        measures: what JSON can hold, with text as keys.

    Raises:
        ValueError: a number that is not finite.
    """
    try:
        records = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        records = {}
    write_json(path, records | {name: {"identity": identity, "checksum": digest(measures), "measures": measures}})


def digest(value: Any) -> str:
    """Sixteen hexadecimal digits for a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^\w.+]+", "-", name).strip("-")


def identity(*parts: Any) -> str:
    """A digest of everything that a result follows from: code, settings, versions of packages, platform.

    Args:
        parts: the functions and classes that make it, and its settings: plain values, arrays, or objects that hold
            such. Of a function that another one made, what it holds counts as well.
    """
    roots: set[Name] = set()
    settings = _described(parts, roots, ())
    code = code_of(frozenset(roots))
    device = environment.platform() if "jax" in code.versions else None
    return digest([settings, *code, platform.python_version(), device])


def code_alone(function: Callable[..., Any], without: Sequence[Callable[..., Any]] = ()) -> str:
    """A digest of the code of a function, whatever the versions and the platform.

    Args:
        without: functions that look up things by name: what could be found there does not count.
    """
    ends = frozenset(Name(end.__module__, end.__qualname__) for end in without)
    return code_of(frozenset({Name(function.__module__, function.__qualname__)}), ends).digest


def _described(value: Any, roots: set[Name], above: tuple[int, ...]) -> Any:
    """A value in plain terms. The functions and classes met on the way are added to `roots`."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if id(value) in above:
        return "itself"
    inside = functools.partial(_described, roots=roots, above=(*above, id(value)))
    if isinstance(value, Mapping):
        return {str(key): inside(part) for key, part in value.items()}
    if type(value) in (tuple, list):
        return [inside(part) for part in value]
    if isinstance(value, Set):
        return sorted(str(inside(part)) for part in value)
    if isinstance(value, functools.partial):
        return [inside(part) for part in (value.func, value.args, value.keywords)]
    module = value.__globals__["__name__"] if isinstance(value, FunctionType) else ""
    if hasattr(value, "__wrapped__") and not is_own(module):  # by jax.jit, a cache, or a checker of types
        return inside(value.__wrapped__)
    if isinstance(value, FunctionType):
        name = value.__code__.co_qualname
        first = name.split(".")[0]
        roots.add(at_line(module, value.__code__.co_firstlineno) if first == "<lambda>" else Name(module, first))
        return [module, name, [inside(cell.cell_contents) for cell in value.__closure__ or ()]]
    if hasattr(value, "__func__"):
        return [inside(value.__self__), inside(value.__func__)]
    if isinstance(value, ModuleType):
        roots.add(Name(value.__name__, ""))
        return value.__name__
    kind = value if isinstance(value, type) else type(value)
    roots.add(Name(kind.__module__, kind.__qualname__.split(".")[0]))
    return [kind.__module__, kind.__qualname__, None if value is kind else _held(value, inside)]


def _held(value: Any, inside: Any) -> Any:
    """What an object holds."""
    if isinstance(value, tuple):
        return [inside(part) for part in value]
    if jax.dtypes.issubdtype(getattr(value, "dtype", None), jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        return [str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()]
    held = {name: getattr(value, name, None) for name in getattr(value, "__slots__", ())}
    held |= getattr(value, "__dict__", {})
    return inside(held) if held else re.sub(" at 0x[0-9a-f]+", "", repr(value))
