"""What a class gives: the end of `forward`, and the outputs of a network by name."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdsl.analysis.receptive_field import reductions
from archdsl.graph.graph import INPUT, Graph
from archdsl.pytorch.body import Body, Value, expanded, variable_name
from archdsl.pytorch.python import as_syntax, function, name, negated
from archdsl.pytorch.symbols import Fixed


@dataclass
class Members:
    """What a network's class holds beside its constructor."""

    doc: str
    features: ast.expr | None  # what `feature_info` says
    forward: ast.FunctionDef


def network_members(
    graph: Graph, body: Body, given: Sequence[Value], values: Mapping[str, Value],
    finish: Any = None,
) -> Members:  # fmt: skip
    """`forward` and `feature_info` of a network whose nodes give these values, by id.

    `given` are its inputs.
    """
    ids = {**graph.outputs, **graph.aux}
    missing = [id for id in ids.values() if id not in values]
    if missing:
        raise Fixed((), f"{missing[0]} cannot be reached")
    main = [values[id] for id in graph.outputs.values()]
    side = [values[id] for id in graph.aux.values()]
    (finish or body.prune)([*main, *side])
    asides = _aside(body, main)
    late = {step.target.mark for step in asides}
    body.steps = [s for s in body.steps if s.target.mark not in late] + asides
    inputs = ["x" if id == INPUT else variable_name(id) for id in graph.inputs]
    naming = body.forward(given, inputs)
    names = [*graph.outputs, *graph.aux] if any(graph.outputs) or side else []
    statements = naming.finish([*main, *side], names)
    returned = _result(graph.outputs, [naming.read(v) for v in main])
    if side:
        end = len(statements) - len(asides)
        early = ast.If(negated(name("self.training")), [ast.Return(returned)], [])
        sides = _dictionary(list(graph.aux), [naming.read(v) for v in side])
        last = ast.Return(ast.Tuple([returned, sides]))
        statements = [*statements[:end], early, *statements[end:], last]
    else:
        statements = [*statements, ast.Return(returned)]
    named = [n for n in graph.outputs if n]
    features = _features(graph, named, [expanded(v, body.lets) for v in main]) if named else None
    kind = ast.Subscript(name("dict"), ast.Tuple([name("str"), name("Tensor")]))
    returns: ast.expr = kind if named else name("Tensor")
    if side:
        both = ast.Subscript(name("tuple"), ast.Tuple([returns, kind]))
        returns = ast.BinOp(returns, ast.BitOr(), both)
    taken = [ast.arg("self"), *(ast.arg(title, name("Tensor")) for title in inputs)]
    forward = function("forward", taken, [], returns, statements)
    to = f"{len(named)} maps by name" if len(named) > 1 else named[0] if named else str(
        graph.spec(graph.outputs[""]))  # fmt: skip
    what = f"An image of {graph.given}" if [*graph.inputs] == [INPUT] else graph.given
    return Members(f"{what} to {to}.", features, forward)


def base_of(body: Body) -> str:
    return {"self": "nn.Module", "list": "nn.ModuleList", "dict": "nn.ModuleDict"}[body.top.kind]


def _aside(body: Body, main: Sequence[Value]) -> list[Any]:
    """The steps that only training needs."""
    needed = {value.mark for value in main}
    asides = []
    for step in reversed(body.steps):
        if step.target.mark in needed:
            needed.update(step.operands)
        else:
            asides.append(step)
    return asides[::-1]


def _result(outputs: Mapping[str, str], values: list[ast.expr]) -> ast.expr:
    return _dictionary(list(outputs), values) if any(outputs) else values[0]


def _dictionary(names: list[str], values: list[ast.expr]) -> ast.expr:
    keys: list[ast.expr | None] = [as_syntax(n) for n in names]
    return ast.Dict(keys, values)


def _features(graph: Graph, named: list[str], values: list[Value]) -> ast.expr:
    found = reductions(graph, [graph.outputs[n] for n in named])
    infos: list[ast.expr] = []
    for title, value in zip(named, values, strict=True):
        info = [as_syntax(value.spec.channels), as_syntax(found[graph.outputs[title]])]
        infos.append(_dictionary(["channels", "reduction"], info))
    return _dictionary(named, infos)


def initial(body: list[ast.stmt]) -> ast.FunctionDef:
    return function("__init__", [ast.arg("self")], [], ast.Constant(None), body)


def documented(paragraphs: Sequence[str]) -> ast.stmt:
    """The documented of a class or module."""
    lines = (" ".join(text.split()) for text in paragraphs)
    return ast.Expr(ast.Constant("\n".join(lines)))
