"""The rooms of the house: what may import what."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = [
    ("_typing", "status", "sources", "atomic", "checks", "compiling", "error_messages"),
    ("counting",),
    ("basis", "binning", "counts", "updates", "bandwidth"),
    ("evaluation",),
    ("auto.report", "auto.namespace", "auto.octaves"),
    ("mixture", "saving"),
    ("algorithms", "metrics"),
    ("fitting.prepare", "fitting.engine"),
    ("auto",),
    ("fitting",),
    ("testing", "multivariate", "plot"),
    ("interop", "sklearn"),
    ("api",),
    ("nn",),
    ("cli",),
    ("__main__", "__init__"),
]
"""Folders and files of fbgmm: each imports from its own floor and from those above it in this list, without circles.
A name stands for all inside it that is not named by itself."""

EXTRAS = {
    "fbgmm.interop.scipy": {"scipy"},
    "fbgmm.sklearn.mixture": {"sklearn"},
    "fbgmm.sklearn.naive_bayes": {"scipy", "sklearn"},
}
"""Modules that need other libraries; `import fbgmm` alone does not load them."""


def modules(package: str) -> dict[str, Path]:
    paths = (ROOT / package).rglob("*.py")
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


CORE = {name: path for name, path in modules("fbgmm").items() if not name.startswith("fbgmm.nn")}


def imported(name: str, path: Path) -> list[tuple[str, bool]]:
    """Names of imported modules, and whether at the top of the file."""
    tree = ast.parse(path.read_text())
    found = []
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import):
            found += [(alias.name, top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            inner = [f"{module}.{alias.name}" for alias in node.names]
            found += [(part if _is_module(part) else module, top) for part in inner]
    return found


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def floor_of(name: str) -> int:
    """The place in FLOORS of a module, by the longest name that it lies in."""
    inner = name.removeprefix("fbgmm").removeprefix(".") or "__init__"
    return max(
        (len(room), i) for i, rooms in enumerate(FLOORS) for room in rooms if f"{inner}.".startswith(f"{room}.")
    )[1]


@pytest.mark.parametrize("name", sorted(CORE))
def test_the_core_imports_downwards_and_jax_and_numpy_only(name):
    for module, top in imported(name, CORE[name]):
        package = module.split(".")[0]
        if package == "fbgmm":
            assert not top or floor_of(module) <= floor_of(name), f"{name} imports {module}"
        elif top:
            allowed = {"jax", "numpy", *EXTRAS.get(name, set()), *sys.stdlib_module_names}
            assert package in allowed, f"{name} imports {package}"


@pytest.mark.parametrize("package", ["fbgmm", "benchmarks", "paper_figures"])
def test_there_are_no_circles(package):
    paths = modules(package)
    needs = {
        name: {m for m, top in imported(name, path) if top and m in paths and m != name} for name, path in paths.items()
    }
    TopologicalSorter(needs).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("package", ["fbgmm", "benchmarks", "paper_figures", "tests"])
def test_no_folder_has_more_than_twenty_files(package):
    for folder in {path.parent for path in (ROOT / package).rglob("*.py")}:
        assert len(list(folder.glob("*.py"))) <= 20, folder


@pytest.mark.parametrize("folder", ["fbgmm"])
def test_nothing_in_the_package_imports_what_stands_on_it(folder):
    for path in (ROOT / folder).rglob("*.py"):
        for module, _ in imported("fbgmm.x", path):
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
    for name, path in CORE.items():
        for module, _ in imported(name, path):
            assert module.split(".")[0] != "jaxtyping" or name == "fbgmm._typing"
    tree = ast.parse(CORE["fbgmm._typing"].read_text())
    (guard,) = (node for node in tree.body if isinstance(node, ast.If) and "jaxtyping" in ast.unparse(node.test))
    assert ast.unparse(guard.test) == "TYPE_CHECKING or 'jaxtyping' in sys.modules"
    inside = [node for part in guard.body for node in ast.walk(part)]
    everywhere = [node for node in ast.walk(tree) if getattr(node, "module", None) == "jaxtyping"]
    assert {*everywhere} <= {*inside}


def test_imports_inside_functions_are_few_and_known():
    """They escape the floors, so each needs a reason: a source of Parquet files needs its reader, a picture
    matplotlib and a bar rich, only where one is used; a mixture becomes another library's only where asked to."""
    hidden = {
        (name, module)
        for name, path in CORE.items()
        for module, top in imported(name, path)
        if not top and name != "fbgmm._typing" and not module.startswith(("jax", "numpy"))
    }
    hidden = {(name.removeprefix("fbgmm").removeprefix("."), module) for name, module in hidden}
    assert hidden <= {
        ("", "fbgmm.api"),
        ("cli.arguments", "fbgmm.cli.commands"),
        ("cli.arguments", "fbgmm.compiling"),
        ("cli.commands", "matplotlib.figure"),
        ("cli.commands", "rich"),
        ("cli.commands", "rich.console"),
        ("plot", "matplotlib"),
        ("plot", "matplotlib.axes"),
        ("plot", "matplotlib.collections"),
        ("sources", "pyarrow"),
        ("sources", "pyarrow.parquet"),
        ("mixture", "fbgmm.interop.conversions"),
        ("interop.conversions", "fbgmm.interop.scipy"),
        ("interop.conversions", "fbgmm.mixture"),
        ("interop.scipy", "jax.experimental"),
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
