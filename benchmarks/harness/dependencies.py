"""Source code that functions depend on, found by following the names that they use through imports.

It goes from one function, class or constant at the top of a module to the next, and ends at installed packages, of
which the versions are told. Docstrings, comments and the layout of the source do not count. What is imported under a
name that is computed is not seen.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OWN = "fbgmm", "benchmarks", "paper_figures"
"""Packages whose code counts even where they are installed; so does that of modules that are not installed."""

KEEPERS = {f"{__package__}.{module}" for module in ("arrays", "cells", "dependencies", "files")}
"""Modules that only say what a result follows from, and keep it."""

_DEFINITIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef


class Name(NamedTuple):
    """What a module binds to a name; everything in it where the name is empty."""

    module: str
    name: str


class Code(NamedTuple):
    """A digest of code, and the versions of the installed packages it uses; None for one that is not there."""

    digest: str
    versions: dict[str, str | None]


@functools.cache
def code_of(roots: frozenset[Name], without: frozenset[Name] = frozenset()) -> Code:
    """The code behind some names, with all that it uses but for what is found through the names in `without`."""
    found: dict[Name, str] = {}
    packages: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if not is_own(name.module):
            packages.add(name.module.split(".")[0])
        elif name not in found and name not in without and name.module not in KEEPERS:
            found[name], used = _definition(name)
            todo += used
    packages -= {"builtins", *sys.stdlib_module_names}
    packages |= {"jaxlib"} if "jax" in packages else set()
    versions = {package: _version(package) for package in sorted(packages)}
    return Code(hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest(), versions)


def is_own(module: str) -> bool:
    """Whether the code of a module counts."""
    return _source(module) is not None


def at_line(module: str, line: int) -> Name:
    """The name that the statement at a line of a module binds."""
    source = _source(module)
    bound = {} if source is None else source.bound
    inside = [name for name, parts in bound.items() for p in parts if p.lineno <= line <= (p.end_lineno or 0)]
    return Name(module, inside[0] if inside else "")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version({"sklearn": "scikit-learn"}.get(package, package))
    except importlib.metadata.PackageNotFoundError:
        others = _distributions().get(package)
        return importlib.metadata.version(others[0]) if others else None


_distributions = functools.cache(importlib.metadata.packages_distributions)  # it takes half a second


class _Source(NamedTuple):
    """A module's source.

    Attributes:
        package: that its relative imports start from.
        bound: statements that bind each name at the top of the module.
        imported: module, and name in it, that each imported name stands for.
        stars: modules of which everything is imported.
        others: statements that bind nothing, such as a registration.
    """

    package: str
    bound: dict[str, list[ast.stmt]]
    imported: dict[str, tuple[str, ...]]
    stars: list[str]
    others: list[ast.stmt]


@functools.cache
def _source(module: str) -> _Source | None:
    """The source of a module; None where it is installed or part of Python."""
    path = _path(module)
    if path is None:
        return None
    is_package = path.is_dir() or path.name == "__init__.py"
    source = _Source(module if is_package else module.rpartition(".")[0], {}, {}, [], [])
    tree = ast.parse("" if path.is_dir() else path.read_bytes())
    for node in ast.walk(tree):  # docstrings go
        if isinstance(body := getattr(node, "body", None), list):
            body[:] = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    for statement in tree.body:
        imported = {} if isinstance(statement, _DEFINITIONS) else _imports(statement, source.package)
        names = _bindings(statement)
        for name in names:
            source.bound.setdefault(name, []).append(statement)
        source.stars.extend(target[0] for name, target in imported.items() if target[-1] == "*")
        source.imported.update(imported)
        is_main = isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)
        if not (names or imported or is_main):
            source.others.append(statement)
    return source


def _path(module: str) -> Path | None:
    """The file of a module whose code counts, or its folder where it has no file; None for others."""
    top, *inner = module.split(".")
    if not top or top in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(top)
        places = [] if spec is None else list(spec.submodule_search_locations or [spec.origin or ""])
    except ValueError:  # the program itself, run as a file
        places = [getattr(sys.modules[top], "__file__", "")]
    if not places or (top not in OWN and {"site-packages", "dist-packages"} & {*Path(places[0]).parts}):
        return None
    path = Path(places[0]).joinpath(*inner)
    return next((p for p in (path / "__init__.py", path.with_suffix(".py"), path) if p.exists()), None)


def _imports(node: ast.AST, package: str) -> dict[str, tuple[str, ...]]:
    """What the imports anywhere in a statement bind."""
    bound: dict[str, tuple[str, ...]] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            for alias in part.names:
                name = alias.asname or alias.name.split(".")[0]
                bound[name] = (alias.name if alias.asname else name,)
        elif isinstance(part, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - part.level] if part.level else []
            origin = ".".join([*above, *([part.module] if part.module else [])])
            bound |= {alias.asname or alias.name: (origin, alias.name) for alias in part.names}
    return bound


def _bindings(statement: ast.stmt) -> set[str]:
    """Names that a statement at the top of a module binds, other than by imports."""
    names: set[str] = set()
    todo: list[ast.AST] = [statement]
    while todo:
        part = todo.pop()
        if isinstance(part, _DEFINITIONS):
            names.add(part.name)
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            names.add(part.id)
        else:
            todo += ast.iter_child_nodes(part)
    return names


@functools.cache
def _definition(name: Name) -> tuple[str, tuple[Name, ...]]:
    """The code that binds a name, with what its module does beside, and the names that these use."""
    source = _source(name.module)
    assert source is not None
    bound = source.bound.get(name.name, []) if name.name else [s for each in source.bound.values() for s in each]
    used = [] if name.name else [_origin(*target) for target in source.imported.values() if target[-1] != "*"]
    used += [] if name.name else [Name(star, "") for star in source.stars]
    statements = [*bound, *source.others]
    for statement in statements:
        inner = _imports(statement, source.package)
        for first, *attributes in _chains(statement):
            used.append(_origin(*inner.get(first, (name.module, first)), *attributes))
        used += [Name(module, "") for module in _imported_by_name(statement)]
    return "\n".join(map(ast.dump, statements)), tuple(dict.fromkeys(used))


def _chains(statement: ast.stmt) -> Iterator[tuple[str, ...]]:
    """Names in a statement, each with the attributes that are taken of it."""
    todo: list[tuple[ast.AST, tuple[str, ...]]] = [(statement, ())]
    while todo:
        part, attributes = todo.pop()
        if isinstance(part, ast.Attribute):
            todo.append((part.value, (part.attr, *attributes)))
        elif isinstance(part, ast.Name):
            yield part.id, *attributes
        else:
            todo += [(child, ()) for child in ast.iter_child_nodes(part)]


def _imported_by_name(statement: ast.stmt) -> Iterator[str]:
    """Modules that `import_module("…")` imports."""
    for part in ast.walk(statement):
        if isinstance(part, ast.Call) and "import_module" in ast.dump(part.func) and part.args:
            module = getattr(part.args[0], "value", None)
            if isinstance(module, str) and not module.startswith("."):
                yield module


def _origin(module: str, *chain: str) -> Name:
    """Where a name of a module is defined, whatever modules it is imported through; a built-in one if nowhere.

    Args:
        chain: the name and the attributes that are taken of it; those of modules are followed.
    """
    source = _source(module)
    if source is None or not chain:
        return Name(module, "")
    first, *rest = chain
    if first in source.bound:
        return Name(module, first)
    target = source.imported.get(first)
    if target is not None and target != (module, first):
        return _origin(*target, *rest)
    if source.package == module and is_own(f"{module}.{first}"):
        return _origin(f"{module}.{first}", *rest)
    found = (_origin(star, *chain) for star in source.stars)
    return next((name for name in found if name.module != "builtins"), Name("builtins", first))
