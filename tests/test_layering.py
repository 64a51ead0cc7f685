"""Imports point one way: from what writes outputs to what is known of a network, and on to YAML.

`MAY_IMPORT` is the law; every module has a row, by its own name or its package's. Imports inside
functions count as those at the top, those that only types need do not.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "archdsl"

MAY_IMPORT = {
    # what everything may know
    "diagnostics": "",
    "expressions": "diagnostics ops",
    "ops": "",
    # text to data
    "yaml": "diagnostics",
    # the waist
    "graph": "diagnostics expressions ops yaml",
    # data to typed nodes
    "language": "diagnostics expressions ops yaml",
    # typed nodes to a graph
    "elaborate": "diagnostics expressions graph language ops yaml",
    # from a graph to everything else
    "modules": "diagnostics graph ops",
    "analysis": "diagnostics graph modules ops",
    "pytorch": "analysis diagnostics expressions graph language modules ops weights",
    "importing": "analysis diagnostics expressions graph language modules ops pytorch yaml",
    "figures": "analysis diagnostics expressions graph ops yaml",
    "lint": "analysis diagnostics expressions graph language ops yaml",
    "weights": "diagnostics elaborate expressions graph language yaml",
    "speed": "analysis diagnostics graph ops pytorch",
    "plugins": "diagnostics modules ops pytorch",
    "study": "analysis diagnostics elaborate expressions graph language plugins pytorch yaml",
    "tables": "analysis diagnostics expressions figures graph ops study",
    "editor": "api analysis diagnostics expressions figures graph language lint ops tables yaml",
}
ANYTHING = ("", "__main__", "api", "cli", "timm", "torch")

HEAVY = {  # module -> who imports it at the top, if anybody
    "torch": {
        "timm.model",  # which only a call of timm imports
        "timm.creating",
        "importing.leaves",  # which only `from_torch` imports, as the others of its package
        "importing.reading",
        "importing.recording",
        "importing.results",
        "importing.graphs",
        "importing.sources",
        "importing.patches",
        "importing.values",
        "api.compiled",  # which only types need
        "pytorch.first_values",  # which only a build imports
        "pytorch.prelude",  # which is emitted, not imported
        "pytorch.settings",  # which only a build imports
        "speed.affine",  # which only `optimize` and `bench` import, as the others of its package
        "speed.branches",
        "speed.engines",
        "speed.network",
        "speed.optimize",
        "speed.simplify",
        "speed.statistics",
        "speed.worker",
    },
    "yaml": {"yaml.source"},
    "networkx": set(),
    "graphviz": set(),
    "pydantic": {"graph.forms"},  # and nobody for a spec: it would double a cold check
    "matplotlib": set(),
    "onnx": set(),
    "numpy": set(),
    "rich": set(),
    "click": {
        "cli.bench",
        "cli.build",
        "cli.check",
        "cli.console",
        "cli.draw",
        "cli.editor",
        "cli.explain",
        "cli.export",
        "cli.fmt",
        "cli.import_",
        "cli.main",
        "cli.measure",
        "cli.plot",
        "cli.schema",
        "cli.show",
        "cli.study",
        "cli.weights",
    },
    "ruamel": {"language.formatting"},
}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    .removesuffix("__init__")
    .rstrip("."): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "_version.py"  # which a build writes
}


@cache
def imported(module: str, top: bool = False) -> set[str]:
    """The modules that one imports, or only those at its top; ours with the package's name."""
    tree, found = ast.parse(MODULES[module].read_text(encoding="utf-8")), set()
    for statement in tree.body if top else _running(tree):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{module} imports relative to itself"
            names = {f"{statement.module}.{alias.name}" for alias in statement.names}
            modules = {name for name in names if name.removeprefix("archdsl.") in MODULES}
            found |= modules or {str(statement.module)}
    return found


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module but for what only types need."""
    for inner in ast.iter_child_nodes(tree):
        if isinstance(inner, ast.If) and ast.unparse(inner.test) == "TYPE_CHECKING":
            continue
        yield inner
        yield from _running(inner)


def ours(module: str) -> set[str]:
    """The modules of the package that one imports, its root aside."""
    names = {name for name in imported(module) if name.startswith("archdsl.")}
    return {name.removeprefix("archdsl.") for name in names}


def layer(module: str) -> str:
    """The row of a module: its own, or that of its package."""
    return module if module in MAY_IMPORT else module.partition(".")[0]


def test_every_module_has_a_row_and_every_row_a_module() -> None:
    layers = {layer(module) for module in MODULES}
    assert layers == {*MAY_IMPORT, *ANYTHING}


@pytest.mark.parametrize("module", [name for name in MODULES if layer(name) in MAY_IMPORT])
def test_a_module_imports_what_it_may(module: str) -> None:
    allowed = {layer(module), *MAY_IMPORT[layer(module)].split()}
    assert {layer(name) for name in ours(module)} <= allowed


def test_no_file_imports_itself_by_way_of_others() -> None:
    below = {module: ours(module) & MODULES.keys() for module in MODULES}
    while below:
        free = {name for name, others in below.items() if not others & below.keys()}
        assert free, f"among these is a circle: {sorted(below)}"
        below = {name: others for name, others in below.items() if name not in free}


def test_the_layers_form_no_circle() -> None:
    below: dict[str, set[str]] = {name: set(row.split()) for name, row in MAY_IMPORT.items()}
    while below:
        free = {name for name, others in below.items() if not others & below.keys()}
        assert free, f"in a circle: {sorted(below)}"
        below = {name: others for name, others in below.items() if name not in free}


@pytest.mark.parametrize("heavy", HEAVY)
def test_heavy_packages_are_imported_in_one_place(heavy: str) -> None:
    users = {
        module
        for module in MODULES
        if any(name.partition(".")[0] == heavy for name in imported(module, top=True))
    }
    assert users == HEAVY[heavy]


def test_a_spec_is_read_and_measured_without_torch() -> None:
    script = """
import sys
import archdsl
graph = archdsl.load("resnet50")
archdsl.summarize(graph)
archdsl.analyze(graph)
graph.to_json()
heavy = {"torch", "onnx", "networkx", "graphviz", "pydantic", "matplotlib", "numpy", "torchvision"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
