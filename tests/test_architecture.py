"""The house rules that a reader relies on: imports point down, files stay small, public names exist."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "masln"
FLOORS = (
    "cli",
    "web",
    "reporting",
    "experiments",
    "inspection",
    "preparation",
    "retrieval",
    "models",
    "training",
    "evaluation",
    "losses",
    "nn",
    "features",
    "data",
    "registry",
    "saving",
    "progress",
    "errors",
    "_version",
)
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = sorted({path.parent.name for path in FILES if path.parent != PACKAGE})


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def type_checking_nodes(tree: ast.Module) -> set[ast.AST]:
    """Nodes that only type checkers read."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }


def imports_of(module: str, *, at_load: bool = False) -> set[str]:
    """Modules (dotted, as deep as they exist) that a module imports, inside functions too unless ``at_load``."""
    path = MODULES[module]
    tree = tree_of(path)
    skipped = type_checking_nodes(tree)
    if at_load:
        functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))
        skipped |= {inner for function in functions for inner in ast.walk(function)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: line {node.lineno}: relative import"
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                found.add(deeper if deeper in MODULES else str(node.module))
    return found


def floor_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("module", [m for m in MODULES if m not in ("masln", "masln.__main__")])
def test_imports_point_down(module):
    own = FLOORS.index(floor_of(module))
    for imported in imports_of(module):
        if not imported.startswith("masln"):
            continue
        assert imported != "masln", f"{module} imports the whole package"
        below = FLOORS.index(floor_of(imported))
        assert below >= own, f"{module} imports {imported}, which stands above it"


def test_every_room_has_a_floor():
    assert set(ROOMS) - {"bundled"} <= set(FLOORS)


def test_no_module_imports_itself_in_a_circle():
    """A package's ``__init__`` gathers its own modules; those never import it back."""
    graph = {module: {m for m in imports_of(module, at_load=True) if m in MODULES} - {module} for module in MODULES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"import cycle: {' > '.join((*trail[trail.index(module) :], module))}"
        if module in done:
            return
        for imported in graph[module]:
            visit(imported, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", MODULES)
def test_the_package_stands_without_its_workshops(module):
    for imported in imports_of(module):
        assert imported.split(".")[0] not in ("data_prep", "benchmarks", "tests"), f"{module} imports {imported}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_stay_small_and_say_what_they_are_for(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert ast.get_docstring(tree_of(path)), f"{path} has no docstring"


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_public_names_exist_and_are_described(room):
    module = import_module(f"masln.{room}" if room else "masln")
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            own = value.__doc__ or ""
            assert own.strip(), f"{module.__name__}.{name} has no docstring"
            assert not own.startswith(f"{name}("), f"{module.__name__}.{name} has only the docstring of a dataclass"
    exported = getattr(module, "__all__", [])
    assert len(exported) == len(set(exported))


def test_nothing_is_pickled():
    """Models, checkpoints and bundles never run code when they are read."""
    for module, path in MODULES.items():
        assert not {"pickle", "joblib", "dill", "cloudpickle"} & {m.split(".")[0] for m in imports_of(module)}, module
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load", "numpy.load"):
                safe = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert safe.get("weights_only") == "True" or safe.get("allow_pickle") == "False", f"{path}"
