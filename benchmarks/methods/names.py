"""Look-up of methods, targets and metrics by name: those of a registry, and the user's own as `module:name`."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

Name = int | str
Value = TypeVar("Value")

FILE = "file:"
"""Begins the name of a file of data, `file:PATH` or `file:PATH#COLUMN`."""

SHOWN = 8
"""Known names in an error message, the closest first."""


class ConfigError(ValueError):
    """A request that cannot be run: the message says what was found and what is allowed."""


def is_own(name: Any) -> bool:
    """Whether a name is `module:name`, an object of the user's."""
    return isinstance(name, str) and re.fullmatch(r"[^\W\d][\w.]*:[^\W\d][\w.]*", name) is not None


def resolve(
    name: Any, known: Mapping[Any, Value], what: str, own: Callable[[str], Value] | None = None
) -> tuple[Name, Value]:
    """A name of the registry as it is spelt there, or `module:name`, with what it stands for.

    Case, spaces and punctuation do not matter where they tell no two names apart: "beta22" is "beta(2, 2)".

    Args:
        known: the registry.
        what: the key or option that the name was given for.
        own: makes a value of the registry of `module:name`; None where there are only those of the registry.

    Raises:
        ConfigError: the name is not known, or as `own`.
    """
    if isinstance(name, (int, str)) and not isinstance(name, bool):
        if name in known:
            return name, known[name]
        alike = [other for other in known if _letters(other) == _letters(name)]
        if len(alike) == 1:
            return alike[0], known[alike[0]]
        if own and is_own(name):
            return name, own(str(name))
    hint = "; your own: 'module:name' of a module.py in this folder" if own else ""
    raise ConfigError(f"{what}: {unknown(name, known)}{hint}")


def _letters(name: Name) -> str:
    return "".join(filter(str.isalnum, str(name))).lower()


def unknown(name: Any, known: Iterable[Any]) -> str:
    """What is wrong with a name that is not known, the closest of those that are first."""
    names = list(known)
    closeness = {each: difflib.SequenceMatcher(None, _letters(name), _letters(each)).ratio() for each in names}
    names.sort(key=lambda each: -closeness[each])
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"found {name!r}, which is not known; there are: {', '.join(map(repr, names[:SHOWN])) or 'none'}{rest}"


def load(name: str) -> Any:
    """The object that `module:name` means; modules of the current folder come first.

    Raises:
        ConfigError: there is no such module or name, or the module cannot be imported.
    """
    module_name, _, attributes = name.partition(":")
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            here = unknown(module_name, [path.stem for path in Path(folder).glob("*.py")])
            raise ConfigError(f"{name!r}: no such module in {folder} or installed; {here}") from error
        raise ConfigError(f"{name!r} needs the module {error.name!r}, which is not installed") from error
    except Exception as error:
        raise ConfigError(f"{name!r} cannot be imported: {described(error)}") from error
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            there = [each for each in vars(found) if not each.startswith("_")]
            raise ConfigError(f"{name!r}: {found!r} has no such name; {unknown(attribute, there)}")
        found = getattr(found, attribute)
    return found


def module_of(name: str) -> ModuleType:
    """The module of a `module:name` that was loaded."""
    return sys.modules[name.partition(":")[0]]


def called_if_needed(found: Any, name: str) -> Any:
    """A function or class that needs no arguments is called; everything else is taken as it is.

    Raises:
        ConfigError: the call raises.
    """
    if not callable(found) or not _needs_nothing(found):
        return found
    try:
        return found()
    except Exception as error:
        raise ConfigError(f"{name}() raises {described(error)}") from error


def _needs_nothing(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):  # also of functions written in C, of which nothing is known
        return False
    return True


def needed_arguments(function: Callable[..., Any]) -> int:
    """How many positional arguments a function must be given; −1 where nobody knows."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of some functions written in C
        return -1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in parameters)


def described(error: BaseException) -> str:
    """An error in one line, with the place where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        return f"SyntaxError: {error.msg} ({Path(error.filename).name}, line {error.lineno})"
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
