"""Strides that became dilation: what a constructor changes in the modules that it has made."""

import ast
from collections.abc import Mapping
from typing import Any

from archdsl.graph.graph import Node
from archdsl.modules.call import Call
from archdsl.modules.calls import call
from archdsl.ops import Op
from archdsl.pytorch.operations import module_of
from archdsl.pytorch.program import Program
from archdsl.pytorch.python import as_syntax, name
from archdsl.pytorch.python import call as call_of
from archdsl.pytorch.starts import scheme_of, started_together, wrap
from archdsl.pytorch.symbols import Fixed
from archdsl.pytorch.walks import Walk


def dilating(program: Program, walk: Walk) -> list[ast.stmt]:
    """The statements that change windows, one for all modules that become the same.

    Blocks say the strides that they have without an output stride, and so do their classes.
    """
    graph, started = program.graph, started_together(program)
    titles = titles_of(program, walk)
    found: dict[tuple[tuple[str, Any], ...], dict[str, None]] = {}
    made: dict[str, ast.stmt] = {}
    for node in graph.nodes:
        said = program.written.dilated.get(node.id)
        if not isinstance(said, Op):
            continue
        before, after = (call(op, graph.specs(node)) for op in (said, node.op))
        if after.form != "module":
            raise Fixed((), f"{node.path} is no module")
        outer, _, last = node.path.rpartition(".")
        path = f"{outer}.{titles.get(node.path, last)}".lstrip(".")
        changes = _changes(before, after, node)
        if changes is None:
            module, init = module_of(after), scheme_of(node.op, after.target)
            if init is not None and after.target not in started:
                wrap(module, init, after.target)
            put = call_of("put", name("self"), as_syntax(path), module)
            made[path] = ast.Expr(put)
        else:
            found.setdefault(tuple(changes.items()), {})[path] = None
    settings = [
        ast.Expr(call_of("dilate", name("self"), *paths, **dict(changes)))
        for changes, paths in found.items()
    ]
    return [*settings, *made.values()]


def titles_of(program: Program, walk: Walk) -> dict[str, str]:
    """The attributes of modules whose names begin with `_`, by their paths in the graph."""
    walks = [walk, *(made.walk for made in program.classes.values() if made is not None)]
    return {
        f"{prefix}.{key}".lstrip("."): title
        for one in walks
        for prefix in one.prefixes
        for key, title in one.body.top.titles.items()
    }


def _changes(before: Call, after: Call, node: Node) -> Mapping[str, Any] | None:
    """The settings that a module has otherwise; None if it is another module."""
    first, second = (
        {a.name: _set(a.value, made, node) for a in made.arguments} for made in (before, after)
    )
    if before.target != after.target or first.keys() - second.keys():
        return None
    return {title: value for title, value in second.items() if first.get(title) != value}


def _set(value: Any, made: Call, node: Node) -> Any:
    """A setting as the module keeps it: convolutions have a number for each axis."""
    plain = "Conv" not in made.target or not isinstance(value, int)
    return value if plain or isinstance(value, bool) else (value,) * node.output.rank
