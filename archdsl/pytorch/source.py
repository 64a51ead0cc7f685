"""Trees of classes to source that stands alone."""

import ast
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from keyword import kwlist

from archdsl.analysis.cost import analyze
from archdsl.diagnostics.errors import Difference, UsageError
from archdsl.expressions.names import identifier_problem
from archdsl.graph.graph import Graph
from archdsl.modules.calls import IMPORTED, OTHER_NAMES, OTHERS
from archdsl.ops.opaque import Opaque
from archdsl.pytorch import naming
from archdsl.pytorch.allowed import TYPING, prelude
from archdsl.pytorch.entries import TAKEN
from archdsl.pytorch.instances import instances
from archdsl.pytorch.network import network
from archdsl.pytorch.proof import prove
from archdsl.pytorch.python import call, function, identifiers, lines_of, name
from archdsl.pytorch.returning import documented, tuples
from archdsl.pytorch.symbols import Fixed, rule_body

_MODULES = ("torch", "math", "F", "nn")
_IMPORTED = {
    "Tensor", "OrderedDict", "Callable", "Sequence", "partial", *TYPING, *_MODULES,
}  # fmt: skip


@cache
def _trees() -> dict[str, ast.stmt]:
    """Every definition of the prelude by name."""
    return {title: ast.parse(text).body[0] for title, text in prelude().items()}


def emit(graph: Graph, class_name: str | None = None) -> str:
    """Source that defines the network's class, imports only torch, and makes what `graph` says.

    The class is called as the network unless `class_name` says otherwise; raises UsageError if no
    class can be called so.

    A graph with its spec beside it is translated from the spec's own words; one without, from JSON,
    is written in numbers, and so is one whose translation is not equal to it in every call. The
    modules are those that the graph's outputs need. Where PyTorch is installed, the source is
    proved to be the graph; raises InternalError if it is not.
    """
    _require_written(graph)
    built = _with_free_type(graph.select(graph.outputs, graph.aux))
    title = _title(built, class_name)
    proves = find_spec("torch") is not None
    try:
        source = translate(built, title)
        if proves:
            prove(source, graph)
    except (Fixed, Difference):
        made = instances(built, _reserved(built), title)
        source = assembled(built, [*tuples(built, title), *made])
        if proves:
            _prove_written(source, graph)
    return source


def _require_written(graph: Graph) -> None:
    """Raises UsageError for a node that has no source: a part of an imported module."""
    for node in graph.nodes:
        if isinstance(node.op, Opaque):
            raise UsageError(f"{graph.name} has no source: {node.id} is no op of ours")


def _prove_written(source: str, graph: Graph) -> None:
    """Proves source in numbers; raises UsageError for an op of another package that is not so."""
    try:
        prove(source, graph)
    except Difference as error:
        others = sorted({node.op.verb for node in graph.nodes if type(node.op) in OTHERS})
        if not others:
            raise
        which = f"{graph.name} has {', '.join(others)} of other packages, whose PyTorch code is not"
        raise UsageError(f"{which} what the class says: {error}") from error


def _with_free_type(graph: Graph) -> Graph:
    """With another name for the tuple that it returns, where that means something else here."""
    said = graph.returns
    if said is None or said.is_dict or said.type not in _taken():
        return graph
    return replace(graph, returns=replace(said, type=f"{said.type}Outputs"))


def _taken() -> frozenset[str]:
    """Names that mean something in every source."""
    return frozenset({*prelude(), *_IMPORTED, *TAKEN, *kwlist, *OTHER_NAMES})


def _reserved(graph: Graph) -> frozenset[str]:
    said = graph.returns
    return _taken() if said is None or said.is_dict else _taken() | {said.type}


def _title(graph: Graph, wanted: str | None) -> str:
    """The name of the network's class."""
    if wanted is None:
        title = naming.class_name(graph.name)
        while title in _reserved(graph):
            title += "Network"
        return title
    problem = identifier_problem(wanted)
    if not problem and wanted in _reserved(graph):
        problem = f"`{wanted}` means something else in the source"
    if problem:
        raise UsageError(f"the class cannot be called so: {problem}")
    return wanted


def translate(graph: Graph, title: str) -> str:
    """The source of a graph whose spec stands beside it; raises Fixed where it cannot be had."""
    classes, program = network(graph, _reserved(graph), title)
    used = identifiers(*classes) if program.rules else ()
    rules: list[ast.stmt] = [
        function(
            rule, [ast.arg("size", name("int"))], [], name("int"), [ast.Return(rule_body(made))]
        )
        for rule, made in program.rules.items()
        if rule in used
    ]
    return assembled(graph, [*tuples(graph, title), *rules, *classes])


def plain(node: ast.stmt) -> ast.stmt:
    """A class without a constructor that does nothing of its own."""
    if isinstance(node, ast.ClassDef):
        idle = [ast.Expr(call("super().__init__"))]
        node.body = [
            member
            for member in node.body
            if not isinstance(member, ast.FunctionDef)
            or member.name != "__init__"
            or ast.dump(ast.Module(member.body, [])) != ast.dump(ast.Module([*idle], []))
        ]
    return node


def assembled(graph: Graph, statements: list[ast.stmt]) -> str:
    """A module: documented, imports, the helpers that are used, classes."""
    statements = [*map(plain, statements)]
    used, more = set[str](), identifiers(*statements)
    while more - used:  # helpers use others
        used |= more
        more = identifiers(*(_trees()[title] for title in prelude().keys() & used))
    helpers = [title for title in prelude() if title in used]
    used |= identifiers(*(_trees()[title] for title in helpers))
    cost = analyze(graph).total
    about = f"{graph.name}: {graph.citation}." if graph.citation else f"{graph.name}."
    packages = sorted({IMPORTED[name].partition(".")[0] for name in used & IMPORTED.keys()})
    needs = " and ".join(["PyTorch", *packages])
    notes = [
        about, "",
        f"Written by archdsl from the spec `{graph.name}`; it needs nothing but {needs}.",
        f"Input {graph.given}, {cost.parameters:,} parameters, {cost.macs:,} MACs.",
    ]  # fmt: skip
    lines = [*lines_of([documented(notes)]), "", *imports(used)]
    for title in helpers:
        lines += ["", "", *prelude()[title].splitlines()]
    for statement in statements:
        lines += ["", "", *lines_of([statement])]
    return "\n".join(lines) + "\n"


def imports(used: set[str]) -> list[str]:
    lines = []
    if "math" in used:
        lines.append("import math")
    if "OrderedDict" in used:
        lines.append("from collections import OrderedDict")
    abstract = [title for title in ("Callable", "Sequence") if title in used]
    if abstract:
        lines.append(f"from collections.abc import {', '.join(abstract)}")
    if "partial" in used:
        lines.append("from functools import partial")
    typing = [title for title in TYPING if title in used]
    if typing:
        lines.append(f"from typing import {', '.join(typing)}")
    lines += [""] if lines else []
    if "torch" in used:
        lines.append("import torch")
    if "F" in used:
        lines.append("import torch.nn.functional as F")
    lines += ["from torch import Tensor, nn"]
    others: dict[str, list[str]] = {}
    for title in sorted(used & IMPORTED.keys()):
        others.setdefault(IMPORTED[title], []).append(title)
    lines += [""] if others else []
    return lines + [f"from {home} import {', '.join(names)}" for home, names in others.items()]
