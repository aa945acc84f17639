"""The rooms of the house: what may import what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = [
    {"_typing", "status", "sources", "atomic"},
    {"checks"},
    {"complaints"},
    {"basis", "lengths", "compiling", "running"},
    {"tally"},
    {"counts", "auto.namespace"},
    {"auto.octaves"},
    {"auto.report"},
    {"updates", "windows", "sampling", "bandwidth", "gaussianise"},
    {"icdf"},
    {"mixture"},
    {"saving"},
    {"algorithms.base"},
    {"algorithms.pointwise", "algorithms.fine"},
    {"algorithms.algorithm1", "algorithms.algorithm2", "algorithms.interior_point", "algorithms.maximum_likelihood"},
    {"algorithms.penalised", "algorithms.least_squares"},
    {"algorithms"},
    {"engine", "metrics"},
    {"auto.sample"},
    {"auto.coordinate", "auto.free_mixtures", "auto.all_widths", "auto.candidates", "auto.tails", "auto.misfit"},
    {"auto.bins"},
    {"auto.prepare"},
    {"auto.choose"},
    {"auto.answer"},
    {"auto.host", "auto.traced"},
    {"auto"},
    {"shards"},
    {"fitting", "stream", "testing", "rotated", "plot"},
    {"interchange", "scipy", "sklearn.mixture", "sklearn.naive_bayes"},
    {"sklearn", "cli", "api"},
    {"command"},
    {"__main__"},
    {""},
]
"""Each module imports from the floors above it in this list only. `resolve` names the algorithms inside a function."""

EXTRAS = {
    "scipy": {"scipy"},
    "sklearn.mixture": {"sklearn"},
    "sklearn.naive_bayes": {"scipy", "sklearn"},
}
"""Modules that need other libraries; `import fbgmm` alone does not load them."""


def modules() -> dict[str, Path]:
    package = ROOT / "fbgmm"
    names = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: path for name, path in names.items() if not name.startswith("nn")}


def imported(name: str, path: Path) -> list[tuple[str, bool]]:
    """Names of imported modules, those of fbgmm relative to it, and whether at the top of the file."""
    tree = ast.parse(path.read_text())
    found = []
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import):
            found += [(alias.name, top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.append((node.module, top))
        elif isinstance(node, ast.ImportFrom):
            package = name.split(".") if path.name == "__init__.py" and name else name.split(".")[:-1]
            base = package[: len(package) - node.level + 1]
            if node.module:
                found.append(("fbgmm." + ".".join([*base, node.module]), top))
            else:
                found += [("fbgmm." + ".".join([*base, alias.name]), top) for alias in node.names]
    return found


def test_every_module_has_its_floor():
    assert set(modules()) == set().union(*FLOORS)


@pytest.mark.parametrize("name", sorted(modules()))
def test_the_core_imports_downwards_and_jax_and_numpy_only(name):
    floor = next(i for i, names in enumerate(FLOORS) if name in names)
    below = set().union(*FLOORS[:floor])
    for module, top in imported(name, modules()[name]):
        if module.startswith("fbgmm."):
            assert not top or module.removeprefix("fbgmm.") in below, f"{name} imports {module}"
        elif top:
            package = module.split(".")[0]
            allowed = {"jax", "numpy", *EXTRAS.get(name, set()), *sys.stdlib_module_names}
            assert package in allowed, f"{name} imports {package}"


@pytest.mark.parametrize("folder", ["fbgmm"])
def test_nothing_in_the_package_imports_what_stands_on_it(folder):
    for path in (ROOT / folder).rglob("*.py"):
        for module, _ in imported("x", path):
            assert module.split(".")[0] not in {"benchmarks", "paper_figures", "tests"}, path


def test_importing_touches_no_configuration_and_brings_in_nothing_heavy():
    program = """
import sys, jax
def settings():
    names = "jax_enable_x64", "jax_numpy_rank_promotion", "jax_numpy_dtype_promotion", "jax_compilation_cache_dir"
    return [getattr(jax.config, name) for name in names]
before = settings()
known = set(sys.modules)
import fbgmm
assert settings() == before
new = {name.split(".")[0] for name in set(sys.modules) - known}
assert new <= {"fbgmm", *sys.stdlib_module_names, "jax", "numpy"}, new
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def run(program):
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def test_jaxtyping_is_imported_under_its_guard_only():
    for name, path in modules().items():
        for module, _ in imported(name, path):
            assert module.split(".")[0] != "jaxtyping" or name == "_typing"
    tree = ast.parse(modules()["_typing"].read_text())
    (guard,) = (node for node in tree.body if isinstance(node, ast.If) and "jaxtyping" in ast.unparse(node.test))
    assert ast.unparse(guard.test) == "TYPE_CHECKING or 'jaxtyping' in sys.modules"
    inside = [node for part in guard.body for node in ast.walk(part) if isinstance(node, ast.ImportFrom)]
    assert len(inside) == sum(module == "jaxtyping" for module, _ in imported("_typing", modules()["_typing"]))


def test_imports_inside_functions_are_few_and_known():
    """They escape the floors, so each needs a reason: `resolve` names algorithms that are built on it; a source of
    Parquet files needs its reader, a picture matplotlib and a bar rich, only where one is used; a mixture becomes
    another library's only where asked to."""
    hidden = {
        (name, module)
        for name, path in modules().items()
        for module, top in imported(name, path)
        if not top and name != "_typing" and not module.startswith(("jax", "numpy"))
    }
    assert hidden <= {
        ("algorithms.base", "fbgmm.algorithms.algorithm1"),
        ("algorithms.base", "fbgmm.algorithms.algorithm2"),
        ("", "fbgmm.api"),
        ("command", "fbgmm.cli"),
        ("command", "fbgmm.compiling"),
        ("cli", "matplotlib.figure"),
        ("cli", "rich"),
        ("cli", "rich.console"),
        ("plot", "matplotlib"),
        ("plot", "matplotlib.collections"),
        ("sources", "pyarrow"),
        ("sources", "pyarrow.parquet"),
        ("mixture", "fbgmm.interchange"),
        ("interchange", "fbgmm.scipy"),
        ("interchange", "fbgmm.mixture"),
        ("scipy", "jax.experimental"),
    }


def test_importing_starts_no_backend_and_no_statistics():
    out = run(
        "import fbgmm, sys; print(*{'scipy.stats', 'matplotlib', 'jaxtyping', 'flax'} & set(sys.modules))\n"
        "import jax; print(len(jax._src.xla_bridge._backends))"
    )
    assert out == "0"


@pytest.mark.slow
def test_shapes_are_annotated_with_jaxtyping_where_it_was_imported_first():
    program = "import fbgmm; print(fbgmm.fit([1.0, 2.0], 4).pi.shape, fbgmm._typing.Float.__module__)"
    assert run(program) == "(4,) fbgmm._typing"
    assert run(f"import jaxtyping; {program}") == "(4,) jaxtyping"


@pytest.mark.slow
def test_mixtures_pass_through_prefix_trees_and_placeholders():
    """A constructor that checked shapes would break vmap over a mixture, as this suite's own type checks do."""
    out = run(
        "import jax, fbgmm\n"
        "gmms = fbgmm.fit_batch([[1.0, 2.0], [2.0, 3.0]], 4)\n"
        "axes = jax.tree.map(lambda _: 0, gmms)\n"
        "print(jax.vmap(lambda g: g.mean(), in_axes=(axes,))(gmms).shape)\n"
        "print(jax.tree.map(lambda _: None, gmms).pi)\n"
        "print(jax.tree.map(lambda _: object(), gmms) is not None)\n"
    )
    assert out.split() == ["(2,)", "None", "True"]
